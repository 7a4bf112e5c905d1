package tray

import (
	"sync"
	"time"
)

// This file draws menus with what both libraries can do: add a line at the end,
// and change, hide and show one.

// entry is a line in a library's menu.
type entry interface {
	SetTitle(string)
	Enable()
	Disable()
	Check()
	Uncheck()
	Show()
	Hide()
	clicked() <-chan struct{}
}

// toolkit is a library.
type toolkit interface {
	add(parent entry, label string, checkbox bool) entry // parent is nil for the menu itself
	separator()
	icon(Icon) error
	tip(string)
	opened() <-chan struct{} // the menu was opened; nil where that is not told
}

// settle is how long a line must have said the same before a click on it
// counts: a click sooner was meant for what stood there before.
const settle = 700 * time.Millisecond

// canvas is the menu as it is on the screen. Its show is for one goroutine.
type canvas struct {
	toolkit toolkit
	now     func() time.Time
	lines   []*line
	icon    Icon
	tip     string
	acts    chan Act // what clicks ask for; one is buffered, so that a click while another is handled is not lost
	done    chan struct{}
	wg      sync.WaitGroup
}

// line is one place of the menu.
type line struct {
	place    string
	checkbox bool
	entry    entry
	lines    []*line

	mu    sync.Mutex // guards what follows: clicks read it
	item  Item       // what it shows; zero while it is hidden
	since time.Time  // since when a click on it means what it means now
}

// newCanvas makes all places of the menu, hidden. Clicks are heard until close.
func newCanvas(k toolkit, now func() time.Time) *canvas {
	c := &canvas{toolkit: k, now: now, acts: make(chan Act, 1), done: make(chan struct{})}
	c.lines = c.make(nil, places())
	return c
}

func (c *canvas) make(parent entry, items []Item) []*line {
	var out []*line
	for _, item := range items {
		if item.Separator {
			c.toolkit.separator()
			continue
		}
		l := &line{place: item.Place, checkbox: item.Checkbox, entry: c.toolkit.add(parent, item.Place, item.Checkbox)}
		l.lines = c.make(l.entry, item.Items)
		l.entry.Hide()
		if len(item.Items) == 0 {
			c.wg.Go(func() { c.listen(l) })
		}
		out = append(out, l)
	}
	return out
}

// close ends the hearing of clicks.
func (c *canvas) close() {
	close(c.done)
	c.wg.Wait()
}

// listen hands on the clicks on a line.
func (c *canvas) listen(l *line) {
	for {
		select {
		case <-c.done:
			return
		case <-l.entry.clicked():
		}
		l.mu.Lock()
		item, since := l.item, l.since
		if item.Checkbox { // some desktops tick it by themselves; it is so only when the agent says so
			tick(l.entry, item.Checked)
		}
		l.mu.Unlock()
		if item.Do == (Act{}) || item.Disabled || c.now().Sub(since) < settle {
			continue
		}
		select {
		case c.acts <- item.Do:
		case <-c.done:
			return
		}
	}
}

// show draws what has changed.
func (c *canvas) show(items []Item, icon Icon, tip string) error {
	c.draw(c.lines, items)
	if tip != c.tip {
		c.toolkit.tip(tip)
		c.tip = tip
	}
	if icon == c.icon {
		return nil
	}
	c.icon = icon
	return c.toolkit.icon(icon)
}

func (c *canvas) draw(lines []*line, items []Item) {
	byPlace := map[string]Item{}
	for _, item := range items {
		byPlace[item.Place] = item
	}
	for _, l := range lines {
		item, wanted := byPlace[l.place]
		c.draw(l.lines, item.Items) // before it can be seen, and also when it no longer is: clicks may be on their way
		l.set(item, wanted, c.now())
	}
}

// set changes what a line says, in as few steps as it takes: each is a message
// to the desktop.
func (l *line) set(item Item, wanted bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.item
	if !wanted {
		l.item = Item{}
		if was.Place != "" {
			l.entry.Hide()
		}
		return
	}
	l.item = item
	l.item.Items = nil
	if was.Do != item.Do || was.Disabled && !item.Disabled {
		l.since = now
	}
	if was.Label != item.Label {
		l.entry.SetTitle(item.Label)
	}
	if was.Place == "" || was.Disabled != item.Disabled {
		if item.Disabled {
			l.entry.Disable()
		} else {
			l.entry.Enable()
		}
	}
	if l.checkbox && (was.Place == "" || was.Checked != item.Checked) {
		tick(l.entry, item.Checked)
	}
	if was.Place == "" {
		l.entry.Show()
	}
}

func tick(e entry, on bool) {
	if on {
		e.Check()
	} else {
		e.Uncheck()
	}
}

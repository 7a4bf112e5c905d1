package tray

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// paper is a toolkit that keeps what is drawn, and counts the strokes.
type paper struct {
	mu      sync.Mutex // guards all: clicks come from others
	lines   []*paperLine
	strokes int
	shown   Icon
	tooltip string
}

type paperLine struct {
	p                      *paper
	above                  *paperLine
	label                  string
	box, ticked, off, seen bool
	separator              bool
	clicks                 chan struct{}
}

func (p *paper) add(parent entry, label string, box bool) entry {
	l := &paperLine{p: p, label: label, box: box, seen: true, clicks: make(chan struct{})}
	if parent != nil {
		l.above = parent.(*paperLine)
	}
	p.lines = append(p.lines, l)
	return l
}
func (p *paper) separator()              { p.lines = append(p.lines, &paperLine{p: p, separator: true, seen: true}) }
func (p *paper) icon(i Icon) error       { p.shown = i; return nil }
func (p *paper) tip(s string)            { p.tooltip = s }
func (p *paper) opened() <-chan struct{} { return nil }

func (l *paperLine) stroke(f func())   { l.p.mu.Lock(); defer l.p.mu.Unlock(); l.p.strokes++; f() }
func (l *paperLine) SetTitle(s string) { l.stroke(func() { l.label = s }) }
func (l *paperLine) Enable()           { l.stroke(func() { l.off = false }) }
func (l *paperLine) Disable()          { l.stroke(func() { l.off = true }) }
func (l *paperLine) Check()            { l.stroke(func() { l.ticked = true }) }
func (l *paperLine) Uncheck()          { l.stroke(func() { l.ticked = false }) }
func (l *paperLine) Show()             { l.stroke(func() { l.seen = true }) }
func (l *paperLine) Hide()             { l.stroke(func() { l.seen = false }) }

func (l *paperLine) clicked() <-chan struct{} { return l.clicks }

// read is what a person sees of the paper.
func (p *paper) read() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		switch {
		case l.separator:
			out = append(out, "----")
		case l.seen && (l.above == nil || l.above.seen):
			line := l.label
			if l.above != nil {
				line = "  " + line
			}
			if l.off {
				line += " (grey)"
			}
			if l.ticked {
				line += " (ticked)"
			}
			out = append(out, line)
		}
	}
	return out
}

// lines is what a person should see of a menu.
func lines(items []Item, indent string) (out []string) {
	for _, i := range items {
		if i.Separator {
			out = append(out, "----")
			continue
		}
		line := indent + i.Label
		if i.Disabled {
			line += " (grey)"
		}
		if i.Checked {
			line += " (ticked)"
		}
		out = append(append(out, line), lines(i.Items, "  ")...)
	}
	return out
}

func (p *paper) find(t *testing.T, label string) *paperLine {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if l.seen && strings.Contains(l.label, label) {
			return l
		}
	}
	t.Fatalf("no line %q", label)
	return nil
}

// sample makes a model with n alerts.
func sample(n int, change func(*Model)) Model {
	m := Model{Agent: Here, Words: english(), Now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Browser: true,
		Status: wormbell.Status{Owner: true, Sensors: []wormbell.Sensor{{Name: "credentials", Backend: "fanotify", Who: true}}}}
	for i := range n {
		p := &wormbell.Process{PID: i + 10, Exe: "/tmp/thief"}
		m.Alerts = append(m.Alerts, wormbell.Alert{ID: fmt.Sprintf("abcd234%d", i), Title: fmt.Sprintf("Theft %d", i), State: wormbell.Open, Last: m.Now,
			Findings: []wormbell.Finding{{Detector: "other", Evidence: []wormbell.Event{{Process: p}}}}})
	}
	if change != nil {
		change(&m)
	}
	return m
}

// TestDraw: whatever came before, what is on the screen is the menu.
func TestDraw(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := &paper{}
	c := newCanvas(p, func() time.Time { return now })
	defer c.close()
	if got := p.read(); slices.ContainsFunc(got, func(s string) bool { return s != "----" }) {
		t.Errorf("before anything was drawn it shows %q", got)
	}
	until := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	steps := []Model{
		{Words: english()},
		sample(0, nil), sample(3, nil), sample(8, nil),
		sample(8, func(m *Model) { m.Alerts[0].Actions = []wormbell.Action{{Time: m.Now, What: "freeze", Done: 1}} }),
		sample(1, func(m *Model) { m.Browser = false }),
		sample(2, func(m *Model) { m.Status.Protect, m.Status.PausedUntil, m.Status.Lost = true, &until, 7 }),
		{Agent: Absent, Words: english()},
		sample(1, func(m *Model) { m.Held = notify.Held{Alerts: 2} }),
		sample(0, func(m *Model) { m.Words = words.In(language.Japanese); m.Status.ProtectWhy = "no" }),
	}
	for i := range 2 * len(steps) { // twice: from the last to the first, too
		m := steps[i%len(steps)]
		menu := Menu(m)
		if err := c.show(menu, IconOf(m), m.tip()); err != nil {
			t.Fatal(err)
		}
		if got, want := p.read(), lines(menu, ""); !slices.Equal(got, want) {
			t.Fatalf("step %d shows\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if p.shown != IconOf(m) || p.tooltip != m.tip() {
			t.Errorf("step %d: icon %v, tip %q", i, p.shown, p.tooltip)
		}
		// What is there already is not drawn again: each stroke wakes the desktop.
		before := p.strokes
		if err := c.show(menu, IconOf(m), m.tip()); err != nil || p.strokes != before {
			t.Errorf("step %d again: %d strokes, %v", i, p.strokes-before, err)
		}
		if got := slices.IndexFunc(lines(menu, ""), func(s string) bool { return s == "----" }); got < 1 {
			t.Errorf("step %d: nothing above the first separator", i)
		}
	}
}

// TestClicks: a click does what stands there, but not what has only just come
// to stand there.
func TestClicks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards now and asked
	now, asked := time.Now(), 0
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	p := &paper{}
	c := newCanvas(p, func() time.Time { mu.Lock(); defer mu.Unlock(); asked++; return now })
	defer c.close()
	// early clicks, and waits until it was looked at when that was.
	early := func(l *paperLine) {
		t.Helper()
		mu.Lock()
		was := asked
		mu.Unlock()
		l.clicks <- struct{}{}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			mu.Lock()
			looked := asked > was
			mu.Unlock()
			if looked {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("nobody looked at the click")
			}
		}
	}
	draw := func(m Model) {
		t.Helper()
		if err := c.show(Menu(m), IconOf(m), m.tip()); err != nil {
			t.Fatal(err)
		}
	}
	// next clicks on Quit after what was clicked before, so that what did nothing
	// can be told.
	next := func() Act {
		t.Helper()
		select {
		case a := <-c.clicks():
			return a
		case <-time.After(time.Minute):
			t.Fatal("no click arrived")
			return Act{}
		}
	}
	draw(sample(2, nil))
	pass(time.Minute)
	p.find(t, "Close").clicks <- struct{}{}
	if got := next(); got != (Act{Close, "abcd2340"}) {
		t.Errorf("%+v", got)
	}

	// A new alert takes the first place: a click that was on its way closes neither.
	m := sample(2, nil)
	m.Alerts[0].ID = "zzzz2345"
	draw(m)
	pass(settle / 2)
	early(p.find(t, "Close"))
	pass(settle)
	p.find(t, "Quit").clicks <- struct{}{}
	if got := next(); got != (Act{Verb: Quit}) {
		t.Errorf("a click on what has just changed did %+v", got)
	}
	p.find(t, "Close").clicks <- struct{}{}
	if got := next(); got != (Act{Close, "zzzz2345"}) {
		t.Errorf("%+v", got)
	}

	// A desktop may tick a box by itself; only the agent says whether it is so.
	protect := p.find(t, "Protect")
	protect.Check()
	protect.clicks <- struct{}{}
	if got := next(); got != (Act{Verb: Protect}) {
		t.Errorf("%+v", got)
	}
	p.mu.Lock()
	if protect.ticked {
		t.Error("the box is ticked, and the agent does not say so")
	}
	p.mu.Unlock()

	// What is grey or hidden does nothing, whatever the desktop sends.
	grey := sample(0, func(m *Model) { m.Status.ProtectWhy = "it cannot" })
	closing := p.find(t, "Close")
	draw(grey)
	pass(time.Minute)
	closing.clicks <- struct{}{}
	protect.clicks <- struct{}{}
	p.find(t, "Quit").clicks <- struct{}{}
	if got := next(); got != (Act{Verb: Quit}) {
		t.Errorf("a click on what cannot be chosen did %+v", got)
	}
}

// TestPlaces: every line of every menu has its place, in order.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for n := range 9 {
		for _, frozen := range []bool{false, true} {
			m := sample(n, func(m *Model) { m.Status.Lost = n })
			if frozen && n > 0 {
				m.Alerts[0].Actions = []wormbell.Action{{Time: m.Now, What: "freeze", Done: 1}}
			}
			if at := ordered(Menu(m), places()); at != "" {
				t.Errorf("%d alerts: the line %q has no place after those before it", n, at)
			}
		}
	}
}

func ordered(items, places []Item) string {
	for _, i := range items {
		at := slices.IndexFunc(places, func(p Item) bool { return p.Place == i.Place && p.Separator == i.Separator && p.Checkbox == i.Checkbox })
		if at < 0 {
			return i.Label + i.Place
		}
		if inner := ordered(i.Items, places[at].Items); inner != "" {
			return inner
		}
		places = places[at+1:]
	}
	return ""
}

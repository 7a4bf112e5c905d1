package watchers

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"wormbell"
	"wormbell/internal/autostart"
	"wormbell/watchers/internal/tree"
)

// autostartWatcher tells of every write of a file from which something starts
// by itself: units, shells' start-up files, git hooks, tasks of editors. Which
// these are is a table. What is written it does not read.
var autostartWatcher = Watcher{
	Name:  "autostart",
	Kinds: []wormbell.Kind{wormbell.FileWrite},
	Run: func(ctx context.Context, host Host, out Out) error {
		if host.Tree == nil {
			return errNoTree
		}
		return watchAutostart(ctx, host, out)
	},
}

const (
	// A folder that is moved into place is looked through this deep: as deep as
	// the table's deepest row below its first folder.
	maxMovedDepth = 4
	// maxMoved is how many files of it are told of.
	maxMoved = 100
	// linksEvery is how often it is looked which places are links. When something
	// comes to a place it is at once, up to linksAtOnce times, and then each
	// linksPause: a look costs a millisecond, and anybody can cause them.
	linksEvery  = 5 * time.Minute
	linksPause  = time.Second
	linksAtOnce = 5
)

// autostarts is the state of one run.
type autostarts struct {
	host   Host
	out    Out
	feed   *tree.Feed
	sub    *tree.Subscription
	links  atomic.Pointer[links]
	looked time.Time // when it was last looked which places are links
	looks  int       // so often without a pause between
	due    bool      // it is to be looked again once the pause is over
}

func watchAutostart(ctx context.Context, host Host, out Out) error {
	a := &autostarts{host: host, out: out, feed: host.Tree.feed}
	a.links.Store(&links{})
	a.sub = a.feed.Subscribe(tree.Want{Name: a.wants, Dirs: true})
	defer a.sub.Close()
	for _, home := range host.Homes {
		for _, dir := range autostart.Folders() {
			a.sub.Add(filepath.Join(home.Dir, filepath.FromSlash(dir)))
		}
	}
	a.relink()
	timer, left := time.NewTimer(linksEvery), 0
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			if a.due || !host.leaves(&left) {
				a.relink()
			}
			timer.Reset(linksEvery)
		case <-a.sub.Ready():
		}
		waits := a.due
		for c, ok := a.sub.Take(); ok && ctx.Err() == nil; c, ok = a.sub.Take() {
			a.change(ctx, c)
		}
		if a.due && !waits {
			timer.Reset(linksPause)
		}
	}
}

// wants reports whether a file of this name may be one of a place.
func (a *autostarts) wants(name []byte) bool {
	return autostart.Name(name) || a.links.Load().names[string(name)]
}

// moved looks which places are links, or has it be done later.
func (a *autostarts) moved() {
	if time.Since(a.looked) >= linksPause {
		a.looks = 0
	}
	if a.looks++; a.looks > linksAtOnce {
		a.due = true
		return
	}
	a.relink()
}

// relink looks which places are links, and follows the folders that they lead to.
func (a *autostarts) relink() {
	a.looked, a.due = time.Now(), false
	l := findLinks(a.feed, a.host.Homes)
	for real := range l.places {
		if _, known := a.links.Load().places[real]; !known {
			a.sub.Add(filepath.Dir(real)) // of a file
			a.sub.Add(real)               // if it is a folder
		}
	}
	a.links.Store(l)
}

// change tells what one change of the tree means. A place may have become a link
// by it; that is looked up first.
func (a *autostarts) change(ctx context.Context, c tree.Change) {
	home := a.host.Tree.home(c.Home)
	switch {
	case c.Op == tree.Armed:
		if s, ok := a.feed.State(); ok {
			a.out.Sees(s.Backend, s.Who, s.Why)
		}
	case c.Op == tree.Overflow:
		a.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.Gap, Source: c.Source, Count: c.Count,
			Line: "writes to places from where programs start were missed"})
		a.moved()
	case home == nil || c.Op == tree.Removed || c.Op == tree.MovedOut || c.Op == tree.Vanished:
	case c.Dir:
		if place := a.links.Load().place(c.Path); autostart.Holds(short(home, place)) {
			a.moved()
			for _, p := range a.arrived(ctx, home, c.Path) {
				a.out.Emit(autostartWrite(c, home, p))
			}
		}
	default:
		if place := a.links.Load().place(c.Path); isPlace(home, place) {
			if c.Op == tree.Create || c.Op == tree.MovedIn {
				a.moved()
			}
			a.out.Emit(autostartWrite(c, home, place))
		}
	}
}

func isPlace(home *Home, path string) bool {
	_, _, ok := autostart.Of(short(home, path))
	return ok
}

func autostartWrite(c tree.Change, home *Home, path string) wormbell.Event {
	return wormbell.Event{Time: c.Time, Kind: wormbell.FileWrite, Source: c.Source, User: home.User, Process: c.Process, Path: short(home, path)}
}

// arrived returns the places of files in a folder that came with its content.
func (a *autostarts) arrived(ctx context.Context, home *Home, dir string) (places []string) {
	depth := func(p string) int { return strings.Count(p[len(dir):], string(filepath.Separator)) }
	l := a.links.Load()
	a.feed.Walk(ctx, dir, func(in, name string, isDir bool) bool {
		p := filepath.Join(in, name)
		place := l.place(p)
		if !isDir && isPlace(home, place) && len(places) < maxMoved {
			places = append(places, place)
		}
		return isDir && depth(p) < maxMovedDepth && autostart.Holds(short(home, place)) && len(places) < maxMoved
	})
	return places
}

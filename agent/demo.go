package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/watchers"
)

// demo is one demonstration: a scratch home that is guarded for a while by a
// second set of watchers, beside the real ones.
type demo struct {
	home  watchers.Home
	until time.Time

	mu    sync.Mutex // guards armed
	armed map[string]bool
	ready chan struct{} // closed once all its watchers are armed
	want  int
}

func (d *demo) arm(watcher string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed[watcher] {
		return
	}
	d.armed[watcher] = true
	if len(d.armed) == d.want {
		close(d.ready)
	}
}

// demos are the demonstrations under way.
type demos struct {
	mu   sync.Mutex // guards list
	list []*demo
}

// maxDemos bounds how many demonstrations run at once.
const maxDemos = 4

// demo guards dir for the given time at the request of user, who must own it
// (the API has checked both), and returns once it is guarded.
func (a *agent) demo(ctx context.Context, dir string, within time.Duration) error {
	h, err := a.folders.home(dir, a.folders.keys()(dir))
	if err != nil {
		return err
	}
	d := &demo{home: h, until: time.Now().Add(within), armed: map[string]bool{}, ready: make(chan struct{})}
	var run []watchers.Watcher
	for _, w := range watchers.All {
		if w.Name != "processes" && w.Name != "connections" { // there is one system, and it is watched already
			run = append(run, w)
		}
	}
	d.want = len(run)
	tree, err := a.newTree([]watchers.Home{h})
	if err != nil {
		return err
	}
	a.demos.mu.Lock()
	if len(a.demos.list) >= maxDemos {
		a.demos.mu.Unlock()
		return fmt.Errorf("%d demonstrations are under way already", maxDemos)
	}
	a.demos.list = append(a.demos.list, d)
	a.demos.mu.Unlock()

	a.trustHomes()
	a.wait.Go(func() { a.runDemo(d, tree, run) })
	select {
	case <-d.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return fmt.Errorf("guard %q: not all watchers were armed in time", dir)
	}
}

// runDemo watches d's home until its time is over.
func (a *agent) runDemo(d *demo, tree *watchers.Tree, run []watchers.Watcher) {
	ctx, cancel := context.WithDeadline(a.ctx, d.until)
	defer cancel()
	host := a.host
	host.State = "" // what is kept there is about the real homes
	host.Homes = []watchers.Home{d.home}
	host.Decoys = nil
	host.Protect = nil // it shows what an alert is, and has to come to its end
	host.Alive, host.Rest, host.Watch = nil, nil, nil
	host.Tree = tree
	var wait sync.WaitGroup
	wait.Go(func() { a.runTree(ctx, host.Tree) })
	for _, w := range run {
		o := a.sensors.add(w, a.queue, d)
		wait.Go(func() { a.sensors.supervise(ctx, w, host, o) })
	}
	wait.Wait()
	a.demos.mu.Lock()
	a.demos.list = slices.DeleteFunc(a.demos.list, func(o *demo) bool { return o == d })
	a.demos.mu.Unlock()
	a.trustHomes()
}

// trustHomes tells the trust table which folders are homes now: the guarded
// ones and those of demonstrations.
func (a *agent) trustHomes() {
	var dirs []string
	for _, h := range a.host.Homes {
		dirs = append(dirs, h.Dir)
	}
	a.demos.mu.Lock()
	for _, d := range a.demos.list {
		dirs = append(dirs, d.home.Dir)
	}
	a.demos.mu.Unlock()
	a.ask(func() { a.trust.SetHomes(dirs) })
}

// mark says of e that it belongs to a demonstration if its process works in
// the scratch home of one. Events of the files in it are marked by their
// watchers; process starts come from the one watcher there is.
func (ds *demos) mark(e wormbell.Event) wormbell.Event {
	if e.Demo || e.Process == nil || e.Process.Cwd == "" || e.Kind != wormbell.ProcessStart && e.Kind != wormbell.ProcessExit {
		return e // a read of a real credential is none, wherever the reader works
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.list {
		if e.Process.Cwd == d.home.Dir || strings.HasPrefix(e.Process.Cwd, d.home.Dir+string(filepath.Separator)) {
			e.Demo = true
		}
	}
	return e
}

package watchers

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"wormbell"
	"wormbell/watchers/internal/manifest"
	"wormbell/watchers/internal/tree"
)

// manifestsWatcher tells of every write of a package.json below a home, and of
// what changed in those of projects: the ones a person works on, outside
// node_modules and caches. Of installed ones it remembers those that are
// private: a registry serves none, so they came another way.
var manifestsWatcher = Watcher{
	Name:  "manifests",
	Kinds: []wormbell.Kind{wormbell.FileWrite, wormbell.FileRemove, wormbell.ManifestChange},
	Run: func(ctx context.Context, host Host, out Out) error {
		if host.Tree == nil {
			return errNoTree
		}
		return watchManifests(ctx, host, out)
	},
}

const (
	// scanGrace is how long the first search of the homes may hold up the
	// agent's readiness; it goes on behind it.
	scanGrace = 1500 * time.Millisecond
	// goneAfter is how long a manifest must be missing to be gone: editors and
	// git replace files in two steps.
	goneAfter = 300 * time.Millisecond
	// forgetAfter is how long what a removed manifest said is still compared
	// with what comes in its place.
	forgetAfter = 10 * time.Minute
	sweepEvery  = 5 * time.Minute
	// maxManifests bounds what is remembered: some 300 bytes each, 800 if somebody wants it.
	maxManifests = 20_000
	maxCreated   = 1024
)

// retries are the waits before a manifest that does not parse is read again:
// it may be half written.
var retries = [...]time.Duration{10 * time.Millisecond, 40 * time.Millisecond, 140 * time.Millisecond}

// manifests is the state of one run. Its loop owns it.
type manifests struct {
	homes []Home
	tree  *Tree
	out   Out
	log   *slog.Logger
	sub   *tree.Subscription
	known map[string]*known
	due   map[string]due
	// created are files that were told of at their creation with content in
	// them, and how much: their closing is no second write.
	created map[string]tree.Stamp
	first   time.Time // no entry of due is earlier
	full    time.Time // when it was last told that there is no room for more
	scans   *scans
	leaves  func(turn *int) bool // reports whether optional work is left out this time
}

// known is what is remembered of one manifest.
type known struct {
	last  *wormbell.Manifest // the last one that could be read; nil if none was
	shown bool               // last is what stands there, as far as has been told
	runs  []uint64           // sums of its scripts, of a project's
	gone  time.Time          // when it was noticed missing; zero while it is there
}

// due is a second look that has to be taken.
type due struct {
	at     time.Time
	change tree.Change
	tries  int  // of reading
	gone   bool // it was removed: see whether it is back
}

func watchManifests(ctx context.Context, host Host, out Out) error {
	ctx, cancel := context.WithCancel(ctx)
	m := &manifests{
		homes: host.Homes, tree: host.Tree, out: out, log: host.Log,
		sub:     host.Tree.feed.Subscribe(tree.Want{Name: isManifest, Dirs: true}),
		known:   map[string]*known{},
		due:     map[string]due{},
		created: map[string]tree.Stamp{},
		leaves:  host.leaves,
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	defer m.sub.Close()
	m.scans = newScans(host.Tree.feed, findManifests)
	var wg sync.WaitGroup
	wg.Go(func() { m.scans.run(ctx) }) // searches folders, so that events need not wait for it
	defer wg.Wait()
	defer cancel()
	for _, h := range m.homes {
		m.scans.ask(scan{dir: h.Dir, kind: scanFirst})
	}
	m.loop(ctx)
	return nil
}

func isManifest(name []byte) bool { return string(name) == manifest.File }

// loop takes events, findings of searches and second looks until ctx is done.
// Changes wait until the first search is through, so that what they changed is
// known, but not longer than scanGrace.
func (m *manifests) loop(ctx context.Context) {
	timer := time.NewTimer(scanGrace)
	defer timer.Stop()
	sweep, left := time.NewTicker(sweepEvery), 0
	defer sweep.Stop()
	grace := time.Now().Add(scanGrace)
	searching := true
	for {
		changes := m.sub.Ready()
		if searching {
			changes = nil
			timer.Reset(max(0, time.Until(grace)))
		} else if len(m.due) > 0 {
			timer.Reset(max(0, time.Until(m.first)))
		} else {
			timer.Reset(time.Hour)
		}
		select {
		case <-ctx.Done():
			return
		case f := <-m.scans.found:
			if f.done {
				searching = searching && m.scans.first() > 0
				break
			}
			m.found(f)
		case <-changes:
		case <-timer.C:
			searching = false
		case <-sweep.C:
			if !m.leaves(&left) {
				m.sweep(time.Now(), true)
			}
		}
		if searching {
			continue
		}
		for c, ok := m.sub.Take(); ok && ctx.Err() == nil; c, ok = m.sub.Take() {
			m.change(c)
			m.dues(time.Now())
		}
		m.dues(time.Now())
	}
}

// change takes one change of the tree.
func (m *manifests) change(c tree.Change) {
	switch {
	case c.Op == tree.Armed:
		if s, ok := m.tree.feed.State(); ok {
			m.out.Sees(s.Backend, s.Who, s.Why)
		}
	case c.Op == tree.Overflow:
		m.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.Gap, Source: c.Source, Count: c.Count,
			Line: "changes of manifests were missed: all were looked at again"})
		for _, h := range m.homes {
			m.scans.ask(scan{dir: h.Dir, kind: scanAgain, time: c.Time})
		}
		m.sweep(c.Time, false)
	case c.Op == tree.Vanished:
		m.later(due{at: time.Now().Add(goneAfter), change: c, gone: true})
	case c.Dir && c.Op == tree.MovedIn:
		m.scans.ask(scan{dir: c.Path, kind: scanMoved, time: c.Time, process: c.Process, source: c.Source})
	case c.Dir: // moved out or removed, with all that is in it
		for p := range m.known {
			if tree.Within(p, c.Path) {
				d := c
				d.Path, d.Dir = p, false
				m.later(due{at: time.Now().Add(goneAfter), change: d, gone: true})
			}
		}
	case c.Op == tree.Removed || c.Op == tree.MovedOut:
		if m.known[c.Path] != nil {
			m.later(due{at: time.Now().Add(goneAfter), change: c, gone: true})
		}
	default:
		m.look(c, 0)
	}
}

// look reads the manifest that c is about and tells what is new.
func (m *manifests) look(c tree.Change, tries int) {
	home := m.tree.home(c.Home)
	if home == nil {
		return
	}
	b, info, err := m.tree.feed.ReadFile(c.Path, manifest.MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if m.known[c.Path] != nil {
			m.later(due{at: time.Now().Add(goneAfter), change: c, gone: true})
		}
		return
	case tries == 0 && c.Op == tree.Create && err == nil && len(b) == 0:
		return // opened a moment ago; the write will be told
	case tries == 0 && m.closed(c, info.Inode, len(b)): // told already, but look what it says
	case tries == 0:
		m.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.FileWrite, Source: c.Source, User: home.User, Process: c.Process, Path: short(home, c.Path)})
	}
	var is *wormbell.Manifest
	var scripts []manifest.Script
	if err == nil {
		if is, err = manifest.Parse(b); errors.Is(err, manifest.ErrSyntax) && tries < len(retries) && !bytes.ContainsRune(b, 0) {
			m.later(due{at: time.Now().Add(retries[tries]), change: c, tries: tries + 1})
			return
		}
	}
	if is != nil {
		scripts = m.scripts(home, c.Path, b)
	}
	delete(m.due, c.Path) // whatever was to be looked at again has been
	m.compare(home, c, is, scripts)
}

// closed reports whether c only closes a file that was told of when it was
// created.
func (m *manifests) closed(c tree.Change, inode uint64, size int) bool {
	is := tree.Stamp{Inode: inode, Size: int64(size)}
	old, ok := m.created[c.Path]
	delete(m.created, c.Path)
	if c.Op == tree.Create && inode != 0 {
		if len(m.created) >= maxCreated {
			clear(m.created)
		}
		m.created[c.Path] = is
	}
	return ok && c.Op == tree.Write && old == is
}

// scripts returns those of the manifest in b, if it is a project's: what is installed has them run when it is.
func (m *manifests) scripts(home *Home, path string, b []byte) []manifest.Script {
	if !isProject(home, path) {
		return nil
	}
	return manifest.Scripts(b)
}

// compare tells how the manifest at c.Path, nil if it cannot be read or is
// gone, differs from what was known; scripts are its own.
func (m *manifests) compare(home *Home, c tree.Change, is *wormbell.Manifest, scripts []manifest.Script) {
	k := m.known[c.Path]
	project := isProject(home, c.Path)
	switch {
	case k == nil && !project:
		if is != nil && is.Private {
			m.remember(c.Path, &known{last: is, shown: true})
		}
		return
	case k == nil && is == nil:
		return
	case k == nil:
		k = &known{}
		m.remember(c.Path, k)
		m.sub.Add(filepath.Dir(c.Path))
	}
	was, told := k.last, k.shown
	var changed []string
	if is == nil {
		k.shown = false
		if !told {
			return
		}
	} else {
		if was != nil {
			changed = manifest.Changed(k.runs, scripts)
		}
		k.last, k.shown, k.gone, k.runs = is, true, time.Time{}, manifest.Sums(scripts)
		if was != nil && *was == *is && len(changed) == 0 {
			return
		}
		if !project && !is.Private {
			delete(m.known, c.Path)
		}
	}
	m.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.ManifestChange, Source: c.Source, User: home.User, Process: c.Process,
		Path: short(home, c.Path), Was: was, Is: is, Scripts: changed})
}

// isProject reports whether the manifest at path is one that a person works on.
func isProject(home *Home, path string) bool {
	return !manifest.Installed(path) && !tree.Skipped(belowHome(home, filepath.Dir(path)))
}

// remember keeps k. What there is no room for is not followed, and that is told.
func (m *manifests) remember(path string, k *known) {
	if len(m.known) < maxManifests || m.known[path] != nil {
		m.known[path] = k
		return
	}
	if now := time.Now(); now.Sub(m.full) > time.Hour {
		m.full = now
		m.out.Emit(wormbell.Event{Time: now.UTC(), Kind: wormbell.Gap, Source: "scan", Line: "there are too many manifests: changes of further ones are not seen"})
	}
}

// later notes a second look; the newest change of a path counts.
func (m *manifests) later(d due) {
	if len(m.due) == 0 || d.at.Before(m.first) {
		m.first = d.at
	}
	m.due[d.change.Path] = d
}

// dues takes the second looks that are due.
func (m *manifests) dues(now time.Time) {
	if len(m.due) == 0 || m.first.After(now) {
		return
	}
	var ready []due
	m.first = now.Add(time.Hour)
	for p, d := range m.due {
		if !d.at.After(now) {
			ready = append(ready, d)
			delete(m.due, p)
		} else if d.at.Before(m.first) {
			m.first = d.at
		}
	}
	for _, d := range ready {
		switch {
		case d.change.Op == tree.Vanished:
			m.sweep(d.change.Time, false)
		case d.gone:
			m.missing(d.change)
		default:
			m.look(d.change, d.tries)
		}
	}
}

// missing tells that a manifest is gone, if it still is.
func (m *manifests) missing(c tree.Change) {
	k, home := m.known[c.Path], m.tree.home(c.Home)
	if k == nil || home == nil || !k.gone.IsZero() {
		return
	}
	if _, err := m.tree.feed.Stat(c.Path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			m.quiet(c)
		}
		return
	}
	k.gone = time.Now()
	m.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.FileRemove, Source: c.Source, User: home.User, Process: c.Process, Path: short(home, c.Path)})
	m.compare(home, c, nil, nil)
}

// quiet compares a manifest that is back without calling it written.
func (m *manifests) quiet(c tree.Change) {
	b, _, err := m.tree.feed.ReadFile(c.Path, manifest.MaxSize)
	if err != nil {
		return
	}
	if is, err := manifest.Parse(b); err == nil {
		home := m.tree.home(c.Home)
		m.compare(home, c, is, m.scripts(home, c.Path, b))
	}
}

// sweep looks whether what is known is still there, and forgets what has long
// been gone.
func (m *manifests) sweep(now time.Time, forget bool) {
	for p, k := range m.known {
		if !k.gone.IsZero() {
			if forget && now.Sub(k.gone) > forgetAfter {
				delete(m.known, p)
			}
			continue
		}
		if _, err := m.tree.feed.Stat(p); errors.Is(err, fs.ErrNotExist) {
			m.missing(tree.Change{Op: tree.Removed, Path: p, Home: m.tree.feed.HomeOf(p), Time: now.UTC(), Source: "scan"})
		}
	}
}

// found takes a manifest that a search met.
func (m *manifests) found(f found) {
	home := m.tree.home(f.home)
	if home == nil || !isProject(home, f.path) {
		return
	}
	if f.kind == scanFirst {
		if m.known[f.path] == nil {
			m.remember(f.path, &known{last: f.manifest, shown: f.manifest != nil, runs: manifest.Sums(f.scripts)})
			m.sub.Add(filepath.Dir(f.path))
		}
		return
	}
	c := tree.Change{Op: tree.MovedIn, Home: f.home, Path: f.path, Process: f.process, Time: f.time, Source: "scan"}
	k := m.known[f.path]
	if f.kind == scanMoved {
		c.Source = f.source
		if k == nil || !k.gone.IsZero() {
			m.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.FileWrite, Source: c.Source, User: home.User, Process: c.Process, Path: short(home, c.Path)})
		}
	}
	if f.manifest == nil { // perhaps half written
		c.Op = tree.Write
		m.later(due{at: time.Now().Add(retries[0]), change: c, tries: 1})
		return
	}
	m.compare(home, c, f.manifest, f.scripts)
}

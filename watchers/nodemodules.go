package watchers

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/watchers/internal/manifest"
	"wormbell/watchers/internal/tree"
)

// nodeModulesWatcher tells which packages come to and go from the node_modules
// folders below the homes.
var nodeModulesWatcher = Watcher{
	Name:  "nodemodules",
	Kinds: []wormbell.Kind{wormbell.PackageAdd, wormbell.PackageRemove},
	Run: func(ctx context.Context, host Host, out Out) error {
		if host.Tree == nil {
			return errNoTree
		}
		return watchNodeModules(ctx, host, out, quietTime)
	},
}

const (
	// quietTime is how long nothing must have gone from a node_modules before
	// it is compared with what was there: `npm ci` deletes everything and puts
	// most of it back, `npm update` moves a package aside first. npm's hidden
	// lockfile, which it writes last, ends the wait.
	quietTime = 10 * time.Second
	maxQuiet  = 2 * time.Minute
	// maxPackages bounds what is remembered, some 80 bytes each: three times the
	// largest home seen.
	maxPackages = 60_000
	hiddenLock  = ".package-lock.json"
	// coarse is how far the clock of a file system may lag behind.
	coarse = 15 * time.Millisecond
)

// nodeModules is the state of one run. Its loop owns it.
type nodeModules struct {
	homes   []Home
	tree    *Tree
	came    func(dir string) // told of every package's folder
	out     Out
	log     *slog.Logger
	sub     *tree.Subscription
	scans   *scans
	quiet   time.Duration
	started time.Time
	scanned time.Time // when the last search of everything ended; zero before
	folders map[string][]installed
	count   int // of packages in folders
	unrest  map[string]*unrest
	met     map[string]bool // node_modules folders the search under way has met
}

// installed is one package, in a slice sorted by name.
type installed struct {
	name    string
	version string // "" until its manifest was read
}

// unrest is a folder that packages went from; "" stands for one that is not
// known.
type unrest struct {
	since, due time.Time
	change     tree.Change // the latest
}

func watchNodeModules(ctx context.Context, host Host, out Out, quiet time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	n := &nodeModules{
		homes: host.Homes, came: host.Lineage.Came, tree: host.Tree, out: out, log: host.Log, quiet: quiet, started: time.Now(),
		sub:     host.Tree.feed.Subscribe(tree.Want{Name: isPackageName, Dirs: true}),
		folders: map[string][]installed{},
		unrest:  map[string]*unrest{},
		met:     map[string]bool{},
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	defer n.sub.Close()
	n.scans = newScans(host.Tree.feed, findPackages)
	var wg sync.WaitGroup
	wg.Go(func() { n.scans.run(ctx) }) // lists folders, so that events need not wait for it
	defer wg.Wait()
	defer cancel()
	for _, h := range n.homes {
		n.scans.ask(scan{dir: h.Dir, kind: scanFirst})
	}
	n.loop(ctx)
	return nil
}

// isPackageName asks for manifests, npm's hidden lockfile and, when they are
// removed, whole node_modules folders.
func isPackageName(name []byte) bool {
	switch string(name) {
	case manifest.File, hiddenLock, "node_modules":
		return true
	}
	return false
}

// loop takes changes and findings until ctx is done.
func (n *nodeModules) loop(ctx context.Context) {
	timer := time.NewTimer(scanGrace)
	defer timer.Stop()
	grace := time.Now().Add(scanGrace)
	waiting := true // for the first search
	for {
		changes := n.sub.Ready()
		wait := time.Hour
		for _, u := range n.unrest {
			wait = min(wait, max(0, time.Until(u.due)))
		}
		if waiting {
			changes = nil
			wait = max(0, time.Until(grace))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case f := <-n.scans.found:
			n.found(f)
			waiting = waiting && n.scanned.IsZero()
		case <-changes:
		case <-timer.C:
			waiting = false
		}
		if waiting {
			continue
		}
		for c, ok := n.sub.Take(); ok && ctx.Err() == nil; c, ok = n.sub.Take() {
			n.change(c)
		}
		n.settle(time.Now())
	}
}

// change takes one change of the tree.
func (n *nodeModules) change(c tree.Change) {
	switch {
	case c.Op == tree.Armed:
		if s, ok := n.tree.feed.State(); ok {
			n.out.Sees(s.Backend, s.Who, s.Why)
		}
	case c.Op == tree.Overflow:
		n.out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.Gap, Source: c.Source, Count: c.Count,
			Line: "changes of packages were missed: all were looked at again"})
		for _, h := range n.homes {
			n.scans.ask(scan{dir: h.Dir, kind: scanAgain, time: c.Time, source: "scan"})
		}
	case c.Op == tree.Vanished:
		n.disturb("", c)
	case c.Dir && c.Op == tree.MovedIn:
		n.arrived(c)
	case c.Dir:
		n.disturb(outermost(c.Path), c)
	case filepath.Base(c.Path) == hiddenLock:
		if dir := filepath.Dir(c.Path); filepath.Base(dir) == "node_modules" && c.Op != tree.Removed && c.Op != tree.MovedOut {
			delete(n.unrest, dir)
			n.scans.ask(scan{dir: dir, kind: scanMoved, time: c.Time, process: c.Process, source: c.Source})
		}
	case c.Op == tree.Removed || c.Op == tree.MovedOut:
		if _, _, ok := manifest.Root(c.Path); ok {
			n.disturb(outermost(c.Path), c)
		}
	default:
		n.look(c)
	}
}

// outermost returns the outermost node_modules folder of path, or path itself
// if it is in none.
func outermost(path string) string {
	const in = string(filepath.Separator) + "node_modules"
	if i := strings.Index(path+string(filepath.Separator), in+string(filepath.Separator)); i >= 0 {
		return path[:i+len(in)]
	}
	return path
}

// arrived searches a folder that came with its content.
func (n *nodeModules) arrived(c tree.Change) {
	q := scan{dir: c.Path, kind: scanMoved, time: c.Time, process: c.Process, source: c.Source}
	if !manifest.Installed(c.Path) {
		n.scans.ask(q)
		return
	}
	up, base := filepath.Dir(c.Path), filepath.Base(c.Path)
	switch _, _, ok := manifest.Folder(c.Path); {
	case ok: // a package
		c.Path, c.Dir = filepath.Join(c.Path, manifest.File), false
		n.look(c)
		q.dir = filepath.Join(q.dir, "node_modules")
	case base == "node_modules":
	case filepath.Base(up) == "node_modules" && base[0] == '@': // a scope
		q.dir = up
	case isStore(filepath.Base(up)): // a package of pnpm's with its dependencies
		q.dir = filepath.Join(q.dir, "node_modules")
	default: // the inside of a package, or npm's temporary name for one
		return
	}
	n.scans.ask(q)
}

// isStore reports whether name is that of a folder in node_modules that holds
// packages one level deeper.
func isStore(name string) bool { return name == ".pnpm" || name == ".store" }

// disturb notes that something went from dir.
func (n *nodeModules) disturb(dir string, c tree.Change) {
	u := n.unrest[dir]
	if u == nil {
		if len(n.unrest) >= maxScans {
			dir = "" // look at all of them
			if u = n.unrest[dir]; u == nil {
				u = &unrest{since: c.Time}
				n.unrest[dir] = u
			}
		} else {
			u = &unrest{since: c.Time}
			n.unrest[dir] = u
		}
	}
	u.change = c
	u.due = time.Now().Add(n.quiet)
	if latest := u.since.Add(maxQuiet); u.due.After(latest) {
		u.due = latest
	}
}

// settle searches what has been quiet for long enough.
func (n *nodeModules) settle(now time.Time) {
	for dir, u := range n.unrest {
		if u.due.After(now) {
			continue
		}
		delete(n.unrest, dir)
		q := scan{dir: dir, kind: scanGone, time: u.change.Time, process: u.change.Process, source: u.change.Source}
		if dir != "" {
			n.scans.ask(q)
			continue
		}
		// Some folder that is gone held a manifest. Only folders that changed
		// since then can miss a package.
		for modules := range n.folders {
			i, err := n.tree.feed.Stat(modules)
			if err != nil || i.Changed.After(u.since.Add(-time.Second-n.quiet)) {
				q.dir = modules
				n.scans.ask(q)
			}
		}
	}
}

// look reads the manifest of a package that was written or appeared.
func (n *nodeModules) look(c tree.Change) {
	modules, name, ok := manifest.Root(c.Path)
	home := n.tree.home(c.Home)
	if !ok || home == nil || strings.Contains(name, "_tmp_") && strings.Contains(modules, ".pnpm") { // until pnpm renames it
		return
	}
	is := n.read(c.Path)
	if is == nil {
		return // half written, or no manifest; written again it will be told again
	}
	n.came(filepath.Join(modules, filepath.FromSlash(name)))
	i, known := n.find(modules, name)
	var was string
	if known {
		was = n.folders[modules][i].version
	}
	if known && was == is.Version {
		return
	}
	n.put(modules, i, known, installed{strings.Clone(name), is.Version})
	if known && was == "" || !known && n.scanned.IsZero() {
		// It was there before us and we never read it. Package managers replace the
		// folder for another version: an older folder holds what it held.
		if f, err := n.tree.feed.Stat(filepath.Dir(c.Path)); err == nil && !f.Born.IsZero() && f.Born.Before(n.started.Add(-coarse)) && c.Op != tree.MovedIn {
			return
		}
	}
	n.tell(wormbell.PackageAdd, home, c, modules, name, is.Version)
}

// read returns the manifest at path, nil if there is none that makes sense.
func (n *nodeModules) read(path string) *wormbell.Manifest {
	b, _, err := n.tree.feed.ReadFile(path, manifest.MaxSize)
	if err != nil {
		return nil
	}
	is, err := manifest.Parse(b)
	if err != nil {
		return nil
	}
	return is
}

func (n *nodeModules) tell(kind wormbell.Kind, home *Home, c tree.Change, modules, name, version string) {
	n.out.Emit(wormbell.Event{Time: c.Time, Kind: kind, Source: c.Source, User: home.User, Process: c.Process,
		Path:    short(home, filepath.Join(modules, filepath.FromSlash(name))),
		Package: &wormbell.Package{Ecosystem: "npm", Name: name, Version: version}})
}

// find returns where name is in its folder, or where it belongs.
func (n *nodeModules) find(modules, name string) (int, bool) {
	return slices.BinarySearchFunc(n.folders[modules], name, func(p installed, name string) int { return cmp.Compare(p.name, name) })
}

func (n *nodeModules) put(modules string, i int, known bool, p installed) {
	if known {
		n.folders[modules][i] = p
		return
	}
	if n.count >= maxPackages {
		for m, ps := range n.folders { // any: its packages are news when they are written to
			if m != modules {
				n.count -= len(ps)
				delete(n.folders, m)
				break
			}
		}
	}
	n.folders[modules] = slices.Insert(n.folders[modules], i, p)
	n.count++
}

// found takes what a search met.
func (n *nodeModules) found(f found) {
	c := tree.Change{Op: tree.MovedIn, Home: f.home, Time: f.time, Process: f.process, Source: f.source}
	if !f.done {
		n.met[f.path] = true
		n.compare(f, c)
		return
	}
	// Folders that were not met are gone.
	if f.kind != scanFirst {
		for modules := range n.folders {
			if tree.Within(modules, f.dir) && !n.met[modules] {
				c.Home = n.tree.feed.HomeOf(modules)
				n.compare(found{scan: f.scan, path: modules, home: c.Home}, c)
			}
		}
	}
	clear(n.met)
	if n.scans.first() == 0 {
		n.scanned = time.Now()
	}
}

// compare tells what came to and went from one node_modules folder.
func (n *nodeModules) compare(f found, c tree.Change) {
	home := n.tree.home(f.home)
	if home == nil {
		return
	}
	if f.kind == scanFirst {
		for _, name := range f.names {
			n.came(filepath.Join(f.path, filepath.FromSlash(name)))
		}
		if n.folders[f.path] == nil && n.count+len(f.names) <= maxPackages {
			list := make([]installed, len(f.names))
			for i, name := range f.names {
				list[i].name = name
			}
			n.folders[f.path] = list
			n.count += len(list)
		}
		return
	}
	for _, name := range f.names {
		if f.kind == scanGone {
			break // what came is told by its own event, which knows who
		}
		c.Path = filepath.Join(f.path, filepath.FromSlash(name), manifest.File)
		if _, known := n.find(f.path, name); !known {
			n.look(c)
		} else if f.kind == scanAgain {
			if i, err := n.tree.feed.Stat(c.Path); err == nil && i.Changed.After(n.scanned.Add(-time.Second)) {
				c.Op = tree.Write
				n.look(c)
				c.Op = tree.MovedIn
			}
		}
	}
	var gone []installed
	n.folders[f.path] = slices.DeleteFunc(n.folders[f.path], func(p installed) bool {
		if _, there := slices.BinarySearch(f.names, p.name); there {
			return false
		}
		// It may have come since the folder was listed.
		if _, err := n.tree.feed.Stat(filepath.Join(f.path, filepath.FromSlash(p.name))); err == nil {
			return false
		}
		gone = append(gone, p)
		return true
	})
	n.count -= len(gone)
	if len(n.folders[f.path]) == 0 {
		delete(n.folders, f.path)
	}
	for _, p := range gone {
		n.tell(wormbell.PackageRemove, home, c, f.path, p.name, p.version)
	}
}

// findPackages lists the node_modules folders at and below q.dir. It opens no
// file: of a package's inside only a node_modules in it is looked for, 2,800
// folders instead of 90,000 in a home with 20,000 packages.
func findPackages(ctx context.Context, feed *tree.Feed, q scan, met func(found)) {
	if filepath.Base(q.dir) == "node_modules" {
		listModules(ctx, feed, q.dir, met)
		return
	}
	feed.Walk(ctx, q.dir, func(dir, name string, isDir bool) bool {
		if !isDir {
			return false
		}
		path := filepath.Join(dir, name)
		home := feed.HomeOf(path)
		if home < 0 || tree.Skipped(feed.Below(home, path)) {
			return false
		}
		if name == "node_modules" {
			listModules(ctx, feed, path, met)
			return false
		}
		return true
	})
}

// listModules lists one node_modules folder and those of its packages.
func listModules(ctx context.Context, feed *tree.Feed, modules string, met func(found)) {
	home := feed.HomeOf(modules)
	for todo := []string{modules}; len(todo) > 0 && ctx.Err() == nil; {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		var names, below []string // below: where a node_modules may be
		ok := feed.List(dir, func(name string, isDir bool) {
			switch path := filepath.Join(dir, name); {
			case !isDir:
			case name[0] == '@':
				feed.List(path, func(sub string, isDir bool) {
					if isDir {
						names = append(names, name+"/"+sub)
					}
				})
			case isStore(name):
				feed.List(path, func(sub string, isDir bool) {
					if isDir && sub != "node_modules" {
						below = append(below, filepath.Join(path, sub))
					}
				})
			case name[0] != '.':
				names = append(names, name)
			}
		})
		if !ok {
			continue
		}
		slices.Sort(names)
		met(found{path: dir, home: home, names: names}) // not changed from here on: another goroutine reads them
		for _, name := range names {
			todo = append(todo, filepath.Join(dir, filepath.FromSlash(name), "node_modules"))
		}
		for _, d := range below {
			todo = append(todo, filepath.Join(d, "node_modules"))
		}
	}
}

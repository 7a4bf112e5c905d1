package watchers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/watchers/internal/fanotify"
	"wormbell/watchers/internal/inotifyopen"
)

const (
	// verifyEvery is how often everything is looked at again, should an event
	// have been missed. It costs about a millisecond.
	verifyEvery = time.Minute
	// mountsSettle is the least time between two looks because of a mount:
	// starting a container makes dozens of them.
	mountsSettle = time.Second
)

// guardBackend is a mechanism that sees opens.
type guardBackend interface {
	// mask returns what the keeper's inotify watch on a folder with guarded
	// files is to report besides changes of names.
	mask() uint32
	// folder is called for every folder on the way to guarded files each time
	// it is looked at; with guarded if it holds, or may come to hold, some.
	folder(dir *place, wd int32, guarded bool) error
	// file arms one guarded file that lies in the folder in; known if it was
	// armed before. A cannotGuard error says why it is not guarded.
	file(at, in *place, f guardedFile, known bool) error
	// event is called with what mask asked for, and for the backend's own
	// watches on files.
	event(e inotifyopen.Event)
	// turn is called whenever the keeper has taken in all that was reported.
	turn()
	// tick is called at every verification.
	tick(now time.Time)
}

// keeper keeps every guarded file armed: it knows the folders on the way to
// them and follows what appears, goes and is replaced there. It belongs to one
// goroutine.
type keeper struct {
	c       *credentials
	back    guardBackend
	watch   *inotifyopen.Watch
	wake    *fanotify.Waker
	mounts  mounts
	folders map[fanotify.ID]*folderWatch
	wds     map[int32]fanotify.ID
	round   int // of looking at everything

	stores   []guardPattern // of the table
	decoys   int            // the round of Host.Decoys that is in plan
	searched int            // the round of the search that is in plan
	plan     []guardPattern // stores, then what was searched for, then decoys
	off      []wormbell.Guarded
	beyond   []wormbell.Guarded                      // what the search found and does not guard
	literals map[string]map[int]bool                 // name → patterns that it may concern
	metas    map[fanotify.ID]map[string]map[int]bool // the same for patterns of names, by the folder
	results  []walk                                  // the last walk of each pattern
	told     []wormbell.Guarded
}

// folderWatch is a watched folder.
type folderWatch struct {
	wd      int32
	real    string
	guarded bool // it holds guarded names, not only folders on the way
	round   int  // when it was last passed
}

// newKeeper makes one; close it.
func newKeeper(c *credentials) (*keeper, error) {
	watch, err := inotifyopen.NewWatch()
	if err != nil {
		return nil, err
	}
	wake, err := fanotify.NewWaker()
	if err != nil {
		watch.Close()
		return nil, err
	}
	k := &keeper{
		c: c, watch: watch, wake: wake,
		folders: make(map[fanotify.ID]*folderWatch),
		wds:     make(map[int32]fanotify.ID),
		decoys:  -1, searched: -1,
	}
	k.stores, k.off = planGuards(c.host.Homes, c.table, c.host.Stores)
	k.replan()
	return k, nil
}

// replan makes the plan, and reports whether it is another one now.
func (k *keeper) replan() bool {
	decoys, round, news := k.c.host.Decoys.news(k.decoys)
	searched, beyond, turn, found := k.c.search.news(k.searched)
	if k.plan != nil && !news && !found {
		return false
	}
	k.decoys, k.searched, k.beyond = round, turn, beyond
	k.plan = slices.Concat(k.stores, searched, planDecoys(k.c.host.Homes, decoys))
	for i := range k.results {
		// Not looked at yet is nil. What stays is not let go of for a moment.
		if p := k.results[i].p; p != nil && p.decoy != nil && !slices.ContainsFunc(decoys, func(d wormbell.Decoy) bool {
			return d.Home == p.decoy.Home && d.Path == p.decoy.Path && d.File == p.decoy.File
		}) {
			k.c.book.strikeDecoy(p.home, p.path)
		}
	}
	k.results = make([]walk, len(k.plan))
	k.literals, k.metas = make(map[string]map[int]bool), make(map[fanotify.ID]map[string]map[int]bool)
	for i := range k.plan {
		for _, seg := range k.plan[i].segs {
			if !hasPattern(seg) {
				k.byName(nil, seg, i)
			}
		}
	}
	return true
}

func (k *keeper) close() {
	k.watch.Close()
	k.wake.Close()
}

// byName remembers that a change of this name may concern pattern i; if it is a
// pattern itself, a change in dir.
func (k *keeper) byName(dir *place, name string, i int) {
	m := k.literals
	if hasPattern(name) {
		if m = k.metas[dir.id()]; m == nil {
			m = make(map[string]map[int]bool)
			k.metas[dir.id()] = m
		}
	}
	if m[name] == nil {
		m[name] = make(map[int]bool)
	}
	m[name][i] = true
}

// run arms everything, calls ready, and keeps it so until ctx is done.
func (k *keeper) run(ctx context.Context, ready func()) error {
	defer context.AfterFunc(ctx, k.wake.Wake)()
	// Not by os.Open: Go's own poller would ask it as well, and whoever asks
	// first is told of a change.
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("watch the mounts: %w", err)
	}
	defer unix.Close(table)
	k.c.host.Decoys.onNews(k.wake.Wake)
	defer k.c.host.Decoys.onNews(nil)
	k.c.search.onNews(k.wake.Wake)
	defer k.c.search.onNews(nil)
	k.c.search.began(ctx)
	k.replan()
	k.lookAtAll()
	ready()

	fds := []unix.PollFd{
		{Fd: int32(k.watch.FD()), Events: unix.POLLIN},
		{Fd: int32(k.wake.FD()), Events: unix.POLLIN},
		{Fd: int32(table), Events: unix.POLLPRI},
	}
	verify, left := time.Now().Add(verifyEvery), 0
	var mounted time.Time // when something was mounted that was not looked at yet
	for {
		now := time.Now()
		due := verify
		if !mounted.IsZero() {
			due = earlier(due, mounted.Add(mountsSettle))
		}
		if k.c.flood.pending() {
			due = earlier(due, now.Add(time.Second))
		}
		if _, err := unix.Poll(fds, int(max(due.Sub(now).Milliseconds()+1, 0))); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		now = time.Now()
		if fds[1].Revents != 0 {
			k.wake.Rest()
		}
		if fds[2].Revents&(unix.POLLPRI|unix.POLLERR) != 0 && mounted.IsZero() {
			mounted = now
		}
		for _, e := range k.c.flood.flush(now) {
			k.c.out.Emit(e)
		}
		all := k.replan()
		if !now.Before(verify) || !mounted.IsZero() && now.Sub(mounted) >= mountsSettle {
			if mounted.IsZero() && k.c.host.leaves(&left) {
				verify = now.Add(verifyEvery)
			} else {
				k.mounts.forget()
				k.back.tick(now)
				verify, mounted, all = now.Add(verifyEvery), time.Time{}, true
			}
		}
		if err := k.changes(all); err != nil {
			return err
		}
		k.back.turn()
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// changes takes in what inotify reports and looks again at what it concerns,
// or at everything.
func (k *keeper) changes(all bool) error {
	var buf [16 << 10]byte
	concerned := make(map[int]bool)
	for {
		n, err := k.watch.Read(buf[:])
		if errors.Is(err, unix.EAGAIN) {
			break
		} else if errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return fmt.Errorf("read inotify events: %w", err)
		}
		for b := buf[:n]; len(b) > 0; {
			var e inotifyopen.Event
			if e, b, err = inotifyopen.Next(b); err != nil {
				return err
			}
			if k.change(e, concerned) {
				all = true
			}
		}
		if n < len(buf)/2 {
			break // looking again must not wait for a flood to end
		}
	}
	if all {
		k.lookAtAll()
		return nil
	}
	for i := range k.plan { // in order
		if concerned[i] {
			k.look(i)
		}
	}
	if len(concerned) > 0 {
		k.tell()
	}
	return nil
}

// change takes in one event and reports whether everything must be looked at
// again.
func (k *keeper) change(e inotifyopen.Event, concerned map[int]bool) bool {
	if e.Mask&inotifyopen.QOverflow != 0 {
		k.c.gap(inotify, 0, "changes of folders with guarded files")
		return true
	}
	if e.Mask&(inotifyopen.Open|inotifyopen.CloseWrite|inotifyopen.CloseNoWrite) != 0 {
		k.back.event(e)
		return false
	}
	id, ours := k.wds[e.WD]
	if e.Mask&inotifyopen.Ignored != 0 {
		if f := k.folders[id]; ours && f != nil && f.wd == e.WD {
			delete(k.folders, id)
		}
		delete(k.wds, e.WD)
		k.back.event(e)
		return false // what made it so was reported before
	}
	if e.Mask&(inotifyopen.DeleteSelf|inotifyopen.MoveSelf|inotifyopen.Unmount) != 0 {
		return ours
	}
	if len(e.Name) == 0 {
		return false
	}
	for i := range k.literals[string(e.Name)] {
		concerned[i] = true
	}
	for seg, patterns := range k.metas[id] {
		if matchName(seg, string(e.Name)) {
			for i := range patterns {
				concerned[i] = true
			}
		}
	}
	return false
}

// lookAtAll looks at every pattern and ends the watches on folders that no way
// passes any more.
func (k *keeper) lookAtAll() {
	k.round++
	for i := range k.plan {
		k.look(i)
	}
	for id, f := range k.folders {
		if f.round != k.round {
			k.watch.Remove(f.wd)
			delete(k.folders, id)
			delete(k.wds, f.wd)
			delete(k.metas, id)
		}
	}
	k.tell()
	k.c.host.Decoys.took(k.decoys)
}

// look walks pattern i.
func (k *keeper) look(i int) {
	w := walk{k: k, p: &k.plan[i], index: i, names: make(map[string][]guardedName)}
	w.run()
	before := k.results[i]
	k.results[i] = w
	for dir, names := range before.names {
		if !slices.Equal(names, w.names[dir]) {
			k.renameBook()
			return
		}
	}
}

// renameBook drops names from the book that no pattern leads to any more.
func (k *keeper) renameBook() {
	dirs := make(map[string][]guardedName)
	for i := range k.results {
		for dir, names := range k.results[i].names {
			for _, n := range names {
				if !slices.Contains(dirs[dir], n) {
					dirs[dir] = append(dirs[dir], n)
				}
			}
		}
	}
	k.c.book.setNames(dirs)
}

// folder has the changes of names in dir reported, and its opens if guarded.
func (k *keeper) folder(dir *place, guarded bool) {
	id := dir.id()
	f := k.folders[id]
	if f == nil {
		f = &folderWatch{}
		k.folders[id] = f
	}
	f.round, f.real = k.round, dir.real
	f.guarded = f.guarded || guarded
	mask := uint32(inotifyopen.Create | inotifyopen.Delete | inotifyopen.MovedTo | inotifyopen.MovedFrom |
		inotifyopen.DeleteSelf | inotifyopen.MoveSelf | unix.IN_ONLYDIR)
	if f.guarded {
		mask |= k.back.mask()
	}
	wd, err := k.watch.Add(fanotify.ProcFD(dir.fd), mask)
	if err != nil {
		// Another user's watches cannot use up ours: this is rare. Verification
		// tries again.
		delete(k.folders, id)
		k.c.log.Warn("folder not watched", "err", err)
	} else {
		f.wd = wd
		k.wds[wd] = id
	}
	if err := k.back.folder(dir, wd, guarded); err != nil {
		k.c.log.Warn("opens in a folder not watched", "err", err)
	}
}

// guard arms one file.
func (k *keeper) guard(at, in *place, f guardedFile) error {
	id := at.id()
	known := k.c.book.knows(id)
	// The book first: see fanotify.Perm's ignoring of siblings.
	k.c.book.enroll(id, f)
	if err := k.back.file(at, in, f, known); err != nil {
		k.c.book.strike(id)
		return err
	}
	return nil
}

// alike compares what the watcher says of a file; who read it is not its to say.
func alike(a, b wormbell.Guarded) bool {
	return a.Store == b.Store && a.Kind == b.Kind && a.Path == b.Path && a.User == b.User && a.State == b.State && a.Why == b.Why
}

// tell tells the list of guarded files if it has changed.
func (k *keeper) tell() {
	list := slices.Concat(k.off, k.beyond)
	for i := range k.results {
		list = append(list, k.results[i].found...)
	}
	sortGuarded(list)
	// A file that two patterns of a store mean is one.
	list = slices.CompactFunc(list, func(a, b wormbell.Guarded) bool { return a.User == b.User && a.Store == b.Store && a.Path == b.Path })
	if k.told == nil || !slices.EqualFunc(list, k.told, alike) {
		k.told = list
		k.c.out.Guards(slices.Clone(list))
	}
}

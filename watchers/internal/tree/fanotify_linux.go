package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/fanotify"
	"wormbell/watchers/internal/gate"
)

// names is the fanotify backend: one group a file system, all read by one
// goroutine. Before run and within it only that goroutine uses it.
type names struct {
	groups []*group
	buf    []byte
	who    map[int32]*wormbell.Process // of this batch
	table  string                      // the mount table that is covered
	// Of this batch: whether it matters who writes, and who is a suspect.
	matters  bool
	suspects map[int32]func(path string, content bool)
}

// group is one marked file system.
type group struct {
	*fanotify.Names
	roots []string       // of the feed that are on it, longest path first
	open  map[string]int // descriptors of roots, opened when needed and closed after each batch: held longer, nobody could unmount them
	// Folders of recent events, by their handle: "" for those outside the homes.
	// In two generations, so that it is bounded without keeping an order.
	young, old map[string]string
	emptied    time.Time // what is in the queue happened since; zero at first
}

const (
	maxFolders = 4096     // in each generation of the cache: more than the folders of one project
	bufSize    = 32 << 10 // some 350 events: so many are read in a tenth of a millisecond, in which nothing else has this processor
	// A storm of events is read in gulps: while a package manager unpacks, a
	// wake-up for each event costs far more than the event. As long as there are
	// no more than perSecond, each is read at once, also a hundred edits a
	// second; then one in the middle of a storm waits for the next gulp.
	perSecond = 300
	burst     = 300
	nap       = 10 * time.Millisecond
	maxArming = time.Second
)

// cover decides what each root is watched by and brings the groups up to date.
func (f *Feed) cover() (added []root) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.cfg.Log.Warn("cannot read the mount table", "err", err)
	}
	f.names.table = string(table)
	roots := rootsOf(f.cfg.Homes, parseMounts(table))
	before := f.covered()
	var groups []*group
	for i := range roots {
		r := &roots[i]
		if r.backend == 0 {
			f.assign(r, &groups)
		}
		if !slices.ContainsFunc(before, func(b root) bool { return b.path == r.path && b.point == r.point && b.fstype == r.fstype }) {
			added = append(added, *r)
		}
	}
	for _, g := range f.names.groups {
		if !slices.Contains(groups, g) {
			g.Close()
		}
	}
	f.names.groups = groups
	f.setRoots(roots)
	for _, g := range groups {
		g.forget()
		slices.SortStableFunc(g.roots, func(a, b string) int { return len(b) - len(a) })
	}
	var low []string
	for _, r := range roots {
		if r.backend == byFolder {
			low = append(low, r.path)
		}
	}
	f.low.setRoots(low)
	return added
}

// assign finds or makes the group that covers r.
func (f *Feed) assign(r *root, groups *[]*group) {
	r.backend = byFolder
	switch {
	case slices.Contains(f.cfg.Refuse, "fanotify"):
		r.why = "fanotify is switched off: who changes files is not known"
		return
	case remote(r.fstype):
		r.why = r.fstype + ": what other machines change is seen late, and who is not known"
		return
	}
	var st unix.Statfs_t
	if err := unix.Statfs(r.path, &st); err != nil {
		r.why = fmt.Sprintf("%s: %v", r.path, err)
		return
	}
	same := func(g *group) bool { return g.FSID == st.Fsid }
	if i := slices.IndexFunc(*groups, same); i >= 0 {
		(*groups)[i].roots = append((*groups)[i].roots, r.path)
		r.backend = byNames
		return
	}
	if i := slices.IndexFunc(f.names.groups, same); i >= 0 {
		g := f.names.groups[i]
		g.roots = []string{r.path}
		*groups = append(*groups, g)
		r.backend = byNames
		return
	}
	n, err := fanotify.WatchNames(r.path)
	switch {
	case errors.Is(err, unix.EPERM):
		r.why = "not root: who changes files is not known"
	case err != nil && fanotify.Refused(err):
		r.why = r.fstype + " does not report names: who changes files is not known"
	case err != nil:
		r.why = err.Error()
	default:
		*groups = append(*groups, &group{Names: n, roots: []string{r.path}})
		r.backend = byNames
		return
	}
	f.cfg.Log.Info("following folders instead of the file system", "path", r.path, "err", err)
}

// close ends all groups.
func (n *names) close() {
	for _, g := range n.groups {
		g.closeRoots()
		g.Close()
	}
	n.groups = nil
}

// run reads all groups until ctx is done, and follows the mount table.
func (n *names) run(ctx context.Context, f *Feed) error {
	g, err := gate.New()
	if err != nil {
		return fmt.Errorf("wait for file names: %w", err)
	}
	defer g.Close()
	stop := context.AfterFunc(ctx, g.Kick)
	defer stop()
	mounts, err := followMounts(g.Kick)
	if err != nil {
		return err
	}
	defer mounts.close()
	n.buf = make([]byte, bufSize)
	// A mount may have come between open and now.
	f.mountsChanged()
	// The kernel keeps what happens until the rest is armed too, so that Armed
	// comes first; but not for long, should there be a million folders.
	armed := make(chan struct{})
	f.low.armed(func() { f.announce(); close(armed) })
	select {
	case <-armed:
	case <-ctx.Done():
	case <-time.After(maxArming):
	}

	left, last := float64(burst), time.Now() // of the events that may be read at once
	for ctx.Err() == nil {
		fds := make([]int, len(n.groups))
		for i, g := range n.groups {
			fds[i] = g.FD()
		}
		ready, err := g.Wait(fds, -1)
		if err != nil {
			return fmt.Errorf("wait for file names: %w", err)
		}
		now := time.Now()
		left = min(burst, left+perSecond*now.Sub(last).Seconds())
		if last = now; left < 0 {
			if _, err := g.Wait(nil, nap); err != nil {
				return fmt.Errorf("wait for file names: %w", err)
			}
		}
		for i, g := range slices.Clone(n.groups) {
			if !ready[i] {
				continue
			}
			events, err := n.drain(ctx, f, g)
			if err != nil {
				return err
			}
			left = max(-burst, left-float64(events))
		}
		if mounts.changed.Swap(false) {
			f.mountsChanged()
		}
	}
	return nil
}

// mounts follows the mount table.
type mounts struct {
	changed atomic.Bool // since somebody last asked
	waker   *fanotify.Waker
	ended   chan struct{}
}

// followMounts calls told, beside changed, each time the mount table has changed.
// A thread waits for it and nothing else: the table tells of a change only whoever
// asks first, and the runtime's poller would ask.
func followMounts(told func()) (*mounts, error) {
	w, err := fanotify.NewWaker()
	if err != nil {
		return nil, err
	}
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("open the mount table: %w", err)
	}
	m := &mounts{waker: w, ended: make(chan struct{})}
	go func() { // waits for the table; ends with close
		defer close(m.ended)
		defer unix.Close(table)
		fds := []unix.PollFd{{Fd: int32(w.FD()), Events: unix.POLLIN}, {Fd: int32(table), Events: unix.POLLPRI}}
		for {
			_, err := unix.Poll(fds, -1)
			if fds[0].Revents != 0 || err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
			if err == nil && fds[1].Revents&(unix.POLLPRI|unix.POLLERR) != 0 {
				m.changed.Store(true)
				told()
			}
		}
	}()
	return m, nil
}

func (m *mounts) close() {
	m.waker.Wake()
	<-m.ended
	m.waker.Close()
}

// mountsChanged covers what was mounted, and tells of it: its content appeared
// at once.
func (f *Feed) mountsChanged() {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || string(table) == f.names.table {
		return
	}
	for _, r := range f.cover() {
		if r.backend != unseen {
			f.deliver(Change{Op: MovedIn, Dir: true, Home: r.home, Path: r.path, Time: time.Now().UTC(), Source: "fanotify"})
		}
	}
	if _, armed := f.State(); armed {
		f.announce()
	}
}

// drain reads g until it is empty, and returns how many events that were.
func (n *names) drain(ctx context.Context, f *Feed, g *group) (events int, err error) {
	defer g.closeRoots()
	for ctx.Err() == nil {
		began := time.Now()
		size, err := g.Read(n.buf)
		if errors.Is(err, unix.EINTR) {
			return events, nil
		}
		if errors.Is(err, unix.EAGAIN) {
			g.emptied = began
			return events, nil
		}
		if err != nil {
			return events, fmt.Errorf("read file names: %w", err)
		}
		n.who, n.suspects = nil, nil
		n.matters = f.cfg.Writers != nil && f.cfg.Writers.Matter(g.emptied, time.Now())
		var e decode.Fanotify
		for b := n.buf[:size]; len(b) > 0; events++ {
			if b, err = decode.NextFanotify(b, &e); err != nil {
				return events, fmt.Errorf("read file names: %w", err)
			}
			n.event(f, g, &e)
		}
		if size < len(n.buf)/2 {
			g.emptied = began
			return events, nil
		}
	}
	return events, nil
}

// event filters and delivers one record. Names come first: of 40,000 events of
// an install, 39,600 end here having cost a comparison.
func (n *names) event(f *Feed, g *group, e *decode.Fanotify) {
	if e.Mask&decode.FanQOverflow != 0 {
		g.forget()
		f.overflow(0)
		return
	}
	dir := e.Mask&decode.FanOnDir != 0
	if n.matters {
		n.writes(f, g, e)
	}
	if dir {
		if e.Mask&(decode.FanMovedTo|decode.FanMovedFrom) != 0 {
			g.forget() // paths below it are others now
			if !f.dirsWanted() && !f.wanted(e.Name) {
				return
			}
		} else if e.Mask&decode.FanDelete == 0 || !f.wanted(e.Name) {
			return // a new folder is empty; what comes into it is told by itself
		}
	} else if !f.wanted(e.Name) {
		return
	}
	if int(e.PID) == os.Getpid() {
		return
	}
	op := opOf(e.Mask)
	folder, gone := g.folder(f, e)
	switch {
	case gone && (op == Removed || op == MovedOut):
		f.deliver(Change{Op: Vanished, Home: -1, Time: time.Now().UTC(), Source: "fanotify"})
		return
	case folder == "":
		return
	}
	path := filepath.Join(folder, string(e.Name))
	f.deliver(Change{Op: op, Dir: dir, Home: f.HomeOf(folder), Path: path, Process: n.process(f, e.PID), Time: time.Now().UTC(), Source: "fanotify"})
}

// writes tells of what a suspect has written. Who it was is asked first: of what
// is written while packages are installed, nearly all is the package manager's.
func (n *names) writes(f *Feed, g *group, e *decode.Fanotify) {
	told := uint64(decode.FanCreate | decode.FanCloseWrite | decode.FanMovedTo)
	if e.Mask&decode.FanOnDir != 0 {
		told = decode.FanMovedTo // a new folder is empty
	}
	if e.Mask&told == 0 || int(e.PID) == os.Getpid() {
		return
	}
	wrote, known := n.suspects[e.PID]
	if !known {
		if n.suspects == nil {
			n.suspects = make(map[int32]func(string, bool))
		}
		wrote = f.cfg.Writers.Suspect(int(e.PID))
		n.suspects[e.PID] = wrote
	}
	if wrote == nil {
		return
	}
	if folder, _ := g.folder(f, e); folder != "" {
		wrote(filepath.Join(folder, string(e.Name)), e.Mask&decode.FanCloseWrite != 0)
	}
}

// opOf picks the operation that leaves the most to look at.
func opOf(mask uint64) Op {
	switch {
	case mask&decode.FanMovedTo != 0:
		return MovedIn
	case mask&decode.FanCloseWrite != 0:
		return Write
	case mask&decode.FanCreate != 0:
		return Create
	case mask&decode.FanMovedFrom != 0:
		return MovedOut
	}
	return Removed
}

// process finds who did it, once a batch and PID.
func (n *names) process(f *Feed, pid int32) *wormbell.Process {
	if pid <= 0 {
		return nil
	}
	p, ok := n.who[pid]
	if !ok {
		if n.who == nil {
			n.who = make(map[int32]*wormbell.Process)
		}
		p = f.cfg.Who(int(pid))
		n.who[pid] = p
	}
	return p
}

// folder returns where the folder of e is, "" if that is in no home; gone if
// it is nowhere any more and was not known before.
func (g *group) folder(f *Feed, e *decode.Fanotify) (path string, gone bool) {
	if path, ok := g.young[string(e.Handle)]; ok {
		return path, false
	}
	path, known := g.old[string(e.Handle)]
	if !known {
		path, gone = g.resolve(f, e)
		if gone {
			return "", true
		}
	}
	if len(g.young) >= maxFolders || g.young == nil {
		g.young, g.old = make(map[string]string), g.young
	}
	g.young[string(e.Handle)] = path
	return path, false
}

func (g *group) resolve(f *Feed, e *decode.Fanotify) (path string, gone bool) {
	for _, r := range g.roots {
		fd, ok := g.open[r]
		if !ok {
			var err error
			if fd, err = unix.Open(r, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
				continue
			}
			if g.open == nil {
				g.open = make(map[string]int)
			}
			g.open[r] = fd
		}
		path, err := fanotify.Folder(fd, r, e)
		if errors.Is(err, fanotify.ErrGone) {
			return "", true
		}
		if err == nil {
			return path, false
		}
	}
	return "", false
}

// forget empties the cache of folders.
func (g *group) forget() { g.young, g.old = nil, nil }

func (g *group) closeRoots() {
	for _, fd := range g.open {
		unix.Close(fd)
	}
	clear(g.open)
}

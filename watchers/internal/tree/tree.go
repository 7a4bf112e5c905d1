// Package tree tells what happens to named files below the guarded homes: who
// wrote, created, moved or removed a package.json, a shell history, a folder.
//
// It uses one fanotify mark a file system where the kernel lets it, fsnotify on
// a small share of the folders where not, and looks from time to time at the
// rest. It knows paths and names only: nothing of what the files mean, and it
// reads none of them but for a caller, see [Feed.ReadFile].
package tree

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wormbell"
	"wormbell/internal/answer"
)

// Op is what happened to a path.
type Op uint8

// The operations. The kernel merges what happens to one name in quick
// succession: an Op is the best guess at the last of it, the file itself is
// the truth.
const (
	Armed    Op = iota + 1 // [Subscription.State] changed; the first change of every subscription
	Write                  // written, or created and written
	Create                 // created: opened for the first time and perhaps still empty, or linked
	MovedIn                // renamed into place, or a folder that was mounted or found with its content
	Removed                // deleted
	MovedOut               // renamed away
	Vanished               // something wanted was deleted in a folder that is gone too; Path is not known
	Overflow               // Count changes were lost, 0 if not known: look at everything again
)

func (o Op) String() string {
	names := [...]string{"", "armed", "write", "create", "moved-in", "removed", "moved-out", "vanished", "overflow"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// Change is one thing that happened.
type Change struct {
	Op      Op
	Dir     bool              // Path is a folder; only with MovedIn, MovedOut and Removed
	Home    int               // index into Config.Homes; -1 without a Path
	Count   int               // Overflow: how many
	Path    string            // absolute, no symbolic links in it
	Process *wormbell.Process // who did it; nil if not known
	Time    time.Time         // when the change was taken from the kernel, UTC
	Source  string            // "fanotify", "fsnotify" or "poll"
}

// Want says which changes a subscriber is told of.
type Want struct {
	// Name reports whether files of this name are wanted. It is called for every
	// name on the file system that something happens to, must not keep or change
	// name and should not allocate. It is asked of removed folders too.
	Name func(name []byte) bool
	// Dirs asks also for folders that are moved in and out, whatever their names:
	// their content is not reported one by one.
	Dirs bool
}

// State is how well the feed sees.
type State struct {
	Backend string // "fanotify", "fsnotify", "poll", or several joined by "+"
	Who     bool   // it knows who did it
	Why     string // what this costs, in a few words; "" when nothing
}

// Config configures a [Feed].
type Config struct {
	Homes  []string // absolute, symbolic links resolved
	Refuse []string // "fanotify", "fsnotify": do not use
	// Who finds the process with a PID, nil if none is known. It is asked while
	// changes are read, once a process and batch.
	Who func(pid int) *wormbell.Process
	// Writers is told who writes to which names; nil: nobody is. Only fanotify tells.
	Writers Writers
	Log     *slog.Logger
	// Queue is how many changes may wait for one subscriber; 0 means 65,536.
	Queue int
	// Watches is how many folders the fsnotify backend may watch; 0 means 5 % of
	// what the system allows the user: the rest belongs to editors and bundlers.
	Watches int
}

// Writers is told who writes. Its methods are called by one goroutine, while changes
// are read.
type Writers interface {
	// Matter reports whether it matters who has written between two times; if not,
	// nothing that happened then is told.
	Matter(from, to time.Time) bool
	// Suspect returns what is to be told when a process writes, makes, links or moves
	// something to a path: absolute, in a home, no symbolic links in it. content says
	// that it may have changed what is in a file, and not its name alone. nil: nothing
	// is to be told of this process. It is asked once a process and batch; pid is 0
	// for one that the kernel does not name.
	Suspect(pid int) (wrote func(path string, content bool))
}

// defaultQueue is room for the largest burst seen, the packages of several
// installs at once (10,000), six times over. A change that waits takes some
// 250 bytes with its path; an idle queue takes none.
const defaultQueue = 65536

// Feed is the one source of changes for all watchers. Its methods are safe for
// concurrent use, except that Run may be called again only once it returned.
type Feed struct {
	cfg    Config
	subs   atomic.Pointer[[]*Subscription]
	looker *answer.Looker // asks roots that may never answer

	mu    sync.Mutex // guards what follows and changes of subs
	state *State     // nil until armed
	roots []root     // what is covered, and how; replaced, never changed
	names names      // the fanotify backend
	low   *follower  // the others
	ran   bool
	// silent are the roots that do not answer; replaced, never changed.
	silent []string
}

// root is the top of something that is covered: a home, or a mount below one.
type root struct {
	path    string
	home    int
	point   string // where its file system is mounted
	fstype  string
	backend backend
	why     string // for a backend other than fanotify
}

type backend uint8

const (
	byNames  backend = iota + 1 // fanotify
	byFolder                    // fsnotify and polling
	unseen                      // not looked at
)

// New makes a feed and marks what it can: nothing that happens after it
// returns is missed by a subscriber that Run serves later.
func New(cfg Config) (*Feed, error) {
	if len(cfg.Homes) == 0 {
		return nil, errors.New("watch the file tree: no home")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Who == nil {
		cfg.Who = func(int) *wormbell.Process { return nil }
	}
	if cfg.Queue <= 0 {
		cfg.Queue = defaultQueue
	}
	cfg.Homes = slices.Clone(cfg.Homes)
	for i, h := range cfg.Homes {
		if !filepath.IsAbs(h) {
			return nil, errors.New("watch the file tree: a home's path is not absolute")
		}
		cfg.Homes[i] = filepath.Clean(h)
	}
	f := &Feed{cfg: cfg, looker: answer.New(farLimit)}
	f.subs.Store(&[]*Subscription{})
	f.open()
	return f, nil
}

// open marks the file systems and decides who covers what.
func (f *Feed) open() {
	if f.low == nil {
		f.low = newFollower(f)
	}
	f.low.reset()
	f.cover()
}

// Run serves the subscribers until ctx is done, then returns nil. After an
// error it may be called again: subscribers are told of an overflow then.
func (f *Feed) Run(ctx context.Context) error {
	if f.ran {
		f.mu.Lock()
		f.state = nil
		f.mu.Unlock()
		f.open()
		f.overflow(0)
	}
	f.ran = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { // reads the kernel's queues and watches the mount table
		defer cancel()
		errs[0] = f.names.run(ctx, f)
	})
	wg.Go(func() { // follows folders where fanotify is refused
		defer cancel()
		errs[1] = f.low.run(ctx)
	})
	wg.Wait()
	f.names.close()
	return errors.Join(errs...)
}

// State returns how well the feed sees, and whether it is armed already.
func (f *Feed) State() (State, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == nil {
		return State{}, false
	}
	return *f.state, true
}

// setRoots replaces what is covered.
func (f *Feed) setRoots(r []root) {
	// Longest first, so that a mount is found before the home it is in.
	slices.SortStableFunc(r, func(a, b root) int { return len(b.path) - len(a.path) })
	f.mu.Lock()
	f.roots = r
	f.mu.Unlock()
}

func (f *Feed) covered() []root {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.roots
}

// find returns the root that path is in, nil if it is in none.
func (f *Feed) find(path string) *root {
	for _, r := range f.covered() {
		if Within(path, r.path) {
			return &r
		}
	}
	return nil
}

// HomeOf returns the index of the innermost home that path is in, -1 if it is
// in none.
func (f *Feed) HomeOf(path string) int {
	best, longest := -1, -1
	for i, h := range f.cfg.Homes {
		if len(h) > longest && Within(path, h) {
			best, longest = i, len(h)
		}
	}
	return best
}

// announce works out the state and tells subscribers if it changed. Called
// when what is covered changed, and once it is all armed.
func (f *Feed) announce() {
	next := stateOf(f.covered(), f.cfg.Homes, f.low.backend(), f.low.shortage(), f.Silent())
	f.mu.Lock()
	changed := f.state == nil || *f.state != next
	f.state = &next
	f.mu.Unlock()
	if changed {
		for _, s := range *f.subs.Load() {
			s.push(Change{Op: Armed, Home: -1, Time: time.Now().UTC(), Source: next.Backend})
		}
	}
}

// stateOf judges by the homes: a stick mounted below one that only fsnotify
// can follow does not make the whole feed blind to who, but it is said.
func stateOf(roots []root, homes []string, low, short string, silent []string) State {
	var backends, why []string
	s := State{Who: true}
	for _, r := range roots {
		b := "fanotify"
		switch {
		case r.backend == unseen:
			why = append(why, r.path+" is not watched: "+r.why)
			continue
		case slices.Contains(silent, r.path):
			s.Who = false
			why = append(why, r.path+" does not answer and is not watched")
			continue
		case r.backend == byFolder:
			b = low
			if slices.Contains(homes, r.path) {
				s.Who = false
			}
			why = append(why, r.why)
		}
		if !slices.Contains(backends, b) {
			backends = append(backends, b)
		}
	}
	slices.Sort(backends)
	slices.Sort(why)
	if short != "" {
		why = append(why, short)
	}
	s.Backend = strings.Join(backends, "+")
	s.Why = strings.Join(slices.Compact(why), "; ")
	return s
}

// wanted reports whether any subscriber asks for a file of this name.
func (f *Feed) wanted(name []byte) bool {
	for _, s := range *f.subs.Load() {
		if s.want.Name != nil && s.want.Name(name) {
			return true
		}
	}
	return false
}

// dirsWanted reports whether any subscriber asks for folders.
func (f *Feed) dirsWanted() bool {
	for _, s := range *f.subs.Load() {
		if s.want.Dirs {
			return true
		}
	}
	return false
}

// deliver hands c to those who asked for it.
func (f *Feed) deliver(c Change) {
	name := []byte(filepath.Base(c.Path))
	for _, s := range *f.subs.Load() {
		named := s.want.Name != nil && (c.Path == "" || s.want.Name(name))
		moved := c.Dir && s.want.Dirs && c.Op != Removed
		if named && (!c.Dir || c.Op == Removed) || moved {
			s.push(c)
		}
	}
}

// overflow tells every subscriber that n changes were lost.
func (f *Feed) overflow(n int) {
	for _, s := range *f.subs.Load() {
		s.lose(n)
	}
}

// Within reports whether path is dir or below it. Both are clean.
func Within(path, dir string) bool {
	if !strings.HasPrefix(path, dir) {
		return false
	}
	return len(path) == len(dir) || strings.HasSuffix(dir, string(filepath.Separator)) || path[len(dir)] == filepath.Separator
}

// ErrNotCovered is returned for paths outside the homes, or on something that
// the feed does not touch because it could block for ever.
var ErrNotCovered = errors.New("not below a watched home")

// ErrNotRegular is returned for anything but a regular file of moderate size.
var ErrNotRegular = errors.New("not a regular file, or too large")

// Home returns the home that path is in, "" if it is in none.
func (f *Feed) Home(path string) string {
	if i := f.HomeOf(path); i >= 0 {
		return f.cfg.Homes[i]
	}
	return ""
}

// Below returns path, which is in the home with this index, relative to it.
func (f *Feed) Below(home int, path string) string {
	return strings.Trim(path[len(f.cfg.Homes[home]):], string(filepath.Separator))
}

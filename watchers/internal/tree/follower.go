package tree

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell/internal/answer"
)

// follower watches folder by folder where a whole file system cannot be
// watched: the upper levels of each home, where new projects appear, the
// folders subscribers name, and what of a node_modules matters. The first ones
// get a watch of the system's, the others are looked at from time to time.
//
// One goroutine, run, owns everything below mu's fields.
type follower struct {
	feed *Feed
	log  *slog.Logger
	wake chan struct{} // of 1: mu's fields changed

	mu      sync.Mutex // guards what follows
	next    []string   // roots to cover, when rooted
	rooted  bool
	added   []string // folders from Subscription.Add
	ready   []func() // to call once all is covered
	names   bool     // other names are wanted than before
	kind    string   // the backend in use
	problem string   // what is not seen

	roots    []string
	explicit map[string]bool // folders somebody named, and their parents
	watched  map[string]bool // by notify
	polled   map[string]*polled
	order    []string // of polled, to look at in turn
	at       int      // in order
	over     int      // folders there was no room for at all
	notify   *notifier
	budget   int
	settle   []settling
	turn     time.Duration        // farTurn
	asked    time.Time            // when it was last asked whether far roots answer
	heardOf  map[string]time.Time // when a far root last answered again
}

// settling is a folder that appeared a moment ago. It is gone through again:
// inotify loses a watch that is set between a folder's arrival under a new
// name and the library's hearing of it.
type settling struct {
	path  string
	again time.Time
	round int
	files map[string]Stamp
}

const (
	// Folders this far below a home are watched for new projects:
	// ~/src/company/team/project.
	homeLevels = 4
	// Shares of the watches: the levels of the homes leave room for projects,
	// both leave room for what is in node_modules.
	homeShare, projectShare = 0.5, 0.75
	maxPolled               = 20_000
	settleAfter             = 150 * time.Millisecond
	settleRounds            = 3
)

func newFollower(f *Feed) *follower {
	return &follower{feed: f, log: f.cfg.Log, wake: make(chan struct{}, 1), explicit: map[string]bool{}, heardOf: map[string]time.Time{}, turn: farTurn}
}

// reset forgets what is watched, but not what was asked for. No run may be
// under way.
func (l *follower) reset() {
	l.roots, l.watched, l.polled, l.order, l.notify, l.settle = nil, nil, nil, nil, nil, nil
	l.at, l.over = 0, 0
}

// backend names what the follower uses.
func (l *follower) backend() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kind == "" {
		return "fsnotify"
	}
	return l.kind
}

// shortage says what is not seen for want of watches; "" if nothing.
func (l *follower) shortage() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

// add takes in a folder that matters.
func (l *follower) add(dir string) {
	l.mu.Lock()
	l.added = append(l.added, filepath.Clean(dir))
	l.mu.Unlock()
	l.nudge()
}

// setRoots says what is to be covered from now on.
func (l *follower) setRoots(roots []string) {
	l.mu.Lock()
	l.next, l.rooted = roots, true
	l.mu.Unlock()
	l.nudge()
}

// armed calls f, on the follower's goroutine, once everything that was asked
// for so far is covered.
func (l *follower) armed(f func()) {
	l.mu.Lock()
	l.ready = append(l.ready, f)
	l.mu.Unlock()
	l.nudge()
}

// relearn is armed, after taking in what there is of the names that are wanted
// now: a polled folder's files are compared with what they were.
func (l *follower) relearn(f func()) {
	l.mu.Lock()
	l.names = true
	l.ready = append(l.ready, f)
	l.mu.Unlock()
	l.nudge()
}

func (l *follower) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run works until ctx is done.
func (l *follower) run(ctx context.Context) error {
	defer func() {
		if l.notify != nil {
			l.notify.close()
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.takeRequests(ctx)
		var events <-chan struct{}
		if l.notify != nil {
			events = l.notify.ready
		}
		wait := time.Hour
		if len(l.order) > 0 {
			wait = pollTick
		}
		if len(l.settle) > 0 {
			wait = min(wait, max(0, time.Until(l.settle[0].again)))
		}
		if len(l.feed.Silent()) > 0 || slices.ContainsFunc(l.roots, func(r string) bool { return l.feed.farRoot(r) != "" }) {
			wait = min(wait, max(0, time.Until(l.asked.Add(l.turn))))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-events:
			l.takeEvents(ctx)
		case <-timer.C:
			l.poll(ctx)
		}
		l.settleSome(ctx)
		l.again(ctx, l.farOnes(time.Now()))
	}
}

// takeRequests covers what was asked for.
func (l *follower) takeRequests(ctx context.Context) {
	l.mu.Lock()
	added, ready, next, rooted := l.added, l.ready, l.next, l.rooted
	names := l.names
	l.added, l.ready, l.rooted, l.names = nil, nil, false, false
	l.mu.Unlock()
	if rooted {
		l.reroot(ctx, next)
	}
	for _, dir := range added {
		for _, d := range l.name(dir) {
			if d != dir && l.inRoots(d) {
				l.follow(d, l.cares(d))
			}
		}
		if l.inRoots(dir) {
			l.descend(ctx, dir, nil)
		}
	}
	if names {
		for dir := range l.polled {
			l.list(dir, nil, func(string) {})
		}
	}
	for _, f := range ready {
		f()
	}
}

// name remembers a folder that somebody named, and those above it, where it
// would appear again. It returns those that were not known yet.
func (l *follower) name(dir string) (fresh []string) {
	for l.feed.HomeOf(dir) >= 0 && !l.explicit[dir] && len(l.explicit) < maxPolled {
		l.explicit[dir] = true
		fresh = append(fresh, dir)
		dir = filepath.Dir(dir)
	}
	return fresh
}

// reroot changes what is covered.
func (l *follower) reroot(ctx context.Context, roots []string) {
	gone := slices.DeleteFunc(slices.Clone(l.roots), func(r string) bool { return slices.Contains(roots, r) })
	fresh := slices.DeleteFunc(slices.Clone(roots), func(r string) bool { return slices.Contains(l.roots, r) })
	l.roots = roots
	for _, r := range gone {
		l.drop(r)
	}
	if len(fresh) == 0 {
		return
	}
	if l.notify == nil && l.polled == nil {
		l.begin()
	}
	for _, r := range fresh {
		l.descend(ctx, r, nil)
		for dir := range l.explicit {
			if Within(dir, r) {
				l.descend(ctx, dir, nil)
			}
		}
	}
}

// begin opens the notifier if it may be used.
func (l *follower) begin() {
	l.watched, l.polled = map[string]bool{}, map[string]*polled{}
	kind := "poll"
	if !slices.Contains(l.feed.cfg.Refuse, "fsnotify") {
		n, err := newNotifier(l.feed.wanted, l.feed.looker)
		if err != nil {
			l.log.Warn("folders are polled", "err", err)
		} else {
			l.notify, kind = n, "fsnotify"
			l.budget = l.feed.cfg.Watches
			if l.budget == 0 {
				l.budget = watchBudget()
			}
		}
	}
	l.mu.Lock()
	l.kind = kind
	l.mu.Unlock()
}

func (l *follower) inRoots(path string) bool {
	r := l.feed.find(path)
	return r != nil && r.backend == byFolder
}

// cares reports whether a folder is to be watched, and how urgently: 0 for no,
// 1 for the upper levels of a home, 2 for projects, 3 for packages.
func (l *follower) cares(path string) int {
	h := l.feed.HomeOf(path)
	if h < 0 {
		return 0
	}
	if l.explicit[path] {
		return 2
	}
	rel := strings.Trim(filepath.ToSlash(path[len(l.feed.cfg.Homes[h]):]), "/")
	if rel == "" {
		return 1
	}
	if Skipped(rel) {
		return 0
	}
	before, in, ok := strings.Cut("/"+rel+"/", "/node_modules/")
	switch {
	case ok && packageFolder(in):
		return 3
	case ok:
		return 0
	case strings.Count(before, "/") <= homeLevels+1: // before is /a/b/c/d/
		return 1
	}
	return 0
}

// packageFolder reports whether in, the path below a node_modules with a slash
// at its end, is a folder where packages come and go, or a package's own: "",
// @scope, name, @scope/name, and the same below the node_modules of a package
// or of a store such as .pnpm.
func packageFolder(in string) bool {
	for {
		in = strings.TrimSuffix(in, "/")
		if in == "" {
			return true
		}
		name, rest, more := strings.Cut(in, "/")
		if name[0] == '@' && more {
			name, rest, more = strings.Cut(rest, "/")
		}
		if name == ".pnpm" || name == ".store" { // .pnpm/name@1.0.0/node_modules/…
			if !more {
				return true
			}
			_, rest, more = strings.Cut(rest, "/")
		} else if name[0] == '.' {
			return false // .bin, .cache, npm's .name-AbCdEf on its way out
		}
		if !more {
			return true
		}
		below, ok := strings.CutPrefix(rest+"/", "node_modules/")
		if !ok {
			return false
		}
		in = below
	}
}

// descend watches dir and what matters below it. Wanted files that are found
// are told to found, which may be nil.
func (l *follower) descend(ctx context.Context, dir string, found func(path string)) {
	type todo struct {
		path string
		rank int
	}
	// By levels, so that the watches go to the upper ones first.
	rank := l.cares(dir)
	for level := []todo{{dir, rank}}; len(level) > 0; {
		var next []todo
		for _, t := range level {
			if t.rank == 0 || ctx.Err() != nil || !l.inRoots(t.path) {
				continue
			}
			// The watch first, the listing second: what comes between is seen twice, not never.
			l.follow(t.path, t.rank)
			l.list(t.path, found, func(path string) {
				if r := l.cares(path); r > 0 {
					next = append(next, todo{path, r})
				}
			})
		}
		level = next
	}
}

// list calls found for wanted files in dir and into for its folders.
func (l *follower) list(dir string, found, into func(path string)) {
	p := l.polled[dir]
	l.feed.List(dir, func(name string, isDir bool) {
		path := filepath.Join(dir, name)
		switch {
		case isDir:
			into(path)
		case l.feed.wanted([]byte(name)):
			if p != nil {
				l.learn(p, path)
			}
			if found != nil {
				found(path)
			}
		}
	})
}

// follow watches one folder by the best means that are left.
func (l *follower) follow(dir string, rank int) {
	share := [...]float64{0, homeShare, projectShare, 1}[rank]
	if l.notify != nil && (l.watched[dir] || len(l.watched) < int(share*float64(l.budget))) {
		far := l.feed.farRoot(dir)
		full, err := l.notify.add(far, dir)
		if errors.Is(err, answer.ErrSilent) {
			l.feed.fell(far)
		}
		if err == nil {
			l.watched[dir] = true
			return
		}
		if !full {
			return // it is gone, or not ours to see
		}
		l.budget = len(l.watched)
		l.log.Warn("the system has no more folder watches for us, the rest is polled", "watches", l.budget)
	}
	if _, ok := l.polled[dir]; ok {
		return
	}
	if len(l.polled) >= maxPolled {
		l.over++
		l.short()
		return
	}
	id, _ := l.stamp(dir)
	l.polled[dir] = &polled{dir: id, files: map[string]Stamp{}}
	l.order = append(l.order, dir)
	l.short()
}

// short says what is seen late or not at all.
func (l *follower) short() {
	var s string
	switch {
	case l.over > 0:
		s = "too many folders: some are not watched"
	case l.notify != nil && len(l.polled) > 0:
		s = "some folders are only looked at from time to time"
	}
	l.mu.Lock()
	changed := l.problem != s
	l.problem = s
	l.mu.Unlock()
	if _, armed := l.feed.State(); changed && armed {
		l.feed.announce()
	}
}

// drop stops watching dir and what is below it.
func (l *follower) drop(dir string) {
	for p := range l.watched {
		if Within(p, dir) {
			l.notify.remove(p)
			delete(l.watched, p)
		}
	}
	for p := range l.polled {
		if Within(p, dir) {
			delete(l.polled, p)
		}
	}
	l.order = slices.DeleteFunc(l.order, func(p string) bool { return l.polled[p] == nil })
}

// appeared covers a folder that is new and tells of it and its files.
func (l *follower) appeared(ctx context.Context, dir, source string) {
	if l.cares(dir) == 0 {
		return
	}
	l.tell(Change{Op: MovedIn, Dir: true, Path: dir, Source: source})
	s := settling{path: dir, files: map[string]Stamp{}}
	l.descend(ctx, dir, func(path string) { l.sighted(&s, path, source) })
	if source != "fsnotify" {
		return
	}
	for i := range l.settle { // a folder above it will be gone through anyway
		if Within(dir, l.settle[i].path) && l.settle[i].round == 0 {
			for p, id := range s.files {
				l.settle[i].files[p] = id
			}
			return
		}
	}
	s.again = time.Now().Add(settleAfter)
	l.settle = append(l.settle, s)
}

// sighted tells of a file in a new folder unless it was told of before.
func (l *follower) sighted(s *settling, path, source string) {
	id, ok := l.stamp(path)
	if !ok || s.files[path] == id {
		return
	}
	s.files[path] = id
	l.tell(Change{Op: Create, Path: path, Source: source})
}

// heard notes that a file in a new folder was told of by an event.
func (l *follower) heard(path string) {
	for i := range l.settle {
		if Within(path, l.settle[i].path) {
			l.settle[i].files[path], _ = l.stamp(path)
		}
	}
}

// settleSome goes through new folders again.
func (l *follower) settleSome(ctx context.Context) {
	now := time.Now()
	for len(l.settle) > 0 && !l.settle[0].again.After(now) {
		s := l.settle[0]
		l.settle = l.settle[1:]
		l.descend(ctx, s.path, func(path string) { l.sighted(&s, path, "fsnotify") })
		if s.round++; s.round < settleRounds {
			s.again = now.Add(settleAfter << s.round)
			l.settle = append(l.settle, s)
		}
	}
	slices.SortStableFunc(l.settle, func(a, b settling) int { return a.again.Compare(b.again) })
}

// tell delivers c, whose Path is set.
func (l *follower) tell(c Change) {
	c.Home = l.feed.HomeOf(c.Path)
	if c.Home < 0 {
		return
	}
	c.Time = time.Now().UTC()
	l.feed.deliver(c)
}

package tree

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"
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

// tell delivers c, whose Path is set.
func (l *follower) tell(c Change) {
	c.Home = l.feed.HomeOf(c.Path)
	if c.Home < 0 {
		return
	}
	c.Time = time.Now().UTC()
	l.feed.deliver(c)
}

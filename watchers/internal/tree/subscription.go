package tree

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Subscription is one subscriber's queue. One goroutine may call Next; Add
// and Close are safe for concurrent use.
type Subscription struct {
	feed *Feed
	want Want
	wake chan struct{} // of 1: something was pushed

	mu    sync.Mutex // guards what follows
	queue []Change
	head  int    // of queue
	full  bool   // changes are being dropped until the queue is empty
	lost  int    // since the last Overflow was handed out, that are known
	loss  bool   // there was a loss, counted or not
	from  string // the source of the latest change
}

// Subscribe begins to collect what w asks for. Its first change is Armed, as
// soon as everything is, for these names too.
func (f *Feed) Subscribe(w Want) *Subscription {
	s := &Subscription{feed: f, want: w, wake: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	next := append(slices.Clone(*f.subs.Load()), s)
	f.subs.Store(&next)
	if f.state != nil {
		c := Change{Op: Armed, Home: -1, Time: time.Now().UTC(), Source: f.state.Backend}
		f.low.relearn(func() { s.push(c) })
	} else {
		f.low.relearn(func() {}) // Armed comes with everybody's
	}
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	f := s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(*f.subs.Load()), func(o *Subscription) bool { return o == s })
	f.subs.Store(&next)
}

// Add says that the files in dir matter, for the backends that cannot look at
// everything; the folder need not exist yet, but its parent should be known.
// With fanotify it does nothing. It does not block.
func (s *Subscription) Add(dir string) { s.feed.low.add(dir) }

// Next returns the next change, waiting for it until ctx is done.
func (s *Subscription) Next(ctx context.Context) (Change, error) {
	for {
		if c, ok := s.pop(); ok {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return Change{}, ctx.Err()
		case <-s.wake:
		}
	}
}

// Ready is readable when Next may have something; for callers that wait for
// other things too. See [Subscription.Take].
func (s *Subscription) Ready() <-chan struct{} { return s.wake }

// Take is Next without waiting.
func (s *Subscription) Take() (Change, bool) { return s.pop() }

func (s *Subscription) pop() (Change, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head < len(s.queue) {
		c := s.queue[s.head]
		s.queue[s.head] = Change{} // lets go of the strings
		s.head++
		if s.head == len(s.queue) {
			// A large queue is given back, a small one used again.
			if cap(s.queue) > 256 {
				s.queue = nil
			}
			s.queue, s.head = s.queue[:0], 0
		}
		return c, true
	}
	if s.loss {
		c := Change{Op: Overflow, Home: -1, Count: s.lost, Time: time.Now().UTC(), Source: s.from}
		s.loss, s.lost, s.full = false, 0, false
		return c, true
	}
	return Change{}, false
}

func (s *Subscription) push(c Change) {
	s.mu.Lock()
	s.from = c.Source
	n := len(s.queue)
	switch {
	case c.Op == Armed:
		s.queue = append(s.queue, c)
	case s.full || n-s.head >= s.feed.cfg.Queue:
		// Once one is lost everything will be looked at again, so what follows
		// need not be kept until the reader has caught up.
		s.full, s.loss = true, true
		s.lost++
	case n > s.head && s.queue[n-1].same(&c):
	default:
		s.queue = append(s.queue, c)
	}
	s.mu.Unlock()
	s.nudge()
}

// same reports whether d tells nothing that c does not: inotify says "written"
// for each write(2).
func (c *Change) same(d *Change) bool {
	return c.Path == d.Path && c.Dir == d.Dir && c.Process == d.Process &&
		(c.Op == d.Op || c.Op == Create && d.Op == Write && d.Source == "fsnotify") && c.Op != Armed
}

// lose notes that n changes, 0 if that is not known, never came.
func (s *Subscription) lose(n int) {
	s.mu.Lock()
	s.loss = true
	s.lost += n
	s.mu.Unlock()
	s.nudge()
}

func (s *Subscription) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

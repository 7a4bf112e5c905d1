package tray

import (
	"context"
	"sync"
	"time"

	"wormbell"
	"wormbell/tray/notify"
)

// teller shows notices: those that the policy decides on, and what came of a
// click. Showing waits for the desktop, so it has a goroutine of its own: the
// menu must not wait for a notification daemon that hangs.
type teller struct {
	Config
	policy  notify.Policy
	pending chan struct{}
	told    func() // called when what is held back has changed

	mu      sync.Mutex // guards what follows
	now     reading
	heard   bool
	absent  time.Time // since when the agent has not answered; zero while it does
	seen    []string  // notices that were answered
	waiting []notify.Notice
	held    notify.Held
	failed  bool // the last notice could not be shown
}

// maxWaiting is how many notices about clicks may wait. A person who clicks on
// while nothing answers needs no more of them.
const maxWaiting = 8

func newTeller(c Config, told func()) *teller {
	return &teller{Config: c, policy: notify.Policy{Words: c.Words, ItWasMe: c.ItWasMe}, pending: make(chan struct{}, 1), told: told}
}

// hear takes in what the agent says now.
func (t *teller) hear(r reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now, t.heard = r, true
	if r.state == Here {
		t.absent = time.Time{}
	} else if t.absent.IsZero() {
		t.absent = t.Now()
	}
	poke(t.pending)
}

// say shows a notice besides the policy's.
func (t *teller) say(n notify.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) < maxWaiting {
		t.waiting = append(t.waiting, n)
	}
	poke(t.pending)
}

// answered takes in that a person answered a notice.
func (t *teller) answered(a notify.Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen = append(t.seen, a.Notice); len(t.seen) > maxWaiting {
		t.seen = t.seen[1:]
	}
	poke(t.pending)
}

// run shows notices until ctx is done.
func (t *teller) run(ctx context.Context) {
	if t.Notify == nil {
		t.note(true)
		return
	}
	again := time.NewTimer(time.Hour)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.pending:
		case <-again.C:
		}
		t.mu.Lock()
		now, heard, absent, seen, waiting := t.now, t.heard, t.absent, t.seen, t.waiting
		t.seen, t.waiting = nil, nil
		t.mu.Unlock()
		for _, id := range seen {
			t.policy.Answered(id)
		}
		for _, n := range waiting {
			t.show(ctx, n)
		}
		if heard {
			again.Stop()
			if at := t.follow(ctx, now, absent); !at.IsZero() {
				again.Reset(max(at.Sub(t.Now()), minAgain))
			}
		}
	}
}

// minAgain keeps a policy that asks to be asked again at once from turning in a circle.
const minAgain = 100 * time.Millisecond

// follow does what the policy decides, and returns when it wants to be asked again.
func (t *teller) follow(ctx context.Context, r reading, absent time.Time) time.Time {
	s := notify.Surroundings{}
	if t.Surroundings != nil {
		s = t.Surroundings(ctx)
	}
	s.Paused, s.PauseFixed, s.Absent, s.TrayShown = nil, false, nil, t.Shown == nil || t.Shown()
	if r.state == Here {
		s.Paused, s.PauseFixed = r.status.PausedUntil, r.status.PausedForAll && !r.status.Owner
	} else {
		s.Absent = &absent
	}
	show, withdraw, again := t.policy.Next(t.Now(), r.alerts, s)
	t.keep(t.policy.Held(s))
	for _, id := range withdraw {
		if err := t.Notify.Withdraw(ctx, id); err != nil && ctx.Err() == nil {
			t.Log.Warn("a notice cannot be taken away", "notice", id, "err", err)
		}
	}
	for _, n := range show {
		t.show(ctx, n)
	}
	return again
}

// keep notes what is held back, for the menu.
func (t *teller) keep(h notify.Held) {
	t.mu.Lock()
	changed := t.held != h
	t.held = h
	t.mu.Unlock()
	if changed {
		t.told()
	}
}

// holds returns what is held back.
func (t *teller) holds() notify.Held {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held
}

// untold reports whether the last notice could not be shown.
func (t *teller) untold() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// note notes whether a notice could be shown, for the menu.
func (t *teller) note(failed bool) {
	t.mu.Lock()
	changed := t.failed != failed
	t.failed = failed
	t.mu.Unlock()
	if changed {
		t.told()
	}
}

func (t *teller) show(ctx context.Context, n notify.Notice) {
	err := t.Notify.Show(ctx, n)
	if ctx.Err() != nil {
		return
	}
	if t.note(err != nil); err == nil {
		return
	}
	t.policy.Failed(n.ID)
	level := t.Log.Warn
	if n.Severity < wormbell.High {
		level = t.Log.Info
	}
	level("a notice cannot be shown", "notice", n.ID, "err", err)
}

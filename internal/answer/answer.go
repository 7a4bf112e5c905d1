// Package answer asks what may never answer, such as a file system whose server
// is gone, and goes on without it.
//
// A system call that waits for such a file system cannot be called off. So each
// is made by a goroutine that can be left behind, and while one is, nobody asks
// there again. It must not know what is asked.
package answer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrSilent says that there was no answer in time, or that an earlier question
// there has none yet.
var ErrSilent = errors.New("it does not answer")

// Looker asks. It is safe for concurrent use; make it with [New].
type Looker struct {
	limit time.Duration

	mu    sync.Mutex // guards what follows
	lines map[string]*line
	late  int
}

// line is who waits for one key: one asks at a time.
type line struct {
	turn    chan struct{} // of 1: whoever has it asks
	waiting int           // who uses the line, the one that asks among them
	stuck   chan struct{} // closed while the one that asks was left behind
	hangs   bool          // it is closed
}

// New makes one that waits as long as limit for each answer.
func New(limit time.Duration) *Looker { return &Looker{limit: limit, lines: map[string]*line{}} }

// Late is how many answers came after all, so far.
func (l *Looker) Late() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.late
}

// Silent are the keys that somebody was left behind at, sorted.
func (l *Looker) Silent() (keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range l.lines {
		if n.hangs {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Ask calls do on a goroutine of its own and returns what it returns, or
// [ErrSilent]; the error of ctx if that ends first. Two with the same key, which
// names what is asked, take turns, and while one was left behind there nobody
// else is. A late answer, whatever it is, goes to drop, which gives back what it holds.
func Ask[T any](ctx context.Context, l *Looker, key string, do func() (T, error), drop ...func(T)) (T, error) {
	var none T
	n, err := l.enter(ctx, key)
	if err != nil {
		return none, err
	}
	type reply struct {
		v   T
		err error
	}
	done := make(chan reply, 1)
	left := false // guarded by l.mu
	go func() {
		v, err := do()
		l.mu.Lock()
		abandoned := left
		if !abandoned {
			done <- reply{v, err}
		}
		l.leave(key, n, abandoned)
		l.mu.Unlock()
		for _, d := range drop {
			if abandoned {
				d(v)
			}
		}
	}()
	timeout := time.NewTimer(l.limit)
	defer timeout.Stop()
	err = ErrSilent
	select {
	case r := <-done:
		return r.v, r.err
	case <-timeout.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case r := <-done: // just in time
		return r.v, r.err
	default:
	}
	left, n.hangs = true, true
	close(n.stuck)
	return none, err
}

// Do is [Ask] for what has nothing to say but whether it worked.
func (l *Looker) Do(ctx context.Context, key string, do func() error) error {
	_, err := Ask(ctx, l, key, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// enter waits for the turn.
func (l *Looker) enter(ctx context.Context, key string) (*line, error) {
	l.mu.Lock()
	n := l.lines[key]
	if n == nil {
		n = &line{turn: make(chan struct{}, 1), stuck: make(chan struct{})}
		l.lines[key] = n
	}
	n.waiting++
	stuck := n.stuck
	l.mu.Unlock()
	err := ErrSilent
	select {
	case <-stuck:
	default:
		select {
		case n.turn <- struct{}{}:
			return n, nil
		case <-stuck:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone(key, n)
	return nil, err
}

// leave ends a turn, of one that was left behind or not. l.mu is held.
func (l *Looker) leave(key string, n *line, behind bool) {
	if behind {
		n.hangs, n.stuck = false, make(chan struct{})
		l.late++
	}
	<-n.turn
	l.gone(key, n)
}

// gone forgets a line that nobody uses. l.mu is held.
func (l *Looker) gone(key string, n *line) {
	if n.waiting--; n.waiting == 0 {
		delete(l.lines, key)
	}
}

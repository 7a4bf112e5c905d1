package notify

import (
	"context"
	"errors"
	"sync/atomic"
)

// session shows notices by the desktop, and on the terminals while no
// notification daemon answers.
type session struct {
	desktop   *desktop
	terminals *terminals
	lines     atomic.Bool // the last notice went to the terminals
}

// open says nothing of what there is: that may be different when the first
// notice comes.
func open(ctx context.Context, c Config) (Notifier, error) {
	s := &session{desktop: newDesktop(c), terminals: &terminals{c}}
	s.lines.Store(s.desktop.current(ctx).owner == "")
	return s, nil
}

// Name names the daemon, or "terminals".
func (s *session) Name() string {
	if server := s.desktop.peek(); server.owner != "" {
		return server.name
	}
	return "terminals"
}

// Buttons reports whether the daemon that is there now has them.
func (s *session) Buttons() bool {
	server := s.desktop.peek()
	return server.can("actions")
}

func (s *session) Show(ctx context.Context, n Notice) error {
	err := s.desktop.show(ctx, n)
	if err == nil || ctx.Err() != nil {
		if err == nil && s.lines.Swap(false) {
			s.desktop.Log.Info("notices go to the notification daemon")
		}
		return err
	}
	if !s.lines.Swap(true) {
		s.desktop.Log.Warn("notices go to the terminals", "err", err)
	}
	if err2 := s.terminals.show(ctx, n); err2 != nil {
		return errors.Join(ErrNone, err, err2)
	}
	return nil
}

func (s *session) Withdraw(ctx context.Context, id string) error {
	return s.desktop.withdraw(ctx, id) // lines on a terminal stay
}

func (s *session) Answers() <-chan Answer { return s.desktop.answers }

func (s *session) Close() error { return s.desktop.close() }

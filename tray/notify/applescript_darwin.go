package notify

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// applescript shows notices by osascript, without buttons: they name the
// command instead. It can neither take one away nor replace one.
type applescript struct {
	Config
	answers chan Answer
	close   sync.Once
}

func open(_ context.Context, c Config) (Notifier, error) {
	if _, err := os.Stat(osascript); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return &applescript{Config: c, answers: make(chan Answer)}, nil
}

func (a *applescript) Name() string { return "osascript" }

func (a *applescript) Buttons() bool { return false }

func (a *applescript) Show(ctx context.Context, n Notice) error {
	ctx, cancel := context.WithTimeout(ctx, showLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, osascript, appleScript(n, a.without(n))...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("show a notice with osascript: %w: %.200q", err, out)
	}
	return nil
}

func (a *applescript) Withdraw(context.Context, string) error { return nil }

func (a *applescript) Answers() <-chan Answer { return a.answers }

func (a *applescript) Close() error {
	a.close.Do(func() { close(a.answers) })
	return nil
}

package tray

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/tray/notify"
)

func TestAgentComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, func(c *Config) {})
		b.agent.set(func() { b.agent.alerts = sample(1, nil).Alerts })
		rest(time.Second)
		if !b.screen.says("1 open alert") || b.screen.icon() != (Icon{Ringing, 1}) {
			t.Fatalf("%+v", b.screen.menu())
		}
		// It is told at once that it has gone, and shows nothing from memory.
		b.agent.stop(client.ErrNoAgent)
		rest(time.Millisecond)
		if !b.screen.says("not running") || b.screen.says("Theft") || b.screen.icon().State != Missing {
			t.Errorf("the agent has gone: %+v", b.screen.menu())
		}
		// A restart is seen soon, with what happened meanwhile.
		rest(3 * time.Second)
		b.agent.set(func() { b.agent.alerts = sample(2, nil).Alerts })
		b.agent.restart()
		rest(5 * time.Second)
		if !b.screen.says("2 open alerts") {
			t.Errorf("the agent is back: %+v", b.screen.menu())
		}
		// However long it is away, it is looked for; when the menu opens, at once.
		b.agent.stop(fmt.Errorf("open: %w", fs.ErrPermission))
		rest(3 * time.Hour)
		if !b.screen.says("may not be asked") {
			t.Errorf("not permitted: %+v", b.screen.menu())
		}
		b.agent.restart()
		b.screen.menus <- struct{}{}
		rest(time.Millisecond)
		if !b.screen.says("2 open alerts") {
			t.Errorf("the menu was opened: %+v", b.screen.menu())
		}
		b.agent.stop(client.ErrImpostor)
		rest(time.Millisecond)
		b.end(t)
	})
}

// TestTrouble: an agent that answers badly has not gone, and what it said before
// is not forgotten for that.
func TestTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		b.agent.set(func() { b.agent.alerts = sample(1, nil).Alerts })
		rest(10 * time.Second)
		b.notifier.take()
		// A flood makes a list that takes too long to read.
		b.agent.set(func() {
			b.agent.alerts, b.agent.unread = sample(2, nil).Alerts, fmt.Errorf("read the agent's answer: %w", context.DeadlineExceeded)
		})
		rest(10 * time.Minute)
		if !b.screen.says("1 open alert") || !b.screen.says("does not hand out") || b.screen.says("not running") {
			t.Errorf("the list cannot be read: %+v", b.screen.menu())
		}
		for _, n := range b.notifier.take() {
			if n.ID == notify.AgentID {
				t.Errorf("told: %+v", n)
			}
		}
		b.agent.set(func() { b.agent.unread = nil })
		rest(10 * time.Second)
		if !b.screen.says("2 open alerts") || b.screen.says("does not hand out") {
			t.Errorf("the list can be read again: %+v", b.screen.menu())
		}
		b.agent.stop(fmt.Errorf("ask the agent: %w", context.DeadlineExceeded))
		rest(time.Minute)
		if !b.screen.says("does not answer") || b.screen.says("not running") || b.screen.icon().State != Less {
			t.Errorf("it hangs: %+v", b.screen.menu())
		}
		b.end(t)
	})
}

// TestQuietOnResources: nothing is asked more often than every 30 seconds, with
// an agent or without one, and nothing is drawn again that shows already.
func TestQuietOnResources(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		rest(time.Minute)
		reads, dials, _ := b.agent.counts()
		rest(time.Hour)
		reads2, dials2, _ := b.agent.counts()
		if n := reads2 - reads; n > 120 || n < 60 {
			t.Errorf("it asked %d times in an hour", n)
		}
		if dials2 != dials {
			t.Errorf("it connected anew %d times", dials2-dials)
		}
		b.agent.stop(client.ErrNoAgent)
		rest(5 * time.Minute)
		_, dials, _ = b.agent.counts()
		rest(time.Hour)
		_, dials2, _ = b.agent.counts()
		if n := dials2 - dials; n > 120 || n < 100 {
			t.Errorf("it looked for the agent %d times in an hour", n)
		}
		b.end(t)
	})
}

// TestFlood: however fast alerts change, the tray reads them at its own pace.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := 50 * time.Millisecond // that one reading takes
		b := begin(t, nil)
		c := Config{Dial: func() (Agent, error) { return slowAgent{b.agent, slow}, nil }, Words: english(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
		b.end(t)
		screen := &fakeScreen{click: make(chan Act), menus: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.run(ctx, screen) }()
		rest(10 * time.Second)
		before, _, _ := b.agent.counts()
		for range 3000 { // for half a minute
			b.agent.set(func() { b.agent.alerts = sample(1, nil).Alerts })
			rest(10 * time.Millisecond)
		}
		after, _, _ := b.agent.counts()
		if n := after - before; n < 10 || n > 35 {
			t.Errorf("it read %d times in half a minute, each of %v", n, slow)
		}
		rest(10 * time.Second)
		if !screen.says("1 open alert") {
			t.Errorf("%+v", screen.menu())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type slowAgent struct {
	*fakeAgent
	takes time.Duration
}

func (s slowAgent) Status(ctx context.Context) (wormbell.Status, error) {
	time.Sleep(s.takes)
	return s.fakeAgent.Status(ctx)
}

// TestQuits: Quit ends it, and so does the session.
func TestQuits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		b.screen.click <- Act{Verb: Quit}
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		over := make(chan struct{})
		b = begin(t, func(c *Config) { c.Ended = over })
		rest(time.Second)
		close(over)
		if err := <-b.done; err != nil {
			t.Error(err)
		}
	})
}

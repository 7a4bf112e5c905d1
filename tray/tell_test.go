package tray

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"wormbell/tray/notify"

	"wormbell"
)

// TestNotices: an alert is told, once; in a pause it is not, and its end is told.
func TestNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		rest(10 * time.Second)
		alert := sample(1, nil).Alerts[0]
		alert.Severity, alert.First, alert.Last = wormbell.High, time.Now(), time.Now()
		b.agent.set(func() { b.agent.alerts = []wormbell.Alert{alert} })
		rest(time.Second)
		if got := b.notifier.take(); len(got) != 1 || got[0].ID != alert.ID {
			t.Fatalf("told %+v", got)
		}
		for range 5 { // nothing new
			b.agent.set(func() {})
			rest(time.Second)
		}
		if got := b.notifier.take(); len(got) != 0 {
			t.Errorf("told again: %+v", got)
		}
		until := time.Now().Add(time.Hour)
		b.agent.set(func() { b.agent.status.PausedUntil = &until })
		rest(time.Second)
		if !b.screen.says("End the pause") {
			t.Errorf("%+v", b.screen.menu())
		}
		second := alert
		second.ID = "zzzz2345"
		b.agent.set(func() { b.agent.alerts = []wormbell.Alert{second, alert} })
		rest(30 * time.Minute)
		for _, n := range b.notifier.take() {
			if n.ID == second.ID {
				t.Errorf("told in a pause: %+v", n)
			}
		}
		rest(time.Until(until) + 200*time.Millisecond)
		if b.screen.says("End the pause") || !b.screen.says("Pause notifications") {
			t.Errorf("the pause still shows: %+v", b.screen.menu())
		}
		rest(time.Minute)
		if got := b.notifier.take(); len(got) == 0 {
			t.Error("the end of the pause was not told")
		}
		b.end(t)
	})
}

// TestHeldShows: the menu says what do-not-disturb holds back, and no longer once
// it is told; after an hour it is.
func TestHeldShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, func(c *Config) {
			c.Surroundings = func(context.Context) notify.Surroundings { return notify.Surroundings{DoNotDisturb: true} }
		})
		rest(10 * time.Second)
		alert := sample(1, nil).Alerts[0]
		alert.Severity, alert.First, alert.Last = wormbell.High, time.Now(), time.Now()
		b.agent.set(func() { b.agent.alerts = []wormbell.Alert{alert} })
		rest(time.Second)
		if !b.screen.says("Do-not-disturb holds a notification back") {
			t.Errorf("%+v", b.screen.menu())
		}
		if got := b.notifier.take(); len(got) != 0 {
			t.Errorf("told: %+v", got)
		}
		rest(time.Hour)
		if b.screen.says("Do-not-disturb") {
			t.Errorf("%+v", b.screen.menu())
		}
		if got := b.notifier.take(); len(got) != 1 || !got[0].Through {
			t.Errorf("told: %+v", got)
		}
		b.end(t)
	})
}

// TestNoNotifier: the menu says that there are no notices at all.
func TestNoNotifier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, func(c *Config) { c.Notify = nil })
		rest(time.Second)
		if !b.screen.says("Notifications cannot be shown") {
			t.Errorf("%+v", b.screen.menu())
		}
		b.end(t)
	})
}

// TestUntold: the menu says that a notice could not be shown, until one can.
func TestUntold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		rest(time.Second)
		fail := func(err error) {
			b.notifier.mu.Lock()
			defer b.notifier.mu.Unlock()
			b.notifier.fail = err
		}
		const line = "Notifications cannot be shown"
		for _, err := range []error{nil, errors.New("it does not start"), nil} {
			fail(err)
			b.screen.click <- Act{Close, "abcd2340"}
			rest(time.Second)
			if got := b.screen.says(line); got != (err != nil) {
				t.Errorf("showing fails with %v, and the menu says so: %v", err, got)
			}
		}
		b.end(t)
	})
}

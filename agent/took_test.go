package agent

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wormbell"
)

type memory map[string]string

func (m memory) Setting(key string) string { return m[key] }
func (m memory) SetSetting(key, value string) error {
	m[key] = value
	return nil
}

// The spans of a day are kept, each with what was taken in it alone, also over
// a restart.
func TestTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := memory{}
		var mu sync.Mutex
		cpu, lost := 7.0, 0 // 7 s were the watchdog's before we began
		set := func(c float64, l int) {
			mu.Lock()
			defer mu.Unlock()
			cpu, lost = c, l
		}
		measure := func() (float64, int64, int) {
			mu.Lock()
			defer mu.Unlock()
			return cpu, 5 << 20, lost
		}
		log := slog.New(slog.DiscardHandler)
		start := func(before float64) (*took, func()) {
			k := newTook(kept, log, measure, before)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { k.run(ctx); close(done) }()
			return k, func() { stop(); <-done }
		}
		k, stop := start(7)
		set(7.5, 0)
		time.Sleep(tookSpan) // of the bubble's clock
		synctest.Wait()
		set(8.5, 3)
		time.Sleep(tookSpan)
		synctest.Wait()
		set(8.75, 3)
		time.Sleep(time.Minute)
		check(t, k.list(), span{600, 0.5, 0}, span{600, 1, 3}, span{60, 0.25, 0})
		stop()

		set(2, 0) // another process, which counts from nothing
		k, stop = start(0)
		time.Sleep(time.Minute)
		check(t, k.list(), span{600, 0.5, 0}, span{600, 1, 3}, span{60, 0.25, 0}, span{60, 2, 0})
		for range 3 * 24 * 6 {
			time.Sleep(tookSpan)
		}
		synctest.Wait()
		list := k.list()
		if n := len(list); n < 144 || n > 145 || time.Since(list[0].Time) >= 24*time.Hour {
			t.Errorf("%d spans, the first %v old", n, time.Since(list[0].Time))
		}
		stop()
		for range 3 * tookMost { // an agent that falls over again and again
			_, stop := start(0)
			time.Sleep(time.Second)
			stop()
		}
		k, stop = start(0)
		if n := len(k.list()); n != tookMost+1 {
			t.Errorf("%d spans", n)
		}
		stop()
	})
}

type span struct {
	seconds, cpu float64
	lost         int
}

func check(t *testing.T, list []wormbell.Usage, want ...span) {
	t.Helper()
	if len(list) != len(want) {
		t.Fatalf("%d spans, want %d: %+v", len(list), len(want), list)
	}
	for i, u := range list {
		if (span{u.Seconds, u.CPU, u.Lost}) != want[i] || u.RSS != 5<<20 || u.Time.IsZero() {
			t.Errorf("span %d is %+v, want %+v", i, u, want[i])
		}
	}
}

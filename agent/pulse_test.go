package agent

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/watchers"
)

// beating is an engine's goroutine with a pulse, in a bubble of its own time,
// and what its watchdog hears.
type beating struct {
	a            *agent
	log          *bytes.Buffer
	beats, rests atomic.Int64
	idle, stuck  atomic.Int64
}

func beat(t *testing.T, ctx context.Context) *beating {
	b := &beating{log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	h := Heart{Beat: func() { b.beats.Add(1) }, Rest: func() { b.rests.Add(1) }, Idle: func() { b.idle.Add(1) }, Stuck: func() { b.stuck.Add(1) }}
	b.a = &agent{ctx: ctx, log: log, queue: newQueue(100), calls: make(chan func()), pulse: newPulse(h, log)}
	return b
}

// answer is the path that answers openers: it goes round every 400 ms.
func (b *beating) answer(ctx context.Context) {
	for ctx.Err() == nil {
		b.a.pulse.alive()
		time.Sleep(400 * time.Millisecond)
	}
}

func TestPulse(t *testing.T) {
	for _, c := range []struct {
		name   string
		hang   time.Duration // how long the engine does not come round, once
		within int           // calls that take a second each, one after the other
		stuck  bool
	}{
		{name: "idle"},
		{name: "busy for as long as it may", hang: engineBound - time.Second},
		{name: "a call after a call", hang: 0, within: 100},
		{name: "deadlocked", hang: time.Hour, stuck: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				b := beat(t, ctx)
				go b.a.observe(ctx)
				go b.answer(ctx)
				time.Sleep(time.Minute)
				if b.beats.Load() < 149 || b.stuck.Load() != 0 {
					t.Fatalf("a healthy engine: %d beats in a minute, stuck %d times", b.beats.Load(), b.stuck.Load())
				}
				began := time.Now()
				go b.a.ask(func() { time.Sleep(c.hang) })
				for range c.within {
					b.a.ask(func() { time.Sleep(time.Second) })
				}
				for b.stuck.Load() == 0 && time.Since(began) < 2*engineBound {
					time.Sleep(100 * time.Millisecond)
				}
				took := time.Since(began)
				if stuck := b.stuck.Load() > 0; stuck != c.stuck {
					t.Errorf("stuck %v after %v, want %v", stuck, took, c.stuck)
				}
				if c.stuck && (took < engineBound || took > engineBound+engineGrace+time.Second) {
					t.Errorf("it took %v to notice", took)
				}
				if c.stuck && !strings.Contains(b.log.String(), "pulse_test.go") {
					t.Error("the log does not say where the engine stands")
				}
				before := b.beats.Load()
				time.Sleep(10 * time.Second)
				if n := b.beats.Load() - before; (n == 0) != c.stuck {
					t.Errorf("%d beats afterwards", n)
				}
				if b.idle.Load() != 0 {
					t.Error("it said that nobody answers openers")
				}
				cancel()
				time.Sleep(2 * time.Hour) // what was called returns
			})
		})
	}
}

// The bound is for one event, not for the batch that it came in.
func TestPulseOfALongBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := beat(t, ctx)
		b.a.feed, b.a.sensors, b.a.guard = newFeed(), newSensors(b.a.log), newProtector(detect.NewTrust(), nil, nil, b.a.log)
		go b.answer(ctx)
		slow := detect.Detector{ID: "slow", Kinds: []wormbell.Kind{wormbell.ProcessStart},
			New: func() detect.Check { return func(wormbell.Event, *detect.Scope) { time.Sleep(5 * time.Second) } }}
		b.a.engine = detect.NewEngine([]detect.Detector{slow}, detect.NewTrust())
		events := make([]wormbell.Event, 60) // five minutes
		for i := range events {
			events[i].Kind = wormbell.ProcessStart
		}
		began := time.Now()
		b.a.batch(events)
		if took := time.Since(began); took != 5*time.Minute {
			t.Fatalf("it took %v: the test proves nothing", took)
		}
		if b.stuck.Load() != 0 {
			t.Errorf("an engine that judges event after event counts as stuck")
		}
		cancel()
		time.Sleep(time.Second)
	})
}

// A machine that stood still is no deadlock.
func TestPulseAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := beat(t, ctx)
		b.a.pulse.alive()
		time.Sleep(time.Hour) // nothing runs, the clock does
		b.a.pulse.alive()
		go b.a.observe(ctx)
		go b.answer(ctx)
		time.Sleep(time.Minute)
		if b.stuck.Load() != 0 || b.beats.Load() < 100 {
			t.Errorf("stuck %d times, %d beats", b.stuck.Load(), b.beats.Load())
		}
		cancel()
		time.Sleep(time.Second)
	})
}

// Where nothing answers openers, as without fanotify, the agent shows all the
// same that its engine goes round.
func TestPulseWithoutOpeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := beat(t, ctx)
		go b.a.observe(ctx)
		go b.a.pulse.run(ctx)
		time.Sleep(time.Minute + time.Second)
		if b.idle.Load() != int64(time.Minute/idleBeat) || b.beats.Load() != 0 {
			t.Errorf("%d signs of life in a minute, %d beats", b.idle.Load(), b.beats.Load())
		}
		go b.a.ask(func() { time.Sleep(time.Hour) })
		time.Sleep(2 * engineBound)
		if b.stuck.Load() != 1 {
			t.Errorf("a deadlocked engine was said to be stuck %d times", b.stuck.Load())
		}
		cancel()
		time.Sleep(2 * time.Hour)
	})
}

// While nobody waits the agent shows itself seldom, and that its engine goes round
// all the same.
func TestPulseAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := beat(t, ctx)
		go b.a.observe(ctx)
		go b.a.pulse.run(ctx)
		go func() {
			for ctx.Err() == nil {
				b.a.pulse.rest()
				time.Sleep(5 * time.Second)
			}
		}()
		time.Sleep(time.Minute - time.Second)
		if b.rests.Load() != 12 || b.beats.Load() != 0 || b.idle.Load() != 0 {
			t.Errorf("in a minute %d rests, %d beats and %d signs that nobody answers openers", b.rests.Load(), b.beats.Load(), b.idle.Load())
		}
		go b.a.ask(func() { time.Sleep(time.Hour) })
		began := time.Now()
		for b.stuck.Load() == 0 && time.Since(began) < 2*engineBound {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); b.stuck.Load() != 1 || took > engineBound+15*time.Second {
			t.Errorf("a deadlocked engine was said to be stuck %d times, after %v", b.stuck.Load(), took)
		}
		cancel()
		time.Sleep(2 * time.Hour)
	})
}

func TestNewHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := &agent{log: slog.New(slog.NewTextHandler(&log, nil)), folders: newFolders()}
		a.host.Homes = []watchers.Home{{Dir: "/home/a", UID: 1000}}
		began := time.Now()
		there := func() []watchers.Home {
			if time.Since(began) < 25*time.Second {
				return a.host.Homes
			}
			return append(a.host.Homes, watchers.Home{Dir: "/home/b", UID: 1001})
		}
		if !a.awaitHomes(t.Context(), there) || !strings.Contains(log.String(), "/home/b") {
			t.Errorf("the new home was not noticed: %s", &log)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		gone := func() []watchers.Home { return nil }
		if a.awaitHomes(ctx, gone) {
			t.Error("a home that has gone is no reason to start anew")
		}
	})
}

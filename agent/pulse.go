package agent

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"wormbell"
)

const (
	// engineBound is how long the engine's goroutine may not come round before
	// it counts as deadlocked. It waits by right: a second for each file of a
	// trust row, two for a database that is locked, and for the disk. A disk that
	// does not answer for ten seconds is a slow one, and starting again would not
	// make it faster; openers are answered meanwhile.
	engineBound = 30 * time.Second
	// engineGrace is added once before the verdict: after the whole machine stood
	// still the engine may be a moment behind.
	engineGrace = time.Second
	// idleBeat is how often the agent shows that it lives while nothing answers
	// openers, as where fanotify is refused.
	idleBeat = 5 * time.Second
)

// Heart is how the agent shows its watchdog that it lives. Its methods never
// block. nil fields are left out.
type Heart struct {
	Beat  func() // the path that answers openers has gone round, and the engine does: within every 400 ms, once the path is there and does not rest
	Rest  func() // the same, and nobody waits: Beat comes before an opener is taken, and Rest every few seconds until then
	Idle  func() // the engine goes round, and no path answers openers: every few seconds
	Stuck func() // the engine does not go round any more
	// Watch has the watchdog see who queues at a descriptor, and reports whether it
	// will: without, there is no Rest.
	Watch func(fd int) bool
}

// pulse watches over the engine's goroutine. Who asks is the path that answers
// openers, which wakes up for its own beat anyway; without one, run.
type pulse struct {
	heart Heart
	log   *slog.Logger
	began time.Time

	ask   chan struct{} // holds one token: the engine is to show that it goes round
	asked atomic.Int64  // since when that is owed, ns after began; 0: it is not
	late  atomic.Int64  // since when it is owed for too long; 0: it is not
	beat  atomic.Int64  // when the answering path last went round; 0: never
	stuck atomic.Bool   // said so
}

func newPulse(h Heart, log *slog.Logger) *pulse {
	return &pulse{heart: h, log: log, began: time.Now(), ask: make(chan struct{}, 1)}
}

func (p *pulse) now() int64 { return max(int64(time.Since(p.began)), 1) }

// alive is called by the path that answers openers when it has gone round.
func (p *pulse) alive() { p.say(p.heart.Beat) }

// rest is called by that path, instead of alive, when it has gone round and nobody
// waits; it goes round again when somebody does, or in a few seconds.
func (p *pulse) rest() { p.say(p.heart.Rest) }

func (p *pulse) say(what func()) {
	p.beat.Store(p.now())
	if p.round() && what != nil {
		what()
	}
}

// run beats until somebody answers openers, or ctx is done.
func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(idleBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if p.beat.Load() != 0 {
			return
		}
		if p.round() && p.heart.Idle != nil {
			p.heart.Idle()
		}
	}
}

// round asks the engine to go round, and reports whether it did so when it was
// asked before.
func (p *pulse) round() bool {
	now := p.now()
	select {
	case p.ask <- struct{}{}:
	default:
	}
	p.asked.CompareAndSwap(0, now)
	since := p.asked.Load()
	if since == 0 || time.Duration(now-since) < engineBound {
		p.late.Store(0)
		return true
	}
	if p.late.CompareAndSwap(0, now) || time.Duration(now-p.late.Load()) < engineGrace {
		return true
	}
	if p.stuck.CompareAndSwap(false, true) {
		p.log.Error("the engine does not go round any more", "since", time.Duration(now-since).Round(time.Second), "stacks", stacks())
		if p.heart.Stuck != nil {
			p.heart.Stuck()
		}
	}
	return false
}

// turned is called by the engine's goroutine whenever it has gone round, and
// after each event of a batch, which may be long.
func (p *pulse) turned() {
	if p.asked.Load() != 0 {
		p.asked.Store(0)
	}
}

// stacks is what all goroutines do: places in our own code and no values but
// addresses.
func stacks() string {
	b := make([]byte, 64<<10)
	return string(b[:runtime.Stack(b, true)])
}

// observe is the engine's goroutine: it takes what is queued, shows it to the
// detectors and stores what they find.
func (a *agent) observe(ctx context.Context) {
	for {
		select {
		case do := <-a.calls:
			do()
		case <-a.queue.ready:
			a.batch(a.queue.drain())
		case <-a.pulse.ask:
		case <-ctx.Done():
			a.batch(a.queue.drain())
			return
		}
		a.pulse.turned()
	}
}

func (a *agent) batch(events []wormbell.Event) {
	for _, e := range events {
		e = a.demos.mark(e)
		a.count(e)
		if e.Kind == wormbell.FileRead && !e.Denied() {
			a.sensors.read(e)
		}
		a.guard.observe(e)
		var alerts []string
		for _, f := range a.engine.Observe(e) {
			alerts = append(alerts, a.record(f))
		}
		a.stopped(e, alerts)
		a.feed.send(e)
		a.pulse.turned()
	}
}

package agent

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// What the agent may take before it says so and leaves optional work.
const (
	// budgetCPU is a share of one core over a minute. The largest install that
	// was measured takes a third of a second; a build that starts 600 processes a
	// second, some 15 %. More is a storm, or a fault of ours.
	budgetCPU = 0.25
	// budgetRSS is in bytes: three times what is measured with the largest home,
	// and well below the limit at which the service manager ends the agent
	// (MemoryMax of wormbelld.service).
	budgetRSS = 128 << 20

	budgetTurn   = 15 * time.Second
	budgetMinute = time.Minute
)

// taken is what the agent had taken when somebody looked.
type taken struct {
	at  time.Time
	cpu float64 // seconds since the start
	rss int64   // bytes
}

// verdict is a decision on what the agent takes.
type verdict struct {
	cpu, memory bool    // over the budget
	share       float64 // of one core, over what of the last minute is known
	rss         int64
}

func (v verdict) over() bool { return v.cpu || v.memory }

// judge decides on the looks of the last minute, oldest first: over the budget
// when either limit is passed, within that one again only at half of it, so that
// it does not go to and fro. Each is judged by itself: an agent with large homes
// may hold more than half of the memory for ever, and that alone is no storm.
// What a shorter time than a minute shows is not judged but for the memory:
// starting takes a moment of everything.
func judge(was verdict, looks []taken) verdict {
	if len(looks) == 0 {
		return was
	}
	first, last := looks[0], looks[len(looks)-1]
	v := verdict{cpu: was.cpu, memory: was.memory, rss: last.rss}
	span := last.at.Sub(first.at)
	if span > 0 {
		v.share = max(last.cpu-first.cpu, 0) / span.Seconds()
	}
	switch whole := span >= budgetMinute; {
	case whole && v.share > budgetCPU:
		v.cpu = true
	case whole && v.share < budgetCPU/2:
		v.cpu = false
	}
	switch {
	case v.rss > budgetRSS:
		v.memory = true
	case v.rss < budgetRSS/2:
		v.memory = false
	}
	return v
}

// budget watches what the agent takes itself. Above it, what is optional is
// done more rarely ([watchers.Host.Spare]) and the status says so; what is
// reported by the system is never left out. It is safe for concurrent use.
type budget struct {
	log *slog.Logger

	mu    sync.Mutex // guards what follows
	looks []taken    // of the last minute
	last  verdict
	since time.Time // when it went over
}

func newBudget(log *slog.Logger) *budget { return &budget{log: log} }

// run looks every quarter of a minute until ctx is done. measure is what the
// agent has taken since it started; cpu is 0 where that is not known.
func (b *budget) run(ctx context.Context, measure func() (cpu float64, rss int64, lost int)) {
	tick := time.NewTicker(budgetTurn)
	defer tick.Stop()
	for {
		cpu, rss, _ := measure()
		b.look(taken{time.Now(), cpu, rss})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *budget) look(t taken) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// The oldest one kept is the youngest that is a minute old or more.
	b.looks = append(b.looks, t)
	for len(b.looks) > 2 && t.at.Sub(b.looks[1].at) >= budgetMinute {
		b.looks = b.looks[1:]
	}
	was := b.last.over()
	b.last = judge(b.last, b.looks)
	switch over := b.last.over(); {
	case over && !was:
		b.since = t.at
		b.log.Warn("the agent takes more than it should and leaves optional work", "core_share", b.last.share, "rss", b.last.rss)
	case was && !over:
		b.log.Info("the agent takes what it should again", "core_share", b.last.share, "rss", b.last.rss, "after", t.at.Sub(b.since).Round(time.Second))
	}
	if b.last.memory { // what is measured next is then what it needs
		debug.FreeOSMemory()
	}
}

// over reports whether optional work is to be left.
func (b *budget) over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last.over()
}

// problem is what the status says of it, "" while all is well.
func (b *budget) problem() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.over() {
		return ""
	}
	return fmt.Sprintf("the agent takes more than it should (%.0f %% of a core, %d MB), so it looks at everything again more rarely; what it is told of it still judges at once", 100*b.last.share, b.last.rss>>20)
}

package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"wormbell"
)

// What is kept of what the agent took: a day, in spans.
const (
	tookSpan = 10 * time.Minute
	tookDay  = 24 * time.Hour
	tookMost = 200 // spans; each start of the agent makes one that is shorter
)

// tookSetting is the setting that holds the spans that are over, as JSON.
const tookSetting = "usage"

// lasting is what outlives the agent: the store.
type lasting interface {
	Setting(key string) string
	SetSetting(key, value string) error
}

// took is what the agent takes in each span of a day. It is safe for concurrent
// use. Make it with newTook.
type took struct {
	store   lasting
	log     *slog.Logger
	measure func() (cpu float64, rss int64, lost int) // since the start

	mu    sync.Mutex // guards what follows
	spans []wormbell.Usage
	from  time.Time // begin of the span that is under way
	cpu   float64   // what measure said then
	lost  int
}

// newTook begins the first span, before which so many seconds of processor time
// that measure counts were taken by an agent that is gone.
func newTook(store lasting, log *slog.Logger, measure func() (float64, int64, int), before float64) *took {
	t := &took{store: store, log: log, measure: measure, from: time.Now(), cpu: before}
	if s := store.Setting(tookSetting); s != "" {
		if err := json.Unmarshal([]byte(s), &t.spans); err != nil {
			log.Warn("what the agent took before cannot be read", "err", err)
		}
	}
	return t
}

// run ends a span every ten minutes until ctx is done, and then the last one.
func (t *took) run(ctx context.Context) {
	tick := time.NewTicker(tookSpan)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			over = true
		}
		t.end()
	}
}

// end keeps the span that is under way and begins the next.
func (t *took) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now()
	u, cpu, lost := t.now(at)
	t.spans = append(t.recent(at, tookMost-1), u)
	t.from, t.cpu, t.lost = at, cpu, lost
	b, err := json.Marshal(t.spans)
	if err == nil {
		err = t.store.SetSetting(tookSetting, string(b))
	}
	if err != nil {
		t.log.Warn("what the agent took cannot be kept", "err", err)
	}
}

// now is the span that is under way; t.mu is held.
func (t *took) now(at time.Time) (u wormbell.Usage, cpu float64, lost int) {
	cpu, rss, lost := t.measure()
	return wormbell.Usage{Time: at.UTC().Round(0), Seconds: at.Sub(t.from).Seconds(), CPU: max(cpu-t.cpu, 0), RSS: rss, Lost: max(lost-t.lost, 0)}, cpu, lost
}

// recent returns the spans that are over and no older than a day, most at most;
// t.mu is held.
func (t *took) recent(at time.Time, most int) []wormbell.Usage {
	spans := slices.DeleteFunc(slices.Clone(t.spans), func(u wormbell.Usage) bool {
		return at.Sub(u.Time) >= tookDay || u.Time.After(at) // the latter: the clock was set back
	})
	return spans[max(len(spans)-most, 0):]
}

// list returns the spans of the last day, oldest first, the one under way last.
func (t *took) list() []wormbell.Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now()
	u, _, _ := t.now(at)
	return append(t.recent(at, tookMost), u)
}

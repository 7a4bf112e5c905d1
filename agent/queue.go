package agent

import (
	"context"
	"sync"
	"time"

	"wormbell"
)

// queueLength bounds the road from the watchers to the engine. An install of
// 10,000 packages emits about as many events within a second; an event and the
// strings it owns are some 300 bytes, so a full queue is about 20 MB.
const queueLength = 1 << 16

// queueKept is the room that is kept for what matters most. Whoever fills the
// queue with starts and files must not so lose that a credential was read, or
// that somebody loosened the guard.
const queueKept = 1 << 12

// matters reports whether there is kept room for e.
func matters(e wormbell.Event) bool {
	return e.Kind == wormbell.FileRead || e.Kind == wormbell.AgentCall
}

// queue is the bounded road from the watchers to the engine.
type queue struct {
	max   int           // events, and queueKept more that matter
	ready chan struct{} // holds one token while buf or lost is non-empty

	mu   sync.Mutex // guards what follows; held for a few instructions only
	buf  []wormbell.Event
	lost int
}

func newQueue(max int) *queue { return &queue{max: max, ready: make(chan struct{}, 1)} }

// put adds e, or counts it as lost if there is no room for it. It never blocks.
func (q *queue) put(e wormbell.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.buf); n >= q.max && !(n < q.max+queueKept && matters(e)) {
		q.lost++
		return
	}
	q.buf = append(q.buf, e)
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for events and returns them all, in order. If any were lost, a
// gap stands where they would have been.
func (q *queue) take(ctx context.Context) ([]wormbell.Event, error) {
	select {
	case <-q.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return q.drain(), nil
}

// drain returns what is queued, without waiting.
func (q *queue) drain() []wormbell.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.buf
	if q.lost > 0 {
		at := time.Time{}
		if len(batch) > 0 {
			at = batch[len(batch)-1].Time
		}
		batch = append(batch, wormbell.Event{Kind: wormbell.Gap, Source: "queue", Time: at, Count: q.lost, Line: "the agent could not keep up"})
	}
	q.buf, q.lost = nil, 0
	return batch
}

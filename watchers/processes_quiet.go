package watchers

import (
	"slices"
	"sync"
	"time"
)

// quiet remembers when dependencies' scripts were alive. What was written while
// none was is a person's own doing, as far as installers are concerned. It is
// safe for concurrent use and its lock is held for moments only.
type quiet struct {
	mu    sync.Mutex // guards the rest
	since time.Time  // before this we cannot tell
	alive int
	from  time.Time     // while alive > 0: since when
	spans []span        // ended, oldest first
	merge time.Duration // spans closer than this are one
}

type span struct{ from, to time.Time }

// Bounds of what is remembered, and of how exact a file's times are: the
// kernel stamps them with its last tick.
const (
	spansMax  = 256
	spanSlack = 50 * time.Millisecond
)

func newQuiet(now time.Time) *quiet { return &quiet{since: now, merge: time.Second} }

// more says that a process of a dependency's script is there, since from.
func (q *quiet) more(from time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.alive++; q.alive == 1 || from.Before(q.from) {
		q.from = from
	}
}

// less says that one of them has ended.
func (q *quiet) less(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.alive--; q.alive > 0 {
		return
	}
	q.alive = 0
	if now.Before(q.from) {
		now = q.from
	}
	q.add(span{q.from, now})
}

// once says that one of them was there and is gone.
func (q *quiet) once(from, to time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.alive == 0 {
		q.add(span{from, to})
	}
}

func (q *quiet) add(s span) {
	if n := len(q.spans); n > 0 && s.from.Sub(q.spans[n-1].to) < q.merge {
		if s.to.After(q.spans[n-1].to) {
			q.spans[n-1].to = s.to
		}
		if s.from.Before(q.spans[n-1].from) {
			q.spans[n-1].from = s.from
		}
		return
	}
	q.spans = append(q.spans, s)
	if len(q.spans) > spansMax {
		q.since = q.spans[0].to
		q.spans = slices.Delete(q.spans, 0, 1)
	}
}

// was reports whether no dependency's script was alive between two times.
func (q *quiet) was(from, to time.Time) bool {
	from, to = from.Add(-spanSlack), to.Add(spanSlack)
	q.mu.Lock()
	defer q.mu.Unlock()
	if from.Before(q.since) || q.alive > 0 && !to.Before(q.from) {
		return false
	}
	for _, s := range q.spans {
		if !to.Before(s.from) && !from.After(s.to) {
			return false
		}
	}
	return true
}

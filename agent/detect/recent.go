package detect

import (
	"time"

	"wormbell"
)

// Recent remembers events by key for a while, and never more than max of them
// in all. It is the only memory a detector needs, so that none can grow
// without bound. Time is that of the events: it may jump.
type Recent[K comparable] struct {
	window time.Duration
	max    int
	log    []entry[K] // in order of arrival
}

type entry[K comparable] struct {
	key K
	e   wormbell.Event
}

// NewRecent returns an empty memory that keeps events for window, max of them at most.
func NewRecent[K comparable](window time.Duration, max int) *Recent[K] {
	return &Recent[K]{window: window, max: max}
}

// Add remembers e under key and returns all remembered under key, e last.
func (r *Recent[K]) Add(key K, e wormbell.Event) []wormbell.Event {
	for len(r.log) > 0 && (len(r.log) >= r.max || r.old(r.log[0].e, e.Time)) {
		r.log[0] = entry[K]{} // let go of its process
		r.log = r.log[1:]
	}
	r.log = append(r.log, entry[K]{key, e})
	return r.Of(key, e.Time)
}

// Of returns what is remembered under key at the time now, oldest first.
func (r *Recent[K]) Of(key K, now time.Time) (same []wormbell.Event) {
	for _, x := range r.log {
		if x.key == key && !r.old(x.e, now) {
			same = append(same, x.e)
		}
	}
	return same
}

// Has reports whether anything is remembered under key at the time now.
func (r *Recent[K]) Has(key K, now time.Time) bool {
	for _, x := range r.log {
		if x.key == key && !r.old(x.e, now) {
			return true
		}
	}
	return false
}

// old reports whether e is further from now than the window, on either side: a
// clock that was set back must not keep it for ever.
func (r *Recent[K]) old(e wormbell.Event, now time.Time) bool {
	return now.Sub(e.Time).Abs() > r.window
}

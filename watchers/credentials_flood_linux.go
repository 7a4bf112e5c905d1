package watchers

import (
	"sync"
	"time"

	"wormbell"
)

// floodReads is how many reads of one file by one process are told in a
// second. No honest program comes near; a hostile one could otherwise push
// everybody's events out of the queue. The rest is folded into one gap.
const floodReads = 1000

// flood folds floods of reads. It is safe for concurrent use.
type flood struct {
	mu     sync.Mutex // guards what follows
	window time.Time
	reads  map[floodKey]*floodCount
	folded bool
}

type floodKey struct {
	pid  int
	user string
	path string
}

type floodCount struct {
	n    int
	last wormbell.Event // the first one folded
}

// pass reports whether e, a read by process pid, is to be told. first says
// that it is the first in this second that is not.
func (f *flood) pass(pid int, e wormbell.Event) (ok, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.folded && (e.Time.Sub(f.window) >= time.Second || len(f.reads) > 4096) {
		f.window = e.Time
		clear(f.reads)
	}
	if f.reads == nil {
		f.reads = make(map[floodKey]*floodCount)
	}
	key := floodKey{pid, e.User, e.Path}
	c := f.reads[key]
	if c == nil {
		c = &floodCount{}
		f.reads[key] = c
	}
	if c.n++; c.n <= floodReads {
		return true, false
	}
	if c.n == floodReads+1 {
		c.last = e
	}
	first, f.folded = !f.folded, true
	return false, first
}

// pending reports whether flush will have something to tell.
func (f *flood) pending() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.folded
}

// flush returns a gap for each flood of a second that is over.
func (f *flood) flush(now time.Time) (gaps []wormbell.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.folded || now.Sub(f.window) < time.Second {
		return nil
	}
	for _, c := range f.reads {
		if c.n > floodReads {
			e := c.last
			e.Kind, e.Count, e.Line = wormbell.Gap, c.n-floodReads, "reads of one file by one process, beyond 1000 in a second"
			gaps = append(gaps, e)
		}
	}
	clear(f.reads)
	f.window, f.folded = now, false
	return gaps
}

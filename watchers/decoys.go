package watchers

import (
	"slices"
	"sync"

	"wormbell"
	"wormbell/internal/stores"
)

// Decoys are the decoys that lie in the homes: the agent says which, the
// credentials watcher guards them. It is safe for concurrent use; the zero
// value has none.
type Decoys struct {
	mu    sync.Mutex // guards what follows
	list  []wormbell.Decoy
	round int
	taken []waiting
	wake  func() // of the watcher that runs; nil if none does
}

// waiting is somebody who waits until a list is taken in.
type waiting struct {
	round int
	done  chan struct{}
}

// Set replaces the list. The channel is closed once every file on it is guarded,
// or is told to be none that can be.
func (d *Decoys) Set(list []wormbell.Decoy) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = slices.Clone(list)
	d.round++
	w := waiting{d.round, make(chan struct{})}
	d.taken = append(d.taken, w)
	if d.wake != nil {
		d.wake()
	}
	return w.done
}

// news returns the list if it is not the one of round, and its own round.
func (d *Decoys) news(round int) (list []wormbell.Decoy, now int, ok bool) {
	if d == nil {
		return nil, round, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), d.round, d.round != round
}

// took says that the list of this round is guarded.
func (d *Decoys) took(round int) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = slices.DeleteFunc(d.taken, func(w waiting) bool {
		if w.round <= round {
			close(w.done)
		}
		return w.round <= round
	})
}

// onNews has wake called when there is a new list; nil for nobody.
func (d *Decoys) onNews(wake func()) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wake = wake
}

// planDecoys returns the patterns to guard the decoys that lie in homes.
func planDecoys(homes []Home, list []wormbell.Decoy) (on []guardPattern) {
	for _, d := range list {
		i := slices.IndexFunc(homes, func(h Home) bool { return h.Dir == d.Home && h.User == d.User })
		segs, ok := segments(d.Path)
		if i < 0 || !ok {
			continue
		}
		on = append(on, guardPattern{home: homes[i], store: &stores.Store{ID: wormbell.DecoyStore, Kind: DecoyKind(d.Kind)}, path: d.Path, segs: segs, decoy: &d})
	}
	return on
}

// DecoyKind is how a decoy of a kind is listed among the guarded files.
func DecoyKind(kind string) string { return "decoy: " + kind }

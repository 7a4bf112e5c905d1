package watchers

import (
	"sync"

	"wormbell"
)

// Trees are the process trees whose connections are looked at for a while: the
// agent says which, the connections watcher looks. It is safe for concurrent use.
type Trees struct {
	wake chan struct{} // holds one token while fresh is not empty

	mu    sync.Mutex // guards fresh
	fresh []treeAsked
}

// treeAsked is one tree that somebody asked for.
type treeAsked struct {
	root  wormbell.ProcessID
	whole bool
}

// NewTrees returns Trees of which none is looked at.
func NewTrees() *Trees { return &Trees{wake: make(chan struct{}, 1)} }

// Look asks for a look at the tree of root from now on, or, unless whole, at
// that process alone. It does not block. Of one that is looked at already it
// prolongs the time.
func (t *Trees) Look(root wormbell.ProcessID, whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.fresh) >= maxTrees {
		t.fresh = t.fresh[1:]
	}
	t.fresh = append(t.fresh, treeAsked{root, whole})
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take returns what was asked for since the last time.
func (t *Trees) take() []treeAsked {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := t.fresh
	t.fresh = nil
	return fresh
}

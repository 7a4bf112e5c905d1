package watchers

import (
	"testing"
	"time"

	"wormbell"
)

// TestConnectionPauses: the looks get rarer, and rarer still when they take long;
// what is asked for again is looked at as at first, but not at any time.
func TestConnectionPauses(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	c := &connections{}
	root := wormbell.ProcessID{PID: 5, Start: begun}
	c.add(treeAsked{root, true}, begun)
	tree := c.trees[0]
	for _, tt := range []struct{ after, took, want time.Duration }{
		{0, 0, 2 * time.Millisecond},
		{0, 10 * time.Millisecond, 40 * time.Millisecond},
		{time.Second, time.Millisecond, 50 * time.Millisecond},
		{10 * time.Second, 100 * time.Millisecond, 5 * time.Second},
		{2 * time.Minute, 0, time.Second},
	} {
		if got := tree.pause(begun.Add(tt.after), tt.took); got != tt.want {
			t.Errorf("%v after the beginning, a look of %v: %v, want %v", tt.after, tt.took, got, tt.want)
		}
	}
	c.add(treeAsked{root, false}, begun.Add(time.Second))
	if len(c.trees) != 1 || !tree.whole || !tree.begun.Equal(begun) || !tree.until.Equal(begun.Add(time.Second+lookFor)) {
		t.Errorf("asked for again soon: %+v", tree)
	}
	if c.add(treeAsked{root, true}, begun.Add(time.Minute)); !tree.begun.Equal(begun.Add(time.Minute)) {
		t.Errorf("asked for again later, it is looked at since %v", tree.begun)
	}
	for i := range 2 * maxTrees {
		c.add(treeAsked{wormbell.ProcessID{PID: 100 + i}, true}, begun)
	}
	if len(c.trees) != maxTrees || c.trees[maxTrees-1].root.PID != 100+2*maxTrees-1 {
		t.Errorf("%d trees are looked at, the last is %v", len(c.trees), c.trees[len(c.trees)-1].root)
	}
}

package watchers

import "testing"

// TestLeaves: what is optional is done every tenth time while the agent is to
// spare, and the next time it is due once that has ended.
func TestLeaves(t *testing.T) {
	t.Parallel()
	sparing := false
	h := &Host{Spare: func() bool { return sparing }}
	turn := 0
	done := func(times int) (n int) {
		for range times {
			if !h.leaves(&turn) {
				n++
			}
		}
		return n
	}
	if n := done(100); n != 100 {
		t.Errorf("on a good day it was done %d times of 100", n)
	}
	sparing = true
	if n := done(100); n != 10 {
		t.Errorf("while the agent is to spare it was done %d times of 100", n)
	}
	done(3)
	sparing = false
	if n := done(1); n != 1 {
		t.Error("when that had ended it was not done the next time")
	}
	sparing = true
	if n := done(spareFactor - 1); n != 0 {
		t.Errorf("it began with %d", n)
	}
	if (&Host{}).leaves(&turn) {
		t.Error("without anybody to ask it was left")
	}
}

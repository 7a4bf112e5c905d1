package wormbell_test

import (
	"testing"

	"wormbell"
)

func TestFrozen(t *testing.T) {
	for _, tt := range []struct {
		actions []wormbell.Action
		want    bool
	}{
		{nil, false},
		{[]wormbell.Action{{What: "freeze", Done: 2}}, true},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "close"}, {What: "npm-token-revoke"}}, true},
		{[]wormbell.Action{{What: "freeze-none"}}, false},
		{[]wormbell.Action{{What: "freeze", Outcome: "stopped sh (pid 7)"}}, true}, // before there were counts
		{[]wormbell.Action{{What: "freeze", Outcome: "no process was stopped: none of the tree is running"}}, false},
		{[]wormbell.Action{{What: "freeze", Left: 2}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "freeze-none"}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 2}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 1, Left: 1}}, true},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 1, Left: 1}, {What: "resume", Done: 1}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 2}, {What: "freeze", Done: 1}}, true},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "kill", Done: 2}}, false},
		{[]wormbell.Action{{What: "kill", Done: 2, Left: 1}}, false},
		// A shell in the tree is left alone by all of them, and was never stopped.
		{[]wormbell.Action{{What: "freeze", Done: 2, Left: 1}, {What: "resume", Done: 2, Left: 1}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2, Left: 1}, {What: "kill", Done: 2, Left: 1}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2, Left: 1}, {What: "resume", Done: 1, Left: 2}}, true},
		// Root stopped them, and a user may not.
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "freeze-none", Left: 2}}, true},
		{[]wormbell.Action{{What: "freeze", Done: 2, Left: 1}, {What: "freeze-none", Left: 1}}, false},
		{[]wormbell.Action{{What: "freeze", Done: 2}, {What: "freeze", Done: 1, Left: 1}, {What: "resume", Done: 1, Left: 1}}, true},
	} {
		if got := (wormbell.Alert{Actions: tt.actions}).Frozen(); got != tt.want {
			t.Errorf("%v: %v", tt.actions, got)
		}
	}
}

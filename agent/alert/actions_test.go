package alert_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/agent/alert"
)

// To how many processes something was done is kept over a restart.
func TestActionCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	a := record(t, s, read(proc(61, shell(), "/opt/x", ""), "~/.npmrc", time.Second))
	if _, err := s.AddAction(a.ID, wormbell.Action{By: "1000", What: "freeze", Outcome: "so", Done: 3, Left: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddAction(a.ID, wormbell.Action{By: "1000", What: "resume", Outcome: "so", Left: -1}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	a, err := open(t, alert.Config{Dir: dir}).Get(a.ID)
	if err != nil || len(a.Actions) != 2 {
		t.Fatal(a.Actions, err)
	}
	var got [][2]int
	for _, x := range a.Actions {
		got = append(got, [2]int{x.Done, x.Left})
	}
	if d := cmp.Diff(got, [][2]int{{3, 2}, {0, 0}}); d != "" {
		t.Error(d)
	}
}

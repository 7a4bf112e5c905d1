package incident

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/persistence"
)

// TestDemonstration: what a demonstration did is no reason to touch a token of
// the person's: it read decoys in a home of its own, which are named alike.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alert.Demo = true
	if err := os.WriteFile(filepath.Join(w.home, ".bashrc"), []byte("export NPM_TOKEN=something-secret-here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	helper := filepath.Join(w.home, "helper.service")
	w.report.Traps = []persistence.Trap{{ID: "x", What: "running process", Path: helper, Weight: persistence.Blocks, Live: true}}
	w.again = w.report
	w.answers["This was not there"] = true
	res, steps, err := w.answer(w.config())
	if err != nil || !res.Complete || !res.Closed || len(res.Left) > 0 || len(res.Rotations) > 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if !w.live[oldToken] || w.live[w.fresh] {
		t.Error("the person's token was replaced")
	}
	// Nor to look at anything of theirs, or to take it out of service.
	if diff := cmp.Diff(w.log, []string{"freeze abcd2345", "kill abcd2345", "close abcd2345"}); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
	if text := strings.Join(steps, "\n"); strings.Contains(text, "npm") || strings.Contains(text, helper) || !strings.Contains(text, "nothing of yours is looked at, disabled or revoked") {
		t.Errorf("the plan says\n%s", text)
	}
}

package incident

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	res, steps, err := w.answer(w.config())
	if err != nil || !res.Complete || !res.Closed || len(res.Left) > 0 || len(res.Rotations) > 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if !w.live[oldToken] || w.live[w.fresh] {
		t.Error("the person's token was replaced")
	}
	if text := strings.Join(steps, "\n"); strings.Contains(text, "npm") || !strings.Contains(text, "nothing is revoked") {
		t.Errorf("the plan says\n%s", text)
	}
}

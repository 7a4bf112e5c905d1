package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReplayOwnScenes: the scenes that the documentation points at replay as
// they say, and one that says something else does not.
func TestReplayOwnScenes(t *testing.T) {
	files, err := filepath.Glob("../../agent/detect/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenes: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := (&app{}).replay(io.Discard, text); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		wrong := strings.Replace(string(text), "-- findings --\n", "-- findings --\nhigh "+strings.TrimSuffix(filepath.Base(file), ".txtar")+" ~/nothing: never happened\n", 1)
		if err := (&app{}).replay(io.Discard, []byte(wrong)); err == nil {
			t.Errorf("%s with a finding that never happened replays as expected", filepath.Base(file))
		}
	}
}

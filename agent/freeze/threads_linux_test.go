package freeze

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A process whose first thread has ended is over only if all its threads are
// seen to be: who starts threads and ends them all the time has some that no
// listing shows.
func TestOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		states  string // of the threads that are listed
		threads int    // that there are
		want    byte
	}{
		{"Z", 2, 'R'},
		{"ZZ", 2, 'Z'},
		{"ZX", 3, 'R'},
		{"ZT", 2, 'T'},
		{"ZTT", 3, 'T'},
		{"ZT", 3, 'R'},
		{"ZTS", 3, 'S'},
		{"ZS", 3, 'S'},
		{"", 2, 'R'},
	} {
		dir := t.TempDir()
		for i, state := range tt.states {
			name := filepath.Join(dir, fmt.Sprint(100+i))
			os.Mkdir(name, 0o755)
			if err := os.WriteFile(filepath.Join(name, "stat"), fmt.Appendf(nil, "%d (a) b) %c 1 1 1", 100+i, state), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := others(dir, tt.threads, 'Z'); got != tt.want {
			t.Errorf("%q of %d: %c, want %c", tt.states, tt.threads, got, tt.want)
		}
	}
	if got := others(filepath.Join(t.TempDir(), "gone"), 2, 'Z'); got != 'Z' {
		t.Errorf("a process that is gone: %c", got)
	}
}

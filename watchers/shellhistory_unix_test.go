//go:build unix

package watchers

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestHistoryTraps: what an enemy, or an accident, may put in the place of a
// history.
func TestHistoryTraps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		lay  func(s *shelf, path string)
		why  string
	}{
		{"a link to a device", func(s *shelf, p string) { s.check(os.Symlink("/dev/zero", p)) }, "not a regular file"},
		{"a pipe", func(s *shelf, p string) { s.check(syscall.Mkfifo(p, 0o600)) }, "not a regular file"},
		{"a folder", func(s *shelf, p string) { s.check(os.Mkdir(p, 0o700)) }, "not a regular file"},
		{"a link to somebody's file", func(s *shelf, p string) { s.check(os.Symlink("/etc/passwd", p)) }, "not a regular file"},
	} {
		s := newShelf(t, bashHistory, "ls\n")
		s.check(os.Remove(s.path(bashHistory)))
		c.lay(s, s.path(bashHistory))
		t.Log(c.name)
		s.want(bashHistory)
		if why := s.h.why(); !strings.Contains(why, "~/.bash_history") || !strings.Contains(why, c.why) {
			t.Errorf("it is said: %q", why)
		}
		s.check(os.Remove(s.path(bashHistory)))
		s.add(bashHistory, "ls\nback\n")
		s.want(bashHistory, "back")
		if why := s.h.why(); why != "" {
			t.Errorf("it is still said: %q", why)
		}
	}
}

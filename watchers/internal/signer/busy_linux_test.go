package signer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/watchers/internal/procs"
)

// TestBusy: no process has us look through more than a few folders, whatever its
// environment says. What is not looked through is not vouched for.
func TestBusy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSigner(t, Config{Homes: []Home{{dir, os.Getuid()}}})
	list := func(n int, format string) string {
		var dirs []string
		for i := range n {
			dirs = append(dirs, fmt.Sprintf(format, i))
		}
		return strings.Join(dirs, ":")
	}
	for i := range theirsMax + 1 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	deep := dir + strings.Repeat("/0", stepsMax)
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path string
		want bool
	}{
		"one folder again and again":          {strings.Repeat(":", 4000), true},
		"folders that are not there":          {list(foldersMax, "/not/there/%d"), true},
		"more than anybody needs":             {list(foldersMax+1, "/not/there/%d"), false},
		"some of one's own":                   {list(theirsMax, dir+"/%d"), true},
		"more of one's own than anybody's":    {list(theirsMax+1, dir+"/%d"), false},
		"one that lies deeper than anybody's": {deep, false},
		"each process's own":                  {"/usr/lib:/proc/self/cwd", false},
		"what each process has open":          {"/dev/fd/3", false},
	} {
		s.mu.Lock()
		if got := s.unshadowed(Query{PID: os.Getpid(), Exe: "/bin/sh", Cwd: dir, Env: &procs.Env{LibraryPath: tt.path}}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
		s.mu.Unlock()
	}
	if _, err := s.files.Lookup(dir + strings.Repeat("/x", stepsMax)); errors.Is(err, errSteps) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name that is not there, far down: %v", err)
	}
	if _, err := s.files.Lookup(deep); !errors.Is(err, errSteps) {
		t.Errorf("a folder far down: %v", err)
	}
}

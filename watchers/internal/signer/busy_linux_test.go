package signer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestEffort: however many processes have us look through folders, far down and
// full, what that takes in a second is bounded. What is not looked through
// is not vouched for, and what is asked later is.
func TestEffort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Unix(1_000_000, 0)
	s := newSigner(t, Config{Homes: []Home{{dir, os.Getuid()}}, Now: func() time.Time { return now }})
	deep := dir + strings.Repeat("/0", 100)
	var dirs []string
	for i := range theirsMax {
		dirs = append(dirs, filepath.Join(deep, fmt.Sprint("d", i)))
		if err := os.MkdirAll(dirs[i], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	env := &procs.Env{LibraryPath: strings.Join(dirs, ":"), Around: "NODE_PATH=" + strings.Join(dirs, ":")}
	for name, ask := range map[string]func() bool{
		"libraries": func() bool { return s.unshadowed(Query{PID: os.Getpid(), Exe: "/bin/sh", Cwd: dir, Env: env}) },
		"modules": func() bool {
			return s.alone(Query{PID: os.Getpid(), Exe: "/usr/bin/node", Cwd: dir, Env: env, Run: procs.Run{Kind: procs.Node, Script: "/usr/bin/npm"}})
		},
		"preloaded": func() bool {
			return s.preloads(Query{PID: os.Getpid(), Exe: "/bin/sh", Cwd: dir, Env: &procs.Env{LibraryPath: env.LibraryPath, Preload: "libc.so.6"}})
		},
	} {
		now = now.Add(time.Hour)
		if !ask() || len(s.overlooked()) > 0 {
			t.Errorf("%s: not vouched for at all", name)
			continue
		}
		asked := 1
		for ; asked < 1000 && ask(); asked++ {
		}
		if asked == 1000 || asked < 5 {
			t.Errorf("%s: %d times in one moment", name, asked)
		}
		if s.effort.left < -1000 {
			t.Errorf("%s: %d steps more than it may", name, -s.effort.left)
		}
		if len(s.overlooked()) == 0 {
			t.Errorf("%s: nobody is told", name)
		}
		now = now.Add(time.Second)
		if !ask() {
			t.Errorf("%s: not vouched for a second later, either", name)
		}
	}
	now = now.Add(time.Minute)
	s.mu.Unlock()
	asked := 0
	for code := []procs.Mapped{{Path: filepath.Join(dir, "plugin.so")}}; asked < 1000 && s.Stranger(os.Getpid(), code, env.LibraryPath) == ""; asked++ {
	}
	s.mu.Lock()
	if asked == 1000 || asked < 5 {
		t.Errorf("loaded code: %d times in one moment", asked)
	}
}

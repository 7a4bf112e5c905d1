package watchers

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/watchers/internal/tree"
)

// shelf is a home with histories that are looked at one change at a time.
type shelf struct {
	*testing.T
	h    *histories
	home Home
	now  time.Time
	by   *wormbell.Process
	log  bytes.Buffer
}

func newShelf(t *testing.T, files ...string) *shelf {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{T: t, home: Home{Dir: dir, User: "1000", UID: os.Getuid()}, now: time.Now().UTC()}
	s.by = &wormbell.Process{PID: 7, Exe: "/bin/bash"}
	for i := 0; i+1 < len(files); i += 2 {
		s.write(files[i], files[i+1])
	}
	feed, err := tree.New(tree.Config{Homes: []string{dir}, Refuse: []string{"fanotify", "fsnotify"}})
	if err != nil {
		t.Fatal(err)
	}
	s.h = newHistories([]Home{s.home}, feed.Open, slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for i := 0; i+1 < len(files); i += 2 {
		if es := s.h.look(tree.Change{Path: s.path(files[i])}, true); len(es) > 0 {
			t.Errorf("what was there before is told: %+v", es)
		}
	}
	return s
}

func (s *shelf) path(name string) string { return filepath.Join(s.home.Dir, filepath.FromSlash(name)) }

func (s *shelf) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// write writes the file name in place.
func (s *shelf) write(name, content string) {
	s.Helper()
	s.check(os.MkdirAll(filepath.Dir(s.path(name)), 0o700))
	s.check(os.WriteFile(s.path(name), []byte(content), 0o600))
}

// replace writes another file and renames it over name.
func (s *shelf) replace(name, content string) {
	s.Helper()
	s.write(name+".new", content)
	s.check(os.Rename(s.path(name+".new"), s.path(name)))
}

func (s *shelf) add(name, content string) {
	s.Helper()
	f, err := os.OpenFile(s.path(name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	s.check(err)
	_, err = f.WriteString(content)
	s.check(err)
	s.check(f.Close())
}

// events looks at name and returns what is told.
func (s *shelf) events(name string) []wormbell.Event {
	s.Helper()
	s.now = s.now.Add(time.Second)
	es := s.h.look(tree.Change{Op: tree.Write, Path: s.path(name), Time: s.now, Source: "fanotify", Process: s.by}, false)
	for _, e := range es {
		if e.Path != "~/"+name || e.User != "1000" || e.Source != "fanotify" || e.Kind == wormbell.ShellCommand && e.Process != s.by || e.Time.IsZero() {
			s.Errorf("an event without what belongs to it: %+v", e)
		}
	}
	return es
}

// want looks at name and checks the lines of what is told; "gap" for a gap.
func (s *shelf) want(name string, want ...string) {
	s.Helper()
	var got []string
	for _, e := range s.events(name) {
		if e.Kind == wormbell.Gap {
			got = append(got, "gap")
			continue
		}
		got = append(got, e.Line)
	}
	if d := cmp.Diff(got, want); d != "" {
		s.Errorf("%s: (-got +want)\n%s", name, d)
	}
}

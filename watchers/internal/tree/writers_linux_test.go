package tree

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// told are writers of a test's own.
type told struct {
	mu      sync.Mutex // guards the rest
	matters bool
	suspect int // the one that is suspected; 0 for all
	wrote   []string
}

func (w *told) Matter(from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.matters && from.Before(to)
}

func (w *told) Suspect(pid int) func(string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.suspect != 0 && pid != w.suspect {
		return nil
	}
	return func(path string, content bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wrote = append(w.wrote, fmt.Sprintf("%s %v", path, content))
	}
}

// shell is a shell that does what it is told, as one process.
func shell(t *testing.T, dir string) (pid int, tell func(script string)) {
	t.Helper()
	cmd := exec.Command("sh", "-e")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return cmd.Process.Pid, func(script string) { io.WriteString(in, script+"\n") }
}

// TestWriters: who writes is told of a suspect alone, while it matters, of every
// name that content can come by.
func TestWriters(t *testing.T) {
	t.Parallel()
	w := &told{matters: true}
	r := startWith(t, Config{Writers: w}, "fanotify", `mkdir -p p out/in; echo a >out/a; echo b >out/b; echo c >out/in/c`)
	pid, suspect := shell(t, r.home)
	_, other := shell(t, r.home)
	last := 0
	// done waits until all that was written before has been read.
	done := func(by func(string)) (wrote []string) {
		last++
		end := fmt.Sprintf("end%d", last)
		by("mkdir " + end + "; echo >" + end + "/package.json")
		r.until(end, func(c Change) bool { return strings.Contains(c.Path, end+"/") && c.Op == Write })
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, s := range w.wrote {
			if s = strings.TrimPrefix(s, r.home+"/"); !strings.HasPrefix(s, "end") && !slices.Contains(wrote, s) {
				wrote = append(wrote, s)
			}
		}
		w.wrote = nil
		// A file may be told of when it is made, and again when it was written.
		return slices.DeleteFunc(slices.Clone(wrote), func(s string) bool {
			name, made := strings.CutSuffix(s, " false")
			return made && slices.Contains(wrote, name+" true")
		})
	}
	done(suspect) // what made the home is out of the way
	for _, tt := range []struct {
		what    string
		by      func(string)
		suspect int
		matters bool
		do      string
		want    []string
	}{
		{"a suspect writes", suspect, pid, true, "echo x >p/x", []string{"p/x true"}},
		{"somebody else writes", other, pid, true, "echo x >p/x", nil},
		{"it does not matter", suspect, pid, false, "echo x >p/x", nil},
		{"a link", suspect, 0, true, "ln out/a p/a", []string{"p/a false"}},
		{"moved there", suspect, 0, true, "mv out/b p/b", []string{"p/b false"}},
		{"a folder moved there", suspect, 0, true, "mv out/in p/in", []string{"p/in false"}},
		{"a folder made, and a file removed", suspect, 0, true, "mkdir p/new; rm p/x", nil},
	} {
		w.mu.Lock()
		w.suspect, w.matters = tt.suspect, tt.matters
		w.mu.Unlock()
		tt.by(tt.do)
		if got := done(tt.by); !slices.Equal(got, tt.want) {
			t.Errorf("%s: told of %q, want %q", tt.what, got, tt.want)
		}
	}
}

package watchers

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers/internal/tree"
)

// decoyToken looks like an npm token; its checksum is wrong.
const decoyToken = "npm_" + "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi"

// watch is a home with histories over several runs of the agent.
type watch struct {
	*shelf
	state string
}

func newWatch(t *testing.T) *watch {
	w := &watch{newShelf(t), t.TempDir()}
	w.log.Reset()
	return w
}

// begin is the agent's start: what is told at once. Its end is end.
func (w *watch) begin() (told []wormbell.Event) {
	w.Helper()
	feed, err := tree.New(tree.Config{Homes: []string{w.home.Dir}, Refuse: []string{"fanotify", "fsnotify"}})
	w.check(err)
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	w.h = newHistories([]Home{w.home}, feed.Open, log)
	w.h.marks = loadMarks(w.state, log)
	for _, p := range historyFiles([]Home{w.home}, feed) {
		told = append(told, w.h.look(tree.Change{Path: p, Time: w.h.since, Source: "scan"}, true)...)
	}
	w.h.met()
	return told
}

// sees is a change that the running agent sees.
func (w *watch) sees(name string) []wormbell.Event {
	told := w.h.look(tree.Change{Path: w.path(name), Time: time.Now(), Source: "test"}, false)
	w.h.marks.save()
	return told
}

func commands(es []wormbell.Event) (out []string) {
	for _, e := range es {
		if e.Kind == wormbell.Gap {
			out = append(out, "gap: "+e.Line)
		} else {
			out = append(out, e.Line)
		}
	}
	return out
}

func (w *watch) want(what string, got []wormbell.Event, want ...string) {
	w.Helper()
	if g := commands(got); !slices.Equal(g, want) {
		w.Errorf("%s: told %q, want %q", what, g, want)
	}
}

// TestTypedMeanwhile: the first start tells nothing of what was there, and later
// ones what was typed while no agent ran, once.
func TestTypedMeanwhile(t *testing.T) {
	t.Parallel()
	long := ""
	for i := range 50 {
		long += fmt.Sprintf("npm config set //registry%d.example.com/:_authToken %s\n", i*i*i, decoyToken)
	}
	stamp := func(at time.Time, line string) string { return fmt.Sprintf("#%d\n%s\n", at.Unix(), line) }
	zsh := func(at time.Time, line string) string { return fmt.Sprintf(": %d:0;%s\n", at.Unix(), line) }
	now := time.Now()
	for _, tt := range []struct {
		name, file    string
		before, after string // "" after: the file is gone
		want          []string
	}{
		{"added", ".bash_history", long, long + "git push\nls -l /\n", []string{"git push", "ls -l /"}},
		{"as it was", ".bash_history", long, long, nil},
		{"the oldest were dropped", ".zsh_history", long, long[strings.Index(long, "\n")+1:] + "git push\n", []string{"git push"}},
		{"many were dropped", ".bash_history", long, long[len(long)/2:][strings.Index(long[len(long)/2:], "\n")+1:] + "git push\n", []string{"git push"}},
		{"with times", ".bash_history", stamp(now.Add(-time.Hour), "ls -a"), stamp(now.Add(-time.Hour), "ls -a") + stamp(now.Add(time.Hour), "git push"), []string{"git push"}},
		{"written anew with times", ".zsh_history", zsh(now.Add(-time.Hour), "ls -a") + zsh(now.Add(-time.Hour), "a long command that is taken out"),
			zsh(now.Add(-time.Hour), "ls -a") + zsh(now.Add(time.Hour), "git push"), []string{"git push"}},
		{"written anew without", ".bash_history", long, "ls -a\n", []string{"gap: a history was written anew while the agent did not run: what of it is new is not known"}},
		{"emptied", ".bash_history", long, "\n", nil},
		{"gone", ".bash_history", long, "", nil},
		{"half a command", ".bash_history", "ls -a\ngit pu", "ls -a\ngit push\n", []string{"git push"}},
		{"fish", ".local/share/fish/fish_history", "- cmd: ls\n  when: 1732220000\n", "- cmd: ls\n  when: 1732220000\n- cmd: git push\n  when: 1732220001\n", []string{"git push"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t)
			w.write(tt.file, tt.before)
			w.want("first start", w.begin())
			if tt.after == "" {
				w.check(os.Remove(w.path(tt.file)))
			} else {
				w.replace(tt.file, tt.after)
			}
			w.want("second start", w.begin(), tt.want...)
			w.want("third start", w.begin())
			f, err := os.OpenFile(w.path(tt.file), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
			w.check(err)
			_, err = f.WriteString("whoami\n")
			w.check(err)
			w.check(f.Close())
			if tt.file == ".local/share/fish/fish_history" {
				return
			}
			if got := commands(w.sees(tt.file)); !slices.Contains(got, "whoami") {
				t.Errorf("then told %q", got)
			}
			w.want("fourth start", w.begin())
		})
	}
}

// TestHistoryCameMeanwhile: a history that was not there before is new where its
// home is not.
func TestHistoryCameMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	w.want("first start", w.begin())
	w.write(".bash_history", "git push\n")
	w.want("second start", w.begin(), "git push")
	w.want("third start", w.begin())
}

// TestNewHome: what is in a home when the agent meets it is known, whatever it
// knows of others; what comes then is told.
func TestNewHome(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	w.write(".bash_history", "ls\n")
	w.begin()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	w.check(err)
	w.home.Dir = dir
	w.write(".bash_history", "git push\n")
	w.want("first start with it", w.begin())
	w.write(".bash_history", "git push\ngit pull\n")
	w.want("second start with it", w.begin(), "git pull")
}

// TestMarks: they hold nothing of what was typed, are nobody else's, and what
// cannot be read of them is as none.
func TestMarks(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	token := decoyToken
	w.write(".bash_history", "npm config set x "+token+"\n")
	w.begin()
	file := filepath.Join(w.state, marksName)
	b, err := os.ReadFile(file)
	w.check(err)
	for i := 0; i+6 <= len(token); i++ {
		if strings.Contains(string(b), token[i:i+6]) {
			t.Fatalf("the marks hold part of a token: %s", b)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the marks are %v, %v", info.Mode(), err)
	}
	for _, bad := range []string{"", "{", "null", `{"version":2}`, `{"version":1,"files":{"/x":{"end":-1}}}`, `{"version":1,"homes":3}`} {
		w.check(os.WriteFile(file, []byte(bad), 0o600))
		w.want("marks "+bad, w.begin())
	}
	// Marks that lie: no more is told than there is, and nothing panics.
	for _, end := range []string{"9223372036854775807", "1", "3"} {
		w.check(os.WriteFile(file, fmt.Appendf(nil, `{"version":1,"homes":{%q:"2026-01-01T00:00:00Z"},"files":{%q:{"end":%s,"seen":"2026-01-01T00:00:00Z"}}}`, w.home.Dir, w.path(".bash_history"), end), 0o600))
		for _, e := range w.begin() {
			if e.Kind != wormbell.Gap {
				t.Errorf("end %s: told %q", end, e.Line)
			}
		}
	}
	entries, err := os.ReadDir(w.state)
	w.check(err)
	if len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
}

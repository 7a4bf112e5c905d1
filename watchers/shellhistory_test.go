package watchers

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/watchers/internal/tree"
)

const bashHistory, zshHistory, fishHistory = ".bash_history", ".zsh_history", ".local/share/fish/fish_history"

func TestHistoryAppend(t *testing.T) {
	t.Parallel()
	s := newShelf(t, bashHistory, "ls\ncd\n")
	s.want(bashHistory)
	s.add(bashHistory, "npm publish\n")
	s.want(bashHistory, "npm publish")
	s.want(bashHistory)
	s.add(bashHistory, "a\nb\nb\nls\n")
	s.want(bashHistory, "a", "b", "b", "ls")
	s.add(bashHistory, "not yet wri")
	s.want(bashHistory)
	s.add(bashHistory, "tten\n#1800000000\n")
	s.want(bashHistory, "not yet written")
	s.add(bashHistory, "timed\n")
	es := s.events(bashHistory)
	if len(es) != 1 || es[0].Line != "timed" || !es[0].Time.Equal(time.Unix(1800000000, 0)) && es[0].Time != s.now {
		t.Errorf("got %+v", es)
	}
}

func TestHistoryTimes(t *testing.T) {
	t.Parallel()
	s := newShelf(t, zshHistory, ": 1700000000:0;ls\n")
	s.add(zshHistory, ": 1700000005:0;pwd\nplain\n: 4000000000:0;from the future\n")
	es := s.events(zshHistory)
	if len(es) != 3 || !es[0].Time.Equal(time.Unix(1700000005, 0)) || !es[1].Time.Equal(s.now) || !es[2].Time.Equal(s.now) {
		t.Errorf("got %+v", es)
	}
}

func TestHistoryRewritten(t *testing.T) {
	t.Parallel()
	long := ""
	for i := range 500 {
		long += fmt.Sprintf("command %d\n", i)
	}
	tail := long[strings.Index(long, "command 100\n"):]
	for _, c := range []struct {
		name string
		do   func(s *shelf)
		want []string
	}{
		{"trimmed and renamed", func(s *shelf) { s.replace(bashHistory, tail+"new\n") }, []string{"new"}},
		{"trimmed in place", func(s *shelf) { s.write(bashHistory, tail+"new\n") }, []string{"new"}},
		{"trimmed, nothing new", func(s *shelf) { s.replace(bashHistory, tail) }, nil},
		{"the same, renamed", func(s *shelf) { s.replace(bashHistory, long) }, nil},
		{"longer, renamed", func(s *shelf) { s.replace(bashHistory, long+"command 499\nnew\n") }, []string{"command 499", "new"}},
		{"a line deleted, longer than before", func(s *shelf) {
			s.replace(bashHistory, strings.Replace(long, "command 250\n", "", 1)+"a new one that is long\n")
		}, []string{"a new one that is long"}},
		{"changed in the middle, in place", func(s *shelf) {
			s.write(bashHistory, strings.Replace(long, "command 250\n", "another 250 that is longer\n", 1))
		}, nil},
		{"another history", func(s *shelf) { s.replace(bashHistory, "x\ny\nz\n") }, []string{"gap"}},
		{"another history, in place and longer", func(s *shelf) { s.write(bashHistory, strings.ReplaceAll(long, "command", "order")) }, []string{"gap"}},
		{"times added", func(s *shelf) {
			s.replace(bashHistory, "#1700000000\n"+strings.ReplaceAll(strings.TrimSpace(long), "\n", "\n#1700000000\n")+"\n#1700000001\nnew\n")
		}, []string{"new"}},
		{"binary garbage", func(s *shelf) { s.replace(bashHistory, "\x00\xff\n\x7fELF\n\x80\x81\n") }, []string{"gap"}},
		{"removed", func(s *shelf) { s.check(os.Remove(s.path(bashHistory))) }, nil},
		{"emptied", func(s *shelf) { s.write(bashHistory, "") }, nil},
	} {
		s := newShelf(t, bashHistory, long)
		c.do(s)
		t.Log(c.name)
		s.want(bashHistory, c.want...)
		s.want(bashHistory)
		if c.name == "removed" || c.name == "emptied" {
			// The shell that still has it all writes it again.
			s.add(bashHistory, long+"new\n")
			s.want(bashHistory, "new")
		}
		s.add(bashHistory, "after\n")
		s.want(bashHistory, "after")
	}
}

// TestHistoryHalfWritten: the file is looked at while a shell writes it anew.
func TestHistoryHalfWritten(t *testing.T) {
	t.Parallel()
	s := newShelf(t, bashHistory, "a\nb\nc\nd\ne\n")
	s.write(bashHistory, "")
	s.want(bashHistory)
	s.add(bashHistory, "a\nb\nc\n")
	s.want(bashHistory)
	s.add(bashHistory, "d\n")
	s.want(bashHistory)
	s.add(bashHistory, "e\nnew\n")
	s.want(bashHistory, "new")
	s.add(bashHistory, "d\n")
	s.want(bashHistory, "d")
	// Emptied for good; what is typed then is new, even if it was typed before.
	s.write(bashHistory, "")
	s.want(bashHistory)
	s.add(bashHistory, "c\n")
	s.want(bashHistory, "c")
	s.add(bashHistory, "a\n")
	s.want(bashHistory, "a")
}

func TestHistoryAppears(t *testing.T) {
	t.Parallel()
	bash := "ls\ngit status\nmake\nnpm test\n"
	s := newShelf(t, bashHistory, bash)
	s.add(zshHistory, "hello\n")
	s.want(zshHistory, "hello")
	// fish imports what bash has, and goes on.
	var imported string
	for _, l := range strings.Fields(strings.ReplaceAll(bash, " ", "§")) {
		imported += "- cmd: " + strings.ReplaceAll(l, "§", " ") + "\n  when: 1700000000\n"
	}
	s.check(os.MkdirAll(s.path(".local/share/fish"), 0o700))
	s.add(fishHistory, imported+fmt.Sprintf("- cmd: first\n  when: %d\n", time.Now().Unix()))
	s.want(fishHistory, "first")
	s.add(fishHistory, fmt.Sprintf("- cmd: ls\n  when: %d\n", time.Now().Unix()))
	s.want(fishHistory, "ls")
	// A backup is put back.
	var old string
	for i := range 300 {
		old += fmt.Sprintf(": 1700000%03d:0;command %d\n", i, i)
	}
	s.add(".zhistory", old)
	s.want(".zhistory")
	s.add(".histfile", strings.Repeat("something that was copied\n", 5000))
	s.want(".histfile", "gap")
	s.add(".histfile", "typed\n")
	s.want(".histfile", "typed")
	// A file that only has the name of one is none.
	s.check(os.MkdirAll(s.path("src/dotfiles"), 0o700))
	s.add("src/dotfiles/.bash_history", "x\n")
	s.want("src/dotfiles/.bash_history")
}

func TestHistoryFishVacuum(t *testing.T) {
	t.Parallel()
	item := func(cmd string, at int) string { return fmt.Sprintf("- cmd: %s\n  when: %d\n", cmd, at) }
	s := newShelf(t, fishHistory, item("ls", 1700000000)+item("pwd", 1700000001)+item("ls", 1700000002)+item("id", 1700000003))
	s.replace(fishHistory, item("pwd", 1700000001)+item("ls", 1700000002)+item("id", 1700000003)+item("npm\\ni", 1700000004))
	s.want(fishHistory, "npm\ni")
}

// token returns an npm token with a right checksum, made up here and now.
func token() string {
	const chars = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := make([]byte, 30)
	for i := range b {
		b[i] = chars[rand.IntN(len(chars))]
	}
	sum := make([]byte, 6)
	for i, n := 5, crc32.ChecksumIEEE(b); i >= 0; i, n = i-1, n/62 {
		sum[i] = chars[n%62]
	}
	return string(b) + string(sum)
}

func TestHistorySecrets(t *testing.T) {
	t.Parallel()
	secret := token()
	s := newShelf(t, zshHistory, "ls\n")
	s.add(zshHistory, ": 1700000000:0;npm config set //registry.example.com/:_authToken npm_"+secret+"\nexport DB_PASSWORD="+secret+"\necho $NPM_TOKEN\n")
	es := s.events(zshHistory)
	var got []string
	for _, e := range es {
		got = append(got, e.Line+" "+fmt.Sprint(e.Secrets))
	}
	want := []string{"npm config set //registry.example.com/:_authToken npm_*** [npm access token]", "export DB_PASSWORD=*** []", "echo $NPM_TOKEN []"}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("(-got +want)\n%s", strings.ReplaceAll(d, secret, "«SECRET»"))
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("the log has it")
	}
}

func TestHistoryOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	s := newShelf(t)
	s.h.homes[0].UID = 4242
	s.add(bashHistory, "of root\n") // sudo -s keeps the user's HOME
	s.want(bashHistory, "of root")
	s.add(zshHistory, "of somebody\n")
	s.check(os.Chown(s.path(zshHistory), 4343, 4343))
	s.want(zshHistory)
	if why := s.h.why(); !strings.Contains(why, "another user") {
		t.Errorf("it is said: %q", why)
	}
}

// TestHistoryHuge: of a file of 100 MB only the end is read, and what is added
// is told.
func TestHistoryHuge(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	f, err := os.Create(s.path(bashHistory))
	s.check(err)
	line := []byte(strings.Repeat("x", 99) + "\n")
	s.check(f.Truncate(100 << 20)) // a hole: NULs without one newline
	_, err = f.WriteAt(bytes.Repeat(line, 1000), 100<<20)
	s.check(err)
	s.check(f.Close())
	s.h.look(tree.Change{Path: s.path(bashHistory)}, true)
	s.add(bashHistory, "typed\n")
	s.want(bashHistory, "typed")
	// As much is added at once: the newest are told, and that some are not.
	s.add(bashHistory, strings.Repeat("more\n", 10*maxTold)+"last\n")
	es := s.events(bashHistory)
	if len(es) != maxTold+1 || es[0].Kind != wormbell.Gap || es[0].Count != 10*maxTold+1-maxTold || es[maxTold].Line != "last" {
		t.Errorf("%d events, the first is %+v", len(es), es[0])
	}
	// One line of 100 MB that has no end, then it has one.
	s.write(zshHistory, "")
	s.check(os.Truncate(s.path(zshHistory), 100<<20))
	s.want(zshHistory, "gap")
	s.add(zshHistory, "\ntyped\n")
	s.want(zshHistory, "typed")
}

// heard collects what a watcher says.
type heard struct {
	mu     sync.Mutex
	events []wormbell.Event
	sees   []string
}

func (h *heard) Emit(e wormbell.Event) { h.mu.Lock(); h.events = append(h.events, e); h.mu.Unlock() }
func (h *heard) Sees(backend string, _ bool, why string) {
	h.mu.Lock()
	h.sees = append(h.sees, backend+": "+why)
	h.mu.Unlock()
}
func (h *heard) Guards([]wormbell.Guarded) {}

// until waits for ok of what was heard.
func (h *heard) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		done := ok()
		h.mu.Unlock()
		if done {
			return
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t.Fatalf("%s: not in time; heard %+v, sees %q", what, h.events, h.sees)
}

// other runs a script in another process: the feed keeps quiet about what its
// own does.
func other(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestShellHistoryWatcher runs the watcher on a real feed, with a real bash
// that writes.
func TestShellHistoryWatcher(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed here")
	}
	for _, refuse := range [][]string{nil, {"fanotify"}} {
		t.Run(fmt.Sprint("without ", refuse), func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, bashHistory)
			if err := os.WriteFile(file, []byte("old one\nold two\nold three\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			homes := []Home{{Dir: dir, User: "1000", UID: os.Getuid()}}
			log := slog.New(slog.NewTextHandler(io.Discard, nil))
			feed, err := NewTree(TreeConfig{Homes: homes, Refuse: refuse, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			var out heard
			wg.Go(func() { feed.Run(ctx) })
			wg.Go(func() {
				if err := shellHistoryWatcher.Run(ctx, Host{Homes: homes, Tree: feed, Log: log}, &out); err != nil {
					t.Error(err)
				}
			})
			out.until(t, "armed", func() bool { return len(out.sees) > 0 })
			lines := func() (got []string) {
				for _, e := range out.events {
					got = append(got, e.Line)
				}
				return got
			}
			// -a adds; then the file is trimmed at exit, which writes it anew.
			secret := token()
			cmd := exec.Command(bash, "--norc", "-i")
			cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TERM=dumb", "HISTFILE=" + file}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(in, "set -o history; HISTSIZE=100; history -s 'npm login --token npm_%s'; history -a\n", secret)
			out.until(t, "history -a", func() bool { return len(out.events) >= 1 })
			fmt.Fprintf(in, "HISTFILESIZE=3; history -s second; history -a; set +o history\nexit\n")
			in.Close()
			cmd.Wait()
			out.until(t, "exit", func() bool { return strings.Contains(strings.Join(lines(), "\n"), "second") })
			other(t, "printf 'old three\\nsecond\\nlast\\n' > "+file+".tmp && mv "+file+".tmp "+file)
			out.until(t, "rename", func() bool { return strings.Contains(strings.Join(lines(), "\n"), "last") })
			for _, e := range out.events {
				if strings.Contains(e.Line, "old") || strings.Contains(e.Line, secret) {
					t.Errorf("told: %q", strings.ReplaceAll(e.Line, secret, "«SECRET»"))
				}
				if e.Kind != wormbell.ShellCommand || e.Path != "~/"+bashHistory || e.User != "1000" {
					t.Errorf("told: %+v", e)
				}
			}
			t.Logf("%q", lines())
		})
	}
}

// TestShellHistoryOverflow: changes were lost. It is said, and what they were
// about is found.
func TestShellHistoryOverflow(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bashHistory, zshHistory, ".zhistory", ".histfile"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	homes := []Home{{Dir: dir, User: "1000", UID: os.Getuid()}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	feed, err := NewTree(TreeConfig{Homes: homes, Log: log, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var out heard
	wg.Go(func() { feed.Run(ctx) })
	wg.Go(func() { shellHistoryWatcher.Run(ctx, Host{Homes: homes, Tree: feed, Log: log}, &out) })
	out.until(t, "armed", func() bool { return len(out.sees) > 0 })
	for round := range 20 { // until the watcher was late once
		out.mu.Lock() // it waits in Emit
		var script string
		for i, name := range []string{bashHistory, zshHistory, ".zhistory", ".histfile", bashHistory, zshHistory} {
			script += fmt.Sprintf("echo new %d.%d >> %s\n", round, i, filepath.Join(dir, name))
		}
		err := exec.Command("sh", "-c", script).Run()
		out.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		out.until(t, "the new ones", func() bool {
			n := 0
			for _, e := range out.events {
				if strings.HasPrefix(e.Line, fmt.Sprintf("new %d.", round)) {
					n++
				}
			}
			return n == 6
		})
	}
	out.until(t, "the gap", func() bool {
		for _, e := range out.events {
			if e.Kind == wormbell.Gap && e.Count > 0 {
				return true
			}
		}
		return false
	})
	seen := map[string]bool{}
	for _, e := range out.events {
		if e.Kind == wormbell.ShellCommand && (seen[e.Line] || e.Line == "old") {
			t.Errorf("%q was told twice, or is old", e.Line)
		}
		seen[e.Line] = true
	}
}

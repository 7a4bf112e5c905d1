package tree

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wormbell"
)

// backends are the ways to see, with what the configuration must refuse.
var backends = map[string][]string{
	"fanotify": nil,
	"fsnotify": {"fanotify"},
	"poll":     {"fanotify", "fsnotify"},
}

// Everything that can put another content under a name is seen, by every
// backend.
func TestWhatIsSeen(t *testing.T) {
	t.Parallel()
	const setup = `mkdir -p p/sub out/in; echo {} >p/package.json; echo {} >out/package.json; echo {} >out/in/package.json; echo {} >p/other`
	for backend := range backends {
		for name, tt := range map[string]struct {
			do   string
			path string
			dir  bool // the folder is told, or the file
			ops  []Op // any of these
		}{
			"written in place":         {do: `echo '{"a":1}' >p/package.json`, path: "p/package.json", ops: []Op{Write}},
			"appended to":              {do: `echo ' ' >>p/package.json`, path: "p/package.json", ops: []Op{Write}},
			"renamed over":             {do: `echo '{"b":1}' >p/tmp; mv p/tmp p/package.json`, path: "p/package.json", ops: []Op{MovedIn, Create, Write}},
			"created":                  {do: `echo {} >p/sub/package.json`, path: "p/sub/package.json", ops: []Op{Write, Create}},
			"hard linked":              {do: `ln p/other p/sub/package.json`, path: "p/sub/package.json", ops: []Op{Create}},
			"symlinked":                {do: `ln -s ../other p/sub/package.json`, path: "p/sub/package.json", ops: []Op{Create}},
			"a pipe":                   {do: `mkfifo p/sub/package.json`, path: "p/sub/package.json", ops: []Op{Create}},
			"removed":                  {do: `rm p/package.json`, path: "p/package.json", ops: []Op{Removed}},
			"renamed away":             {do: `mv p/package.json p/x`, path: "p/package.json", ops: []Op{MovedOut, Removed}},
			"its folder moved in":      {do: `mv out/in p/in`, path: "p/in", dir: true, ops: []Op{MovedIn, Create}},
			"its folder moved out":     {do: `mv p q`, path: "p", dir: true, ops: []Op{MovedOut, Removed}},
			"in a new folder":          {do: `mkdir -p n/e/w; echo {} >n/e/w/package.json`, path: "n/e/w/package.json", ops: []Op{Write, Create}},
			"in a new node_modules":    {do: `mkdir -p p/node_modules/@s/x; echo {} >p/node_modules/@s/x/package.json`, path: "p/node_modules/@s/x/package.json", ops: []Op{Write, Create}},
			"a newline in the path":    {do: "mkdir 'p/a\nb'; echo {} >'p/a\nb/package.json'", path: "p/a\nb/package.json", ops: []Op{Write, Create}},
			"bytes that are no text":   {do: `d=$(printf 'p/\377\376'); mkdir "$d"; echo {} >"$d/package.json"`, path: "p/\xff\xfe/package.json", ops: []Op{Write, Create}},
			"removed with its folder":  {do: `rm -r p`, path: "p/package.json", ops: []Op{Removed, Vanished}},
			"a folder renamed, edited": {do: `echo '{"b":1}' >p/package.json; sleep 0.1; mv p q; echo '{"c":1}' >q/package.json`, path: "q/package.json", ops: []Op{Write, Create}},
		} {
			t.Run(backend+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := startWith(t, Config{}, backend, setup)
				r.sh(tt.do)
				r.until(tt.path, func(c Change) bool {
					match := false
					for _, op := range tt.ops {
						match = match || c.Op == op
					}
					if c.Op == Vanished {
						return match
					}
					if match && c.Path == filepath.Join(r.home, tt.path) && c.Dir == tt.dir && (c.Source == backend) {
						if c.Home != 0 {
							t.Errorf("home %d", c.Home)
						}
						return true
					}
					return false
				})
			})
		}
	}
}

// packages is a script that makes n packages in node_modules of the working
// folder, one in seven below another.
func packages(n int, version string) string {
	return fmt.Sprintf(`i=0; while [ $i -lt %d ]; do
		d=node_modules/p$i; [ $((i %% 7)) = 0 ] && d=node_modules/@s/p$i/node_modules/q; mkdir -p $d/lib
		echo '{"name":"p","version":"%s"}' >$d/package.json; echo x >$d/lib/x.js; i=$((i+1)); done`, n, version)
}

// After a reinstall every edit is seen: no folder is watched under the name
// of one that is gone.
func TestNoBlindSpotsAfterReinstall(t *testing.T) {
	t.Parallel()
	const n = 120
	for _, backend := range []string{"fanotify", "fsnotify"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			r := startWith(t, Config{Watches: 4096}, backend, `mkdir -p src/p; cd src/p; echo {} >package.json;`+packages(n, "1"))
			for round := range 4 {
				again := []string{"rm -rf node_modules", "mv node_modules old; rm -rf old", "rm -rf node_modules; mkdir node_modules; rmdir node_modules", "mv ../p ../x; mv ../x ../p; rm -rf node_modules"}[round]
				r.sh("cd src/p;" + again + ";" + packages(n, fmt.Sprint(round)) + "; echo >done.package.json; echo {} >package.json")
				r.all(n+1, "src/p", "the install")
				r.sh(`cd src/p; find . -name package.json -exec sh -c 'for f; do echo "{\"x\":$0}" >>"$f"; done' ` + fmt.Sprint(round) + ` {} +`)
				r.all(n+1, "src/p", fmt.Sprintf("the edits of round %d", round))
			}
		})
	}
}

// all reads until n different manifests below dir were told of, and then until
// nothing comes any more.
func (r *rig) all(n int, dir, what string) {
	r.t.Helper()
	seen := map[string]bool{}
	deadline := time.Now().Add(20 * time.Second)
	for {
		wait := time.Until(deadline)
		if len(seen) >= n {
			wait = 800 * time.Millisecond // longer than a folder takes to settle
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), wait)
		c, err := r.sub.Next(ctx)
		cancel()
		switch {
		case err != nil && len(seen) == n:
			return
		case err != nil:
			r.t.Fatalf("of %s %d of %d manifests were seen: %q", what, len(seen), n, slices.Sorted(maps.Keys(seen)))
		case c.Op == Overflow:
			r.t.Fatalf("of %s %d changes were lost", what, c.Count)
		case !c.Dir && (c.Op == Write || c.Op == Create || c.Op == MovedIn) && Within(c.Path, filepath.Join(r.home, dir)):
			if _, err := os.Lstat(c.Path); err == nil {
				seen[c.Path] = true
			}
		}
	}
}

// What does not fit into a subscriber's queue is counted, and the count comes
// after what fitted.
func TestFullQueueIsTold(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"fanotify", "fsnotify"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			r := startWith(t, Config{Queue: 5}, backend, `mkdir a`)
			other := r.feed.Subscribe(Want{Name: wantsManifest})
			if c, _ := other.Next(t.Context()); c.Op != Armed {
				t.Fatal(c)
			}
			r.sh(`i=0; while [ $i -lt 40 ]; do mkdir a/$i; echo {} >a/$i/package.json; i=$((i+1)); done; sleep 1; echo {} >a/package.json`)
			queued := func() int {
				r.sub.mu.Lock()
				defer r.sub.mu.Unlock()
				return len(r.sub.queue) - r.sub.head + r.sub.lost
			}
			for deadline := time.Now().Add(30 * time.Second); queued() < 41; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d changes came: 41 files were written", queued())
				}
			}
			for got := 0; ; {
				c, ok := r.sub.Take()
				if !ok {
					t.Fatalf("%d changes, and no overflow is told", got)
				}
				if c.Op == Overflow {
					// What else goes on in this file system may stand in the queue, too.
					if got > 5 || c.Count < 36 || got+c.Count < 41 {
						t.Errorf("%d changes, then %d lost: 41 files were written", got, c.Count)
					}
					break
				}
				got++
			}
			r.sh(`echo '{"after":1}' >a/package.json`)
			r.until("the next change", func(c Change) bool { return c.Path == filepath.Join(r.home, "a/package.json") })
		})
	}
}

func TestReadFileTouchesOnlyFiles(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"fanotify", "poll"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			r := startWith(t, Config{}, backend, `mkdir d; echo hello >d/file; ln -s d link; ln -s file d/soft; ln -s /dev/zero d/zero; mkfifo d/pipe; truncate -s 100M d/large; : >d/empty; printf '\000\377' >d/binary`)
			outside := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{"d/file": "hello\n", "d/empty": "", "d/binary": "\x00\xff"} {
				b, info, err := r.feed.ReadFile(filepath.Join(r.home, path), 1000)
				if err != nil || string(b) != want || info.Size != int64(len(want)) {
					t.Errorf("%s: %q, %v, %v", path, b, info, err)
				}
			}
			for _, path := range []string{"link/file", "d/soft", "d/zero", "d/pipe", "d/large", "d", "d/none", "d/file/x"} {
				begun := time.Now()
				if b, _, err := r.feed.ReadFile(filepath.Join(r.home, path), 1000); err == nil {
					t.Errorf("%s: read %q", path, b)
				}
				if d := time.Since(begun); d > 20*time.Second {
					t.Errorf("%s: took %v", path, d)
				}
			}
			if _, _, err := r.feed.ReadFile(outside, 1000); !errors.Is(err, ErrNotCovered) {
				t.Errorf("outside: %v", err)
			}
			if _, _, err := r.feed.ReadFile(filepath.Join(r.home, "d/large"), 1000); !errors.Is(err, ErrNotRegular) {
				t.Errorf("large: %v", err)
			}
		})
	}
}

// A file system that is mounted below a home later is watched from then on,
// and can be unmounted while it is.
func TestMountsBelowAHome(t *testing.T) {
	t.Parallel()
	r := startWith(t, Config{}, "fanotify", `mkdir m b src; mkdir -p src/in; echo {} >src/in/package.json`)
	mount := func(what, where, fstype string, flags uintptr) {
		where = filepath.Join(r.home, where)
		if err := syscall.Mount(what, where, fstype, flags, ""); err != nil {
			t.Skipf("mount: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(where, syscall.MNT_DETACH) })
		r.until("the mount", func(c Change) bool { return c.Path == where && c.Dir && c.Op == MovedIn })
	}
	mount("none", "m", "tmpfs", 0)
	r.sh(`mkdir m/p; echo {} >m/p/package.json`)
	r.until("a file on the mount", func(c Change) bool { return c.Path == filepath.Join(r.home, "m/p/package.json") && c.Op == Write })
	if b, _, err := r.feed.ReadFile(filepath.Join(r.home, "m/p/package.json"), 100); err != nil || string(b) != "{}\n" {
		t.Errorf("read %q, %v", b, err)
	}
	// Whoever looks at what is new, we or another watcher of this machine, has it
	// open for that long.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := syscall.Unmount(filepath.Join(r.home, "m"), 0)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("unmount a watched file system: %v", err)
			break
		}
	}
	// A folder from outside the home, on the same file system.
	outside, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mount(outside, "b", "", syscall.MS_BIND)
	r.sh(`echo {} >` + outside + `/package.json`)
	r.until("a file behind a bind mount", func(c Change) bool { return c.Path == filepath.Join(r.home, "b/package.json") })
}

// Files outside the homes, and what the feed's own process does, are nobody's
// business.
func TestOnlyHomesAndOnlyOthers(t *testing.T) {
	t.Parallel()
	r := startWith(t, Config{}, "fanotify", `mkdir p`)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(r.home, "p/package.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.sh(`echo {} >` + outside + `/package.json; mkdir ` + r.home + `x; echo {} >` + r.home + `x/package.json; echo {} >last; mv last package.json`)
	if c := r.next(); c.Path != filepath.Join(r.home, "package.json") || c.Op != MovedIn {
		t.Errorf("%v %s", c.Op, c.Path)
	}
	os.RemoveAll(r.home + "x")
}

// Who did it is asked by the PID of the event, also when that process has gone.
func TestWho(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	r := startWith(t, Config{Who: func(pid int) *wormbell.Process {
		asked.Add(1)
		return &wormbell.Process{PID: pid}
	}}, "fanotify", `mkdir p`)
	r.sh(`echo $$ >pid; exec sh -c 'echo {} >p/package.json'`)
	c := r.next()
	pid, err := os.ReadFile(filepath.Join(r.home, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Process == nil || fmt.Sprintln(c.Process.PID) != string(pid) {
		t.Errorf("written by %v, want %s", c.Process, pid)
	}
}

func TestRunAgain(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{Homes: []string{home}})
	if err != nil {
		t.Fatal(err)
	}
	sub := f.Subscribe(Want{Name: wantsManifest})
	// A folder a round: inotify may tell of one write in pieces.
	r := &rig{t: t, home: home}
	r.sh("mkdir p0 p1 p2")
	for round := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		want := map[Op]bool{Armed: true}
		if round > 0 {
			want[Overflow] = true
		}
		for len(want) > 0 {
			c, err := sub.Next(ctx)
			if c.Op == Vanished || filepath.Base(c.Path) == "package.json" {
				continue // of other tests, of the round before
			}
			if err != nil || !want[c.Op] {
				t.Fatalf("round %d: %v, %v, want %v", round, c.Op, err, want)
			}
			delete(want, c.Op)
		}
		file := fmt.Sprintf("p%d/package.json", round)
		r.sh("echo {} >" + file)
		for {
			c, err := sub.Next(ctx)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if c.Path == filepath.Join(home, file) {
				break
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A watch that is lost while a folder is new is set again.
func TestNewFoldersSettle(t *testing.T) {
	t.Parallel()
	r := startWith(t, Config{}, "fsnotify", ``)
	dir := filepath.Join(r.home, "p")
	r.sh(`mkdir p`)
	r.until("the folder", func(c Change) bool { return c.Dir && c.Path == dir })
	for deadline := time.Now().Add(20 * time.Second); r.feed.low.notify.ws[""].Remove(dir) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the folder is not watched")
		}
	}
	for deadline := time.Now().Add(20 * time.Second); !slices.Contains(r.feed.low.notify.ws[""].WatchList(), dir); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the folder is not watched again")
		}
	}
	r.sh(`echo {} >p/package.json`)
	r.until("the file", func(c Change) bool { return c.Path == filepath.Join(dir, "package.json") })
}

// With few watches the rest is polled, and says so.
func TestScarceWatches(t *testing.T) {
	t.Parallel()
	r := startWith(t, Config{Watches: 8}, "fsnotify", `mkdir -p a/b/c/d; mkdir p; cd p; echo {} >package.json;`+packages(20, "1"))
	s, _ := r.feed.State()
	if !strings.Contains(s.Why, "from time to time") || s.Who {
		t.Errorf("state %+v", s)
	}
	r.sh(`cd p; find . -name package.json -exec sh -c 'for f; do echo "{\"x\":1}" >>"$f"; done' x {} +`)
	r.all(21, "p", "the edits")
}

// An ordinary user gets the other backends, and is told so.
func TestNotRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		dir, err := os.MkdirTemp("", "tree") // t.TempDir is in a folder of root's
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe", "-test.run", "^(TestNotRoot|TestWhatIsSeen|TestFullQueueIsTold|TestReadFileTouchesOnlyFiles|TestRunAgain)$", "-test.v")
		cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestNotRoot") || !strings.Contains(string(out), "--- PASS: TestWhatIsSeen/fsnotify") {
			t.Errorf("as nobody: %v\n%s", err, out)
		}
		return
	}
	r := &rig{t: t, home: t.TempDir()}
	f, err := New(Config{Homes: []string{r.home}})
	if err != nil {
		t.Fatal(err)
	}
	r.feed, r.sub = f, f.Subscribe(Want{Name: wantsManifest})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	if c := r.next(); c.Op != Armed {
		t.Error(c)
	}
	if s, _ := f.State(); s.Backend != "fsnotify" || s.Who || !strings.Contains(s.Why, "not root") {
		t.Errorf("state %+v", s)
	}
	r.sh(`echo {} >package.json`)
	if c := r.next(); c.Path != filepath.Join(r.home, "package.json") || c.Process != nil {
		t.Errorf("%+v", c)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestNamedAgain: what came to a folder since it was last looked at is told of
// though somebody names the folder, or wants other names, before the next look.
func TestNamedAgain(t *testing.T) {
	r := startWith(t, Config{}, "poll", `mkdir a b; echo x >a/other.json`)
	isNew := func(path string) func(Change) bool {
		return func(c Change) bool { return c.Op == Create && c.Path == filepath.Join(r.home, path) }
	}
	r.sh(`echo x >a/package.json`)
	r.sub.Add(filepath.Join(r.home, "a"))
	r.until("a file of a folder that is named again", isNew("a/package.json"))
	r.sh(`echo x >b/package.json`)
	other := r.feed.Subscribe(Want{Name: func(name []byte) bool { return string(name) == "other.json" }})
	defer other.Close()
	r.until("a file of a folder when other names are wanted", isNew("b/package.json"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if c, err := other.Next(ctx); err != nil || c.Op != Armed {
		t.Errorf("the second subscriber is told of %v %q (%v)", c.Op, c.Path, err)
	}
	r.sh(`echo y >>a/other.json`)
	if c, err := other.Next(ctx); err != nil || c.Op != Write || c.Path != filepath.Join(r.home, "a/other.json") {
		t.Errorf("the second subscriber is told of %v %q (%v)", c.Op, c.Path, err)
	}
}

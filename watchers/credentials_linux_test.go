package watchers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/internal/stores"
)

// credStores is the table that these tests guard by.
var credStores = []stores.Store{
	{ID: "aws", Kind: "AWS keys", Paths: []string{"~/.aws/credentials", "~/.aws/sso/cache/*.json"}},
	{ID: "npm", Kind: "npm tokens", Paths: []string{"~/.npmrc"}, Strict: true},
	{ID: "off", Kind: "noise", Paths: []string{"~/.noise"}, Off: true},
	{ID: "probe", Kind: "end of a test", Paths: []string{"~/.probe"}},
}

// credOut records what the watcher tells.
type credOut struct {
	mu     sync.Mutex
	events []wormbell.Event
	sees   []string
	guards map[string]wormbell.Guarded
}

func (o *credOut) Emit(e wormbell.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

func (o *credOut) Sees(backend string, who bool, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sees = append(o.sees, fmt.Sprintf("%s %t %s", backend, who, why))
}

func (o *credOut) Guards(list []wormbell.Guarded) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.guards = make(map[string]wormbell.Guarded)
	for _, g := range list {
		o.guards[g.Path] = g
	}
}

func (o *credOut) guard(path string) wormbell.Guarded {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.guards[path]
}

// of returns the events of one kind and path so far.
func (o *credOut) of(kind wormbell.Kind, path string) []wormbell.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.events), func(e wormbell.Event) bool { return e.Kind != kind || e.Path != path })
}

func (o *credOut) reads(path string) []wormbell.Event { return o.of(wormbell.FileRead, path) }

// credRig is a running watcher on a scratch home.
type credRig struct {
	*credOut
	t    *testing.T
	home string
	c    *credentials
	stop context.CancelFunc
	done chan error
}

// credLineage is shared by all tests; it lives as long as they do. As in an
// agent it is told of processes all the while: else the first question would
// take in those of all the tests, for longer than an opener is held.
var credLineage = sync.OnceValue(func() *Lineage {
	l := NewLineage(LineageConfig{})
	go processesWatcher.Run(context.Background(), Host{Lineage: l}, muteOut{})
	return l
})

// muteOut keeps nothing.
type muteOut struct{}

func (muteOut) Emit(wormbell.Event)       {}
func (muteOut) Sees(string, bool, string) {}
func (muteOut) Guards([]wormbell.Guarded) {}

// guardHome starts the watcher on home, prepared by change if that is not nil.
func guardHome(t *testing.T, home string, change func(*credentials)) *credRig {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("fanotify permission events need root")
	}
	r := &credRig{credOut: &credOut{}, t: t, home: home, done: make(chan error, 1)}
	var st unix.Stat_t
	if err := unix.Stat(home, &st); err != nil {
		t.Fatal(err)
	}
	host := Host{Homes: []Home{{Dir: home, User: strconv.Itoa(int(st.Uid)), UID: int(st.Uid)}}, Lineage: credLineage()}
	r.c = newCredentials(host, r)
	r.c.table = credStores
	if change != nil {
		change(r.c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.done <- r.c.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-r.done:
		case <-time.After(30 * time.Second):
			t.Error("the watcher does not end")
		}
	})
	r.until("armed", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.sees) > 0
	})
	return r
}

func newHome(t *testing.T) string {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, home+"/.npmrc")
	write(t, home+"/.probe")
	return home
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("not a token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// until waits for ok.
func (r *credRig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain: %s; sees %q, guards %v", what, r.sees, r.guards)
		}
	}
}

// sh runs a shell command in the home.
func (r *credRig) sh(format string, args ...any) string {
	r.t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf(format, args...))
	cmd.Dir = r.home
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", cmd.Args[2], err, out)
	}
	return string(out)
}

// exactly waits until n reads of path are told, and sees that there are no more.
func (r *credRig) exactly(path string, n int) []wormbell.Event {
	r.t.Helper()
	r.until(fmt.Sprintf("%d reads of %s, %d so far", n, path, len(r.reads(path))), func() bool { return len(r.reads(path)) >= n })
	probes := len(r.reads("~/.probe"))
	r.sh("cat .probe; cat .probe")
	r.until("the probe's reads", func() bool { return len(r.reads("~/.probe")) >= probes+2 })
	got := r.reads(path)
	if len(got) != n {
		r.t.Fatalf("%d reads of %s told, want %d", len(got), path, n)
	}
	return got
}

// state waits until path is listed as state.
func (r *credRig) state(path, state string) {
	r.t.Helper()
	r.until(path+" "+state, func() bool { return r.guard(path).State == state })
}

// helper makes a command that runs one of the modes of TestCredentialsHelper.
func (r *credRig) helper(mode string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestCredentialsHelper$")
	cmd.Env = append(os.Environ(), "CREDENTIALS_HELPER="+mode+" "+strings.Join(args, " "))
	cmd.Dir = r.home
	return cmd
}

func (r *credRig) help(mode string, args ...string) string {
	r.t.Helper()
	out, err := r.helper(mode, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("helper %s: %v\n%s", mode, err, out)
	}
	return string(out)
}

// TestCredentialsHelper is not a test: it is a program that the others run.
func TestCredentialsHelper(t *testing.T) {
	args := strings.Fields(os.Getenv("CREDENTIALS_HELPER"))
	if len(args) == 0 {
		t.Skip("run by the other tests")
	}
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		check(err)
		return n
	}
	read := func(path string) {
		f, err := os.Open(path)
		check(err)
		f.Close()
	}
	switch args[0] {
	case "replace": // N PATH: write a new file, rename it over PATH, open at once
		for i := range number(1) {
			tmp := fmt.Sprintf("%s.%d", args[2], i)
			check(os.WriteFile(tmp, []byte("x"), 0o600))
			check(os.Rename(tmp, args[2]))
			read(args[2])
		}
	case "replaceold": // PATH FILE...: rename each file over PATH, open at once
		for _, old := range args[2:] {
			check(os.Rename(old, args[1]))
			read(args[1])
		}
	case "opens": // N GOROUTINES PATH: open PATH; prints the longest in µs
		var wg sync.WaitGroup
		longest := make([]time.Duration, number(2))
		for g := range longest {
			wg.Go(func() {
				for range number(1) {
					begun := time.Now()
					read(args[3])
					longest[g] = max(longest[g], time.Since(begun))
				}
			})
		}
		wg.Wait()
		fmt.Println(slices.Max(longest).Microseconds())
	case "flags": // FLAGS PATH: one open
		fd, err := unix.Open(args[2], number(1), 0o600)
		check(err)
		unix.Close(fd)
	case "threadwrite": // PATH FIFO: one thread waits in an open of FIFO for writing, another reads PATH
		go unix.Open(args[2], unix.O_WRONLY, 0)
		time.Sleep(50 * time.Millisecond)
		// By openat2, whose flags nobody can tell from outside.
		fd, err := unix.Openat2(unix.AT_FDCWD, args[1], &unix.OpenHow{Flags: unix.O_RDONLY})
		check(err)
		unix.Close(fd)
	case "agent": // HOME: the watcher itself, with few descriptors; "exhaust" and "free" on stdin
		check(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4096, Max: 4096}))
		c := newCredentials(Host{Homes: []Home{{Dir: args[1], User: "0"}}, Lineage: credLineage(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}, printOut{})
		c.table = credStores
		go func() { check(c.run(t.Context())) }()
		var taken []int
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			for in.Text() == "exhaust" {
				fd, err := unix.Dup(0)
				if err != nil {
					break
				}
				// A thousand are kept for the reader. Who takes them all within one
				// read, in which it may be preempted, cannot be helped; a leak does not.
				if taken = append(taken, fd); len(taken)%32 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			for ; in.Text() == "free" && len(taken) > 0; taken = taken[1:] {
				unix.Close(taken[0])
			}
			fmt.Println("done", in.Text())
		}
	case "refused": // N PATH: N threads open PATH; nearly all are refused
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range number(1) {
			wg.Go(func() {
				if _, err := os.ReadFile(args[2]); errors.Is(err, unix.EPERM) {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if refused.Load() <= int64(number(1)/2) {
			check(fmt.Errorf("%d are refused", refused.Load()))
		}
	case "protect": // HOME: the watcher, which holds every reader while it stops it, for as long as stdin is open
		c := newCredentials(Host{Homes: []Home{{Dir: args[1], User: "0"}}, Lineage: credLineage(), Protect: &Protect{
			Judge: func(wormbell.Event) bool { return true },
			Stop: func(ctx context.Context, e wormbell.Event, _ time.Duration) bool {
				fmt.Println("stops", e.Process)
				<-ctx.Done()
				return false
			},
			Done: func(_ context.Context, e wormbell.Event) wormbell.Event { return e },
		}}, printOut{})
		c.table = credStores
		go func() { check(c.run(t.Context())) }()
		io.Copy(io.Discard, os.Stdin)
	default:
		check(fmt.Errorf("no mode %q", args[0]))
	}
	os.Exit(0)
}

// printOut prints what the watcher tells.
type printOut struct{}

func (printOut) Emit(e wormbell.Event)                   { fmt.Println(e.Kind, e.Path) }
func (printOut) Sees(backend string, who bool, w string) { fmt.Println("sees", backend, who, w) }
func (printOut) Guards(list []wormbell.Guarded) {
	for _, g := range list {
		fmt.Println("guard", g.Path, g.State)
	}
}

// What the kernel does and does not report: sensors measured it, this keeps it so.
func TestCredentialsReads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, do string
		want     int // reads of ~/.npmrc
		needs    string
	}{
		{name: "cat", do: "cat .npmrc", want: 1},
		{name: "twice", do: "cat .npmrc; cat .npmrc", want: 2},
		{name: "cp", do: "cp .npmrc copy", want: 1},
		{name: "shell", do: "read x < .npmrc", want: 1},
		{name: "stat, ls, test", do: "stat .npmrc; ls -l .npmrc; test -r .npmrc", want: 0},
		{name: "written in place", do: "echo x > .npmrc", want: 0},
		{name: "appended to", do: "echo x >> .npmrc", want: 0},
		{name: "read and write", do: "exec 3<> .npmrc", want: 1},
		{name: "hard link", do: "ln .npmrc link; cat link", want: 1},
		{name: "hard link elsewhere", do: "mkdir d; ln .npmrc d/link; cat d/link", want: 1},
		{name: "moved away", do: "mkdir d; mv .npmrc d/x; cat d/x", want: 1},
		{name: "symbolic link to it", do: "ln -s .npmrc link; cat link", want: 1},
		{name: "a file beside it", do: "echo x > .npmrd; cat .npmrd", want: 0},
		{name: "removed and made anew", do: "rm .npmrc; echo x > .npmrc; cat .npmrc", want: 1},
		{name: "replaced", do: "echo x > t; mv t .npmrc; cat .npmrc", want: 1},
		{name: "bind mount of the file", do: "touch b; unshare -m sh -c 'mount --bind .npmrc b && cat b'", want: 1, needs: "unshare"},
		{name: "bind mount of the home", do: "mkdir b; unshare -m sh -c 'mount --bind . b && cat b/.npmrc'", want: 1, needs: "unshare"},
		{name: "replaced, by way of a bind mount", do: "mkdir b; unshare -m sh -c 'mount --bind . b && echo x > b/t && mv b/t b/.npmrc && cat b/.npmrc'", want: 1, needs: "unshare"},
		{name: "node reads", do: `node -e 'require("fs").readFileSync(".npmrc")'`, want: 1, needs: "node"},
		{name: "node reads in a thread", do: `node -e 'require("fs").promises.readFile(".npmrc")'`, want: 1, needs: "node"},
		{name: "node writes", do: `node -e 'require("fs").writeFileSync(".npmrc", "x")'`, want: 0, needs: "node"},
		{name: "node writes in a thread", do: `node -e 'require("fs").promises.writeFile(".npmrc", "x")'`, want: 0, needs: "node"},
		{name: "python reads", do: `python3 -c 'open(".npmrc").read()'`, want: 1, needs: "python3"},
		{name: "python writes", do: `python3 -c 'open(".npmrc", "w").write("x")'`, want: 0, needs: "python3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(tt.needs); tt.needs != "" && err != nil {
				t.Skip(err)
			}
			r := guardHome(t, newHome(t), nil)
			r.sh("%s", tt.do)
			for _, e := range r.exactly("~/.npmrc", tt.want) {
				if e.Source != "fanotify" || e.User != "0" || e.Process == nil || e.Process.Exe == "" || time.Since(e.Time) > time.Minute {
					t.Errorf("told %+v", e)
				}
			}
		})
	}
}

package watchers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
)

// Out of descriptors the kernel turns an opener away. The guard must be gone
// before that, say so, and come back.
func TestCredentialsNoFiles(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("fanotify permission events need root")
	}
	home := newHome(t)
	r := &credRig{t: t, home: home, credOut: &credOut{}}
	agent := r.helper("agent", home)
	in, err := agent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	agent.Stderr = os.Stderr
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); agent.Wait() }()
	lines := bufio.NewScanner(out)
	expect := func(want ...string) {
		t.Helper()
		for lines.Scan() {
			want = slices.DeleteFunc(want, func(w string) bool { return strings.HasPrefix(lines.Text(), w) })
			if len(want) == 0 {
				return
			}
		}
		t.Fatalf("the agent ended without %q", want)
	}
	timeout := time.AfterFunc(20*time.Second, func() { agent.Process.Kill() })
	defer timeout.Stop()

	expect("sees fanotify true")
	r.sh("cat .npmrc")
	expect("file.read ~/.npmrc")
	for range 3 {
		// Readers all the while: not one may be turned away.
		var wg sync.WaitGroup
		var stop atomic.Bool
		var failed atomic.Pointer[error]
		wg.Go(func() {
			for !stop.Load() {
				if _, err := os.ReadFile(home + "/.npmrc"); err != nil {
					failed.Store(&err)
				}
			}
		})
		io.WriteString(in, "exhaust\n")
		expect("sees fanotify true out of file descriptors", "guard ~/.npmrc not guarded", "gap ", "done exhaust")
		r.sh("cat .npmrc")
		stop.Store(true)
		wg.Wait()
		if err := failed.Load(); err != nil {
			t.Fatalf("a reader was turned away: %v", *err)
		}
		io.WriteString(in, "free\n")
		expect("done free")
		expect("sees fanotify true ")
		r.sh("cat .npmrc")
		expect("file.read ~/.npmrc")
	}
}

func TestCredentialsPanic(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	r := guardHome(t, newHome(t), func(c *credentials) {
		c.who = func(pid int) *wormbell.Process {
			if n.Add(1) <= 10 {
				panic("on purpose")
			}
			return credLineage().At(pid)
		}
	})
	r.sh("for i in 1 2 3 4 5 6 7 8 9 10; do cat .npmrc; done")
	for _, e := range r.exactly("~/.npmrc", 10) {
		if e.Process != nil {
			t.Errorf("attributed to %v", e.Process)
		}
	}
}

// Attribution hangs: each reader goes on at the deadline, those that no worker
// is left for as well, and the watchdog is not told that all is well.
func TestCredentialsDeadline(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	var alive atomic.Int64
	r := guardHome(t, newHome(t), func(c *credentials) {
		c.who = func(int) *wormbell.Process { <-hang; return nil }
		c.host.Alive = func() { alive.Store(time.Now().UnixNano()) }
	})
	defer close(hang)
	var took []time.Duration
	for range 5 {
		longest, err := strconv.Atoi(strings.TrimSpace(r.help("opens", "2", "10", r.home+"/.npmrc")))
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Duration(longest)*time.Microsecond)
	}
	// The quickest round: a machine that stands still for a second makes each wait.
	if d := slices.Min(took); d > 900*time.Millisecond || d < 90*time.Millisecond {
		t.Errorf("an opener waited for %v, want about 100 ms", took)
	}
	r.until("silence", func() bool { return time.Now().UnixNano()-alive.Load() > int64(time.Second) })
}

// With nothing to do the watchdog hears of us often enough.
func TestCredentialsAlive(t *testing.T) {
	t.Parallel()
	beats := make(chan time.Time, 10)
	guardHome(t, newHome(t), func(c *credentials) {
		c.host.Alive = func() {
			select {
			case beats <- time.Now():
			default:
			}
		}
		c.host.Watch = func(int) bool { return false }
		c.host.Rest = func() { t.Error("it rests, and nobody would see an opener") }
	})
	var gaps []time.Duration
	for last := (time.Time{}); len(gaps) < cap(beats)-1; {
		select {
		case now := <-beats:
			if !last.IsZero() {
				gaps = append(gaps, now.Sub(last))
			}
			last = now
		case <-time.After(30 * time.Second):
			t.Fatalf("no beat comes after %v", gaps)
		}
	}
	// Most of them: a machine that stands still for a second delays any of them.
	slices.Sort(gaps)
	if d := gaps[len(gaps)/2]; d > 800*time.Millisecond || d < 80*time.Millisecond {
		t.Errorf("beats are %v apart", gaps)
	}
}

// With nothing to do it rests, and the watchdog, which sees who waits, hears of each
// end of a rest before the opener is off the queue.
func TestCredentialsRest(t *testing.T) {
	t.Parallel()
	var queue, rests, roused, late atomic.Int64
	var resting atomic.Bool
	r := guardHome(t, newHome(t), func(c *credentials) {
		c.host.Watch = func(fd int) bool { queue.Store(int64(fd)); return true }
		c.host.Rest = func() { resting.Store(true); rests.Add(1) }
		c.host.Alive = func() {
			if !resting.Swap(false) {
				return
			}
			fds := []unix.PollFd{{Fd: int32(queue.Load()), Events: unix.POLLIN}}
			if n, err := unix.Poll(fds, 0); n != 1 || err != nil {
				late.Add(1)
			}
			roused.Add(1)
		}
	})
	for n := int64(1); n <= 3; n++ {
		before := rests.Load()
		r.until("a rest", func() bool { return rests.Load() > before })
		r.sh("cat .npmrc")
		r.until("the end of the rest", func() bool { return roused.Load() == n })
	}
	r.exactly("~/.npmrc", 3)
	if n := late.Load(); n != 0 {
		t.Errorf("%d of %d times the opener was off the queue before the watchdog heard of it", n, roused.Load())
	}
}

func TestCredentialsManyAtOnce(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { r.help("opens", "2", "50", r.home+"/.npmrc") })
	}
	wg.Wait()
	for _, e := range r.exactly("~/.npmrc", 400) {
		if e.Process == nil {
			t.Fatal("not attributed")
		}
	}
}

// Readers that end right after the read.
func TestCredentialsShortReaders(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	var pids []int
	for range 300 {
		cmd := exec.Command("cat", r.home+"/.npmrc")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, cmd.Process.Pid)
	}
	var got []int
	for _, e := range r.exactly("~/.npmrc", 300) {
		if e.Process == nil {
			t.Fatal("not attributed")
		}
		got = append(got, e.Process.PID)
	}
	slices.Sort(pids)
	slices.Sort(got)
	if !slices.Equal(pids, got) {
		t.Errorf("attributed to other processes")
	}
}

func TestCredentialsFlood(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	r.help("opens", "5000", "1", r.home+"/.npmrc")
	gaps := func() (n int) {
		for _, e := range r.of(wormbell.Gap, "~/.npmrc") {
			if e.Process == nil {
				t.Errorf("a flood of nobody: %+v", e)
			}
			n += e.Count
		}
		return n
	}
	r.until("5000 in all", func() bool { return len(r.reads("~/.npmrc"))+gaps() == 5000 })
	if gaps() == 0 {
		t.Skip("too slow a machine to make a flood")
	}
}

// The process waits in an open for writing with one thread, which must not hide
// that another one reads.
func TestCredentialsWriterHidesReader(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	if err := unix.Mkfifo(r.home+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	r.help("threadwrite", r.home+"/.npmrc", r.home+"/fifo")
	r.exactly("~/.npmrc", 1)
}

func TestCredentialsFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		flags int
		want  int
	}{
		{"O_RDONLY", unix.O_RDONLY, 1},
		{"O_WRONLY", unix.O_WRONLY, 0},
		{"O_RDWR", unix.O_RDWR, 1},
		{"O_RDWR|O_TRUNC", unix.O_RDWR | unix.O_TRUNC, 1},
		{"O_WRONLY|O_CREAT|O_TRUNC|O_APPEND", unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND, 0},
		{"O_PATH", unix.O_PATH, 0},
		{"O_PATH|O_RDWR", unix.O_PATH | unix.O_RDWR, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := guardHome(t, newHome(t), nil)
			r.help("flags", fmt.Sprint(tt.flags), r.home+"/.npmrc")
			r.exactly("~/.npmrc", tt.want)
		})
	}
}

// hold runs a script in the home, and returns when it is through. Its shell
// stays, with what it has open, until end is called.
func (r *credRig) hold(script string) (end func()) {
	r.t.Helper()
	cmd := exec.Command("sh", "-ec", script+"; echo through; read x || :")
	cmd.Dir = r.home
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		r.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Text() != "through"; { // before it, what it prints of a file
		if !lines.Scan() {
			r.t.Errorf("%s: it did not come to its end", script)
			break
		}
	}
	return func() { in.Close(); cmd.Wait() }
}

func TestCredentialsFallback(t *testing.T) {
	t.Parallel()
	refuse := func(c *credentials) { c.host.Refuse = []string{"fanotify"} }
	for _, tt := range []struct {
		name, do  string
		want, who int // reads of ~/.npmrc; how many of them name the reader
	}{
		{"a reader that stays", "exec 3< .npmrc", 1, 1},
		{"a reader that is gone", "cat .npmrc", 1, 0},
		{"a writer", "echo x > .npmrc", 0, 0},
		{"a writer that stays", "exec 3>> .npmrc", 0, 0},
		{"replaced", "echo x > t; mv t .npmrc; exec 3< .npmrc", 1, 1},
		{"hard link", "ln .npmrc link; exec 3< link", 1, 1},
		{"moved away", "mkdir d; mv .npmrc d/x; sleep 0.1; exec 3< d/x", 1, 1},
		{"beside it", "echo x > y; cat y", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := guardHome(t, newHome(t), refuse)
			if r.sees[0] != "inotify false "+whyInotify {
				t.Errorf("sees %q", r.sees)
			}
			r.state("~/.npmrc", wormbell.GuardOn)
			defer r.hold(tt.do)()
			who := 0
			for _, e := range r.exactly("~/.npmrc", tt.want) {
				if e.Source != "inotify" {
					t.Errorf("told %+v", e)
				}
				if e.Process != nil {
					who++
				}
			}
			if who < tt.who {
				t.Errorf("%d of %d readers named, want %d", who, tt.want, tt.who)
			}
		})
	}
	t.Run("appears later", func(t *testing.T) {
		t.Parallel()
		r := guardHome(t, newHome(t), refuse)
		r.sh("mkdir .aws; echo x > .aws/credentials")
		r.state("~/.aws/credentials", wormbell.GuardOn)
		defer r.hold("exec 3< .aws/credentials")()
		r.exactly("~/.aws/credentials", 1)
	})
}

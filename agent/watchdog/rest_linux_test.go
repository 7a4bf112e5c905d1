package watchdog

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// restingChild plays a child that rests from the first moment on: an opener is a
// byte in the FIFO beside its notes. It takes one as an agent does, and then rests
// again.
func restingChild(how, notes string, heart *Heart, terminated <-chan os.Signal) int {
	go func() { // ends with the process
		<-terminated
		os.Exit(0)
	}()
	queue, err := unix.Open(notes+".fifo", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil || !heart.Watch(queue) {
		note(notes, "nobody watches")
		return Fatal
	}
	heart.Beat()
	heart.Rest()
	heart.Ready()
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(queue), Events: unix.POLLIN}}, -1); err != nil {
			continue
		}
		if how == "rest and hang" && runs(notes) == 1 {
			select {} // before it takes the opener
		}
		heart.Beat()
		unix.Read(queue, make([]byte, 1))
		if how == "rest, take and hang" && runs(notes) == 1 {
			select {}
		}
		note(notes, "took one")
		heart.Rest()
	}
}

// resting starts the watchdog over a child that rests, and returns the end at which
// openers come.
func resting(t *testing.T, how string) (notes string, openers *os.File, readies chan struct{}, stop func() error) {
	notes, readies, stop, _ = start(t, how, func(notes string) {
		if err := unix.Mkfifo(notes+".fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if openers, err = os.OpenFile(notes+".fifo", os.O_RDWR, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { openers.Close() })
	})
	<-readies
	return notes, openers, readies, stop
}

// A child that rests and is stopped, or hangs, is ended once an opener waits for
// it, as one that does not rest: not only when its rest would be over.
func TestRestingChildThatStalls(t *testing.T) {
	for _, how := range []string{"rest and stop", "rest and hang", "rest, take and hang"} {
		t.Run(how, func(t *testing.T) {
			notes, openers, readies, stop := resting(t, how)
			if how == "rest and stop" {
				pause(t, firstPID(t, notes))
			}
			openers.Write([]byte{1})
			<-readies // of the next child
			if err := stop(); err != nil {
				t.Errorf("Run = %v, want nil after the context ended", err)
			}
			if got := agains(notes); len(got) != 2 || got[1] != string(whySilent) {
				t.Errorf("the children were told %q, want that the first was silent while openers waited", got)
			}
		})
	}
}

// A child that rests says nothing for longer than any other may, also after it
// has taken openers; and so does one whose opener was killed while it waited,
// before the child came to it.
func TestRestingChildIsLeftAlone(t *testing.T) {
	notes, openers, _, stop := resting(t, "rest")
	pid := firstPID(t, notes)
	for range 3 {
		openers.Write([]byte{1})
		until(t, func() bool { return empty(t, openers) })
	}
	pause(t, pid)
	openers.Write([]byte{1})
	openers.Read(make([]byte, 1)) // it was killed
	<-time.After(3 * Silence)
	syscall.Kill(pid, syscall.SIGCONT)
	before := tookOnes(notes)
	openers.Write([]byte{1})
	until(t, func() bool { return tookOnes(notes) > before || runs(notes) > 1 })
	if err := stop(); err != nil || runs(notes) != 1 {
		t.Errorf("Run = %v after %d children, want nil after 1", err, runs(notes))
	}
}

// A parent of an older version knows of no openers: then the child must not rest.
func TestOlderParent(t *testing.T) {
	h := &Heart{fd: -1, openers: -1}
	if h.Watch(0) {
		t.Error("a child rests although nobody sees its openers")
	}
}

func tookOnes(notes string) int {
	b, _ := os.ReadFile(notes)
	return strings.Count(string(b), "took one\n")
}

// firstPID returns the process of the child that noted its run first.
func firstPID(t *testing.T, notes string) (pid int) {
	t.Helper()
	b, _ := os.ReadFile(notes)
	for _, r := range strings.TrimPrefix(strings.SplitN(string(b), "\n", 2)[0], "run ") {
		pid = pid*10 + int(r-'0')
	}
	if pid == 0 {
		t.Fatalf("no child noted its run: %q", b)
	}
	return pid
}

// pause stops a process and waits until every thread of it stands still.
func pause(t *testing.T, pid int) {
	t.Helper()
	syscall.Kill(pid, syscall.SIGSTOP)
	until(t, func() bool {
		stats, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
		for _, f := range stats {
			b, _ := os.ReadFile(f)
			if _, rest, _ := strings.Cut(string(b), ") "); !strings.HasPrefix(rest, "T") { // proc_pid_stat(5)
				return false
			}
		}
		return len(stats) > 0
	})
}

// empty reports whether nothing waits at f.
func empty(t *testing.T, f *os.File) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 0
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come true within 30 s")
		}
	}
}

package watchdog

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain plays the child when it is told to: what a child does is named by
// WORMBELL_TEST_CHILD, where it notes its runs by WORMBELL_TEST_NOTES.
func TestMain(m *testing.M) {
	if how := os.Getenv("WORMBELL_TEST_CHILD"); how != "" {
		os.Exit(child(how, os.Getenv("WORMBELL_TEST_NOTES")))
	}
	os.Exit(m.Run())
}

func child(how, notes string) int {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	heart, ctx := Child(context.Background())
	note(notes, "run "+strconv.Itoa(os.Getpid()))
	note(notes, "again:"+Again()+";")
	if strings.HasPrefix(how, "rest") {
		return restingChild(how, notes, heart, terminated)
	}
	if how == "idle" {
		heart.Idle()
	} else {
		heart.Beat()
	}
	heart.Ready()
	switch how {
	case "fatal":
		return Fatal
	case "stop":
		if runs(notes) == 1 {
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	case "panic":
		if runs(notes) == 1 {
			os.Stderr.Close() // that it panics is no news for whoever reads the tests' output
			panic("a bug")
		}
	case "stuck":
		if runs(notes) == 1 {
			heart.Stuck()
		}
	case "killed":
		if runs(notes) == 1 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	case "anew":
		if runs(notes) == 1 {
			return Anew
		}
	case "error":
		if runs(notes) == 1 {
			return 1
		}
	case "idle":
		select {
		case <-terminated:
			note(notes, "terminated")
			return 0
		case <-ctx.Done():
			return 0
		}
	case "hang":
		if runs(notes) == 1 {
			select {} // a deadlock: other goroutines live, no beat comes
		}
	}
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		select {
		case <-tick.C:
			heart.Beat()
		case <-terminated:
			note(notes, "terminated")
			return 0
		case <-ctx.Done():
			note(notes, "orphaned")
			return 0
		}
	}
}

func note(file, what string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		f.WriteString(what + "\n")
		f.Close()
	}
}

func runs(file string) int {
	b, _ := os.ReadFile(file)
	return strings.Count(string(b), "run ")
}

// start runs the watchdog over a child that behaves as how says, after prepare.
func start(t *testing.T, how string, prepare ...func(notes string)) (notes string, readies chan struct{}, stop func() error, done chan error) {
	notes = t.TempDir() + "/notes"
	t.Setenv("WORMBELL_TEST_CHILD", how)
	t.Setenv("WORMBELL_TEST_NOTES", notes)
	for _, p := range prepare {
		p(notes)
	}
	readies = make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done = make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Program: os.Args[0], Log: slog.New(slog.DiscardHandler),
			Ready: func() { readies <- struct{}{} }})
	}()
	t.Cleanup(cancel)
	return notes, readies, func() error { cancel(); return <-done }, done
}

func TestStalledChildIsReplaced(t *testing.T) {
	for how, why := range map[string]stalled{"stop": whySilent, "hang": whySilent, "stuck": whyStuck} {
		t.Run(how, func(t *testing.T) {
			notes, readies, stop, _ := start(t, how)
			<-readies // the one that stalls
			<-readies // the one that follows it
			if err := stop(); err != nil {
				t.Errorf("Run = %v, want nil after the context ended", err)
			}
			if n := runs(notes); n != 2 {
				t.Errorf("%d children ran, want 2", n)
			}
			b, _ := os.ReadFile(notes)
			if !strings.HasSuffix(string(b), "terminated\n") {
				t.Errorf("the second child was not asked to end: %q", b)
			}
			if got := agains(notes); len(got) != 2 || got[0] != "" || got[1] != string(why) {
				t.Errorf("the children were told %q, want nothing and %q", got, why)
			}
		})
	}
}

// agains is what each child was told of the one before.
func agains(file string) (list []string) {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if why, ok := strings.CutPrefix(line, "again:"); ok {
			list = append(list, strings.TrimSuffix(why, ";\n"))
		}
	}
	return list
}

// TestWhy: the next child is told how the one before it ended, and of one that
// asked for it nothing.
func TestWhy(t *testing.T) {
	for how, why := range map[string]string{"killed": whyKilled, "error": whyError, "panic": whyCrash, "anew": ""} {
		t.Run(how, func(t *testing.T) {
			notes, readies, stop, _ := start(t, how)
			<-readies
			<-readies
			if err := stop(); err != nil {
				t.Errorf("Run = %v", err)
			}
			if got := agains(notes); len(got) != 2 || got[0] != "" || got[1] != why {
				t.Errorf("the children were told %q, want nothing and %q", got, why)
			}
		})
	}
}

// TestWhyMemory: where the kernel ended something for want of memory, that was the
// child only if the kernel ended it.
func TestWhyMemory(t *testing.T) {
	run := func(script string) error { return exec.Command("/bin/sh", "-c", script).Run() }
	for _, c := range []struct {
		err  error
		want string
	}{
		{run("kill -KILL $$"), whyMemory},
		{run("kill -TERM $$"), whyKilled},
		{run("exit 2"), whyCrash},
		{run("exit 1"), whyError},
		{whyStuck, string(whyStuck)},
		{errors.New("no such program"), whyError},
	} {
		if got := why(c.err, true); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestIdleChild: one that holds nobody up need not beat as often, and the
// parent says meanwhile that it lives.
func TestIdleChild(t *testing.T) {
	notes := t.TempDir() + "/notes"
	t.Setenv("WORMBELL_TEST_CHILD", "idle")
	t.Setenv("WORMBELL_TEST_NOTES", notes)
	alive := make(chan time.Time, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Program: os.Args[0], Log: slog.New(slog.DiscardHandler), Alive: func() { alive <- time.Now() }})
	}()
	for range 5 { // about five seconds: longer than Silence
		<-alive
	}
	cancel()
	if err := <-done; err != nil || runs(notes) != 1 {
		t.Errorf("Run = %v after %d children, want nil after 1", err, runs(notes))
	}
}

// TestParentLives: while it waits before it starts a child again, the parent
// says that it lives.
func TestParentLives(t *testing.T) {
	var alive atomic.Int64
	c := Config{Alive: func() { alive.Add(1) }}
	synctest.Test(t, func(t *testing.T) {
		if !c.rest(t.Context(), 30*time.Second) || alive.Load() < int64(30*time.Second/aliveEvery) {
			t.Errorf("it said so %d times in 30 s", alive.Load())
		}
	})
}

// TestChildThatEndsSlowly: the parent says that it lives while it waits, else the
// service manager would kill both before the child has stored what it knows.
func TestChildThatEndsSlowly(t *testing.T) {
	for name, c := range map[string]struct {
		ends time.Duration
		over bool
	}{"in time": {stopTime - time.Millisecond, true}, "never": {time.Hour, false}, "at once": {0, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const managerWaits = 3 * time.Second // WatchdogSec of wormbelld.service
				last := time.Now()
				quiet := func() time.Duration { d := time.Since(last); last = time.Now(); return d }
				config := Config{Alive: func() {
					if d := quiet(); d > managerWaits/2 {
						t.Errorf("nothing was heard for %v", d)
					}
				}}
				ended := make(chan error, 1)
				timer := time.AfterFunc(c.ends, func() { ended <- errAnew })
				defer timer.Stop()
				began := time.Now()
				err, over := config.await(ended, stopTime)
				if over != c.over || over != errors.Is(err, errAnew) || time.Since(began) != min(c.ends, stopTime) {
					t.Errorf("%v, over %v, after %v", err, over, time.Since(began))
				}
				if d := quiet(); d > managerWaits/2 {
					t.Errorf("at the end nothing was heard for %v", d)
				}
			})
		})
	}
}

// TestOffer: a child is ended before its parent when there is no memory left.
func TestOffer(t *testing.T) {
	const file = "/proc/self/oom_score_adj"
	was, err := os.ReadFile(file)
	if err != nil || os.WriteFile(file, []byte("-900"), 0) != nil {
		t.Skip("needs root: only it may lower a score")
	}
	defer os.WriteFile(file, was, 0)
	if err := offer(); err != nil {
		t.Fatal(err)
	}
	if now, _ := os.ReadFile(file); strings.TrimSpace(string(now)) != strconv.Itoa(childScore) {
		t.Errorf("the score is %s", now)
	}
	os.WriteFile(file, []byte("0"), 0)
	if err := offer(); err != nil {
		t.Fatal(err)
	}
	if now, _ := os.ReadFile(file); string(now) != "0\n" {
		t.Errorf("a score that was higher is %s", now)
	}
}

func TestOOMKills(t *testing.T) {
	if n := oomKills("low 0\nhigh 0\nmax 112\noom 3\noom_kill 2\noom_group_kill 0\n"); n != 2 {
		t.Errorf("%d, want 2", n)
	}
	if n := oomKills("oom_kill x\n"); n != 0 {
		t.Errorf("%d of nonsense", n)
	}
}

// stuckLog is a log that nobody reads: a full pipe, a terminal that was stopped.
type stuckLog struct{ until <-chan struct{} }

func (w stuckLog) Write(b []byte) (int, error) { <-w.until; return len(b), nil }

// Go ends a program that panics with a status of its own.
func TestPanickingChildIsStartedAgain(t *testing.T) {
	notes, readies, stop, done := start(t, "panic")
	<-readies
	select {
	case <-readies: // the one that follows
	case err := <-done:
		t.Fatalf("Run = %v, nobody was started again", err)
	}
	if err := stop(); err != nil || runs(notes) != 2 {
		t.Errorf("Run = %v after %d children, want nil after 2", err, runs(notes))
	}
}

func TestNobodyReadsTheLog(t *testing.T) {
	notes := t.TempDir() + "/notes"
	t.Setenv("WORMBELL_TEST_CHILD", "stop")
	t.Setenv("WORMBELL_TEST_NOTES", notes)
	ctx, cancel := context.WithCancel(t.Context())
	read, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Program: os.Args[0], Log: slog.New(slog.NewTextHandler(stuckLog{read}, nil))})
	}()
	t.Cleanup(func() { close(read); cancel(); <-done })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		b, _ := os.ReadFile(notes)
		line, _, _ := strings.Cut(string(b), "\n")
		if pid, err := strconv.Atoi(strings.TrimPrefix(line, "run ")); err == nil {
			if err := syscall.Kill(pid, 0); err != nil {
				return // ended and waited for
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stalled child still lives: %q", b)
		}
	}
}

func TestHealthyChildIsLeftAlone(t *testing.T) {
	notes, readies, stop, _ := start(t, "beat")
	<-readies
	// Three times the silence that would be the end of a stalled child.
	<-time.After(3 * Silence)
	if err := stop(); err != nil || runs(notes) != 1 {
		t.Errorf("Run = %v after %d children, want nil after 1", err, runs(notes))
	}
}

func TestFatalChildIsNotStartedAgain(t *testing.T) {
	notes, _, _, done := start(t, "fatal")
	if err := <-done; !errors.Is(err, ErrFatal) {
		t.Errorf("Run = %v, want ErrFatal", err)
	}
	if n := runs(notes); n != 1 {
		t.Errorf("%d children ran, want 1", n)
	}
}

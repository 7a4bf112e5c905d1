package watchers

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
)

// protected is a watcher that asks p about readers.
func protected(t *testing.T, p *Protect) *credRig {
	t.Helper()
	if p.Done == nil {
		p.Done = func(_ context.Context, e wormbell.Event) wormbell.Event { return e }
	}
	return guardHome(t, newHome(t), func(c *credentials) { c.host.Protect = p })
}

func always(e wormbell.Event) bool { return e.Path == "~/.npmrc" }

func (r *credRig) command(script string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = r.home
	return cmd
}

// fails runs a script that must fail, and returns what it printed.
func (r *credRig) fails(script string) string {
	r.t.Helper()
	out, err := r.command(script).CombinedOutput()
	if err == nil {
		r.t.Errorf("%s: it did not fail\n%s", script, out)
	}
	return string(out)
}

// TestProtectDenies: who is judged is stopped first, and then turned away, by
// many threads at once too; what is told says so.
func TestProtectDenies(t *testing.T) {
	t.Parallel()
	var order atomic.Value
	order.Store("")
	r := protected(t, &Protect{
		Judge: always,
		Stop: func(_ context.Context, e wormbell.Event, limit time.Duration) bool {
			if e.Process == nil || e.Protect != wormbell.Unstopped || limit <= 0 || limit >= time.Second {
				t.Errorf("stop %+v within %v", e, limit)
			}
			order.Store("stopped")
			return true
		},
		Done: func(_ context.Context, e wormbell.Event) wormbell.Event {
			if order.Load() != "stopped" {
				t.Error("done before it was stopped")
			}
			e.Line = "done"
			return e
		},
	})
	for range 3 {
		if out := r.fails("cat .npmrc"); !strings.Contains(out, "Operation not permitted") {
			t.Errorf("it says %q", out)
		}
	}
	r.sh("echo x > .npmrc") // no read
	for _, e := range r.exactly("~/.npmrc", 3) {
		if !e.Denied() || e.Line != "done" {
			t.Errorf("told %+v", e)
		}
	}
}

// TestProtectWaitsForNobody: a judge or a stop that hangs holds nobody for longer
// than it may, and what comes of it is told. Others are answered meanwhile.
func TestProtectWaitsForNobody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		least      time.Duration
		judge      bool // it hangs, and else the stop
	}{
		{"judge", wormbell.Late, 90 * time.Millisecond, true},
		{"stop", wormbell.Late, 900 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hang := make(chan struct{})
			var silent atomic.Int64
			r := protected(t, &Protect{
				Judge: func(e wormbell.Event) bool {
					if tt.judge && e.Process.Name() == "cat" {
						<-hang
					}
					return e.Process.Name() == "cat"
				},
				Stop: func(context.Context, wormbell.Event, time.Duration) bool {
					if !tt.judge {
						<-hang
					}
					return true
				},
			})
			began := time.Now()
			read := make(chan string, 1)
			go func() {
				out, err := r.command("cat .npmrc").Output()
				if err != nil {
					out = []byte(err.Error())
				}
				read <- string(out)
			}()
			if !tt.judge { // the workers are free
				for range 20 {
					began := time.Now()
					r.sh("read x < .npmrc")
					if took := time.Since(began); took > 800*time.Millisecond {
						silent.Add(1)
					}
				}
				if silent.Load() > 10 {
					t.Error("others wait, too")
				}
			}
			select {
			case out := <-read:
				if took := time.Since(began); out != "not a token\n" || took < tt.least {
					t.Errorf("after %v it read %q", took, out)
				}
			case <-time.After(20 * time.Second):
				t.Error("the reader is held")
			}
			close(hang)
			r.until("what became of it", func() bool {
				for _, e := range r.reads("~/.npmrc") {
					if e.Protect == tt.want {
						return true
					}
				}
				return false
			})
		})
	}
}

// TestProtectUnstopped: what cannot be stopped is not refused, nor what a panic
// keeps from being judged.
func TestProtectUnstopped(t *testing.T) {
	t.Parallel()
	r := protected(t, &Protect{Judge: always, Stop: func(context.Context, wormbell.Event, time.Duration) bool { return false }})
	r.sh("cat .npmrc")
	if e := r.exactly("~/.npmrc", 1)[0]; e.Protect != wormbell.Unstopped {
		t.Errorf("told %+v", e)
	}
	r = protected(t, &Protect{Judge: always, Stop: func(context.Context, wormbell.Event, time.Duration) bool { panic("on purpose") }})
	r.sh("cat .npmrc; cat .npmrc")
	r.exactly("~/.npmrc", 2)
}

// TestProtectFlood: many at once do not wear out those who look. Each is refused,
// or told as one that was judged too late on a busy machine; none is lost.
func TestProtectFlood(t *testing.T) {
	t.Parallel()
	r := protected(t, &Protect{Judge: always, Stop: func(context.Context, wormbell.Event, time.Duration) bool {
		time.Sleep(50 * time.Millisecond)
		return true
	}})
	out := r.fails("for i in $(seq 60); do cat .npmrc & done; wait; false")
	r.until("what became of them", func() bool { return len(r.reads("~/.npmrc")) == 60 })
	late := 0
	for _, e := range r.reads("~/.npmrc") {
		if e.Protect == wormbell.Late {
			late++
		} else if !e.Denied() {
			t.Errorf("told %+v", e)
		}
	}
	if n := strings.Count(out, "not a token"); n != late || n > 30 {
		t.Errorf("%d have read it, and %d are told", n, late)
	}
	r.help("refused", "600", r.home+"/.npmrc")
	if gaps := r.of(wormbell.Gap, "~/.npmrc"); len(gaps) > 0 {
		t.Errorf("lost %+v", gaps)
	}
}

// TestProtectKilled: an agent that is killed while it holds a thief lets it go on.
func TestProtectKilled(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("fanotify permission events need root")
	}
	home := newHome(t)
	r := &credRig{t: t, home: home, credOut: &credOut{}}
	agent := r.helper("protect", home)
	out, err := agent.StdoutPipe()
	in, err2 := agent.StdinPipe()
	agent.Stderr = os.Stderr
	if err := errors.Join(err, err2, agent.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); agent.Wait() }()
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("it ended without %q", want)
	}
	expect("sees fanotify")
	thief := r.command("cat .npmrc")
	read, err := thief.StdoutPipe()
	if err := errors.Join(err, thief.Start()); err != nil {
		t.Fatal(err)
	}
	expect("stops")
	agent.Process.Signal(unix.SIGKILL)
	b, err := io.ReadAll(read)
	if err := errors.Join(err, thief.Wait()); err != nil || string(b) != "not a token\n" {
		t.Errorf("%v, it read %q", err, b)
	}
}

//go:build linux && (amd64 || arm64)

package execring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/watchers/internal/decode"
)

// open opens a ring, or skips the test where that cannot be.
func open(t *testing.T) *Ring {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a program in the kernel")
	}
	r, err := Open()
	if _, none := os.Stat(types); errors.Is(none, os.ErrNotExist) || errors.Is(err, syscall.EPERM) {
		t.Skipf("needs a kernel with BTF that lets us: %v", err) // what the verifier refuses is EACCES
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// drain returns what a ring holds of one process's execs.
func drain(t *testing.T, r *Ring, pid int) (found []*decode.Exec, lost int) {
	t.Helper()
	lost, err := r.Drain(func(_ *decode.Proc, e *decode.Exec) {
		if e != nil && int(e.PID) == pid {
			found = append(found, e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, lost
}

func TestEveryExecOfAProcess(t *testing.T) {
	r := open(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	tru, err := filepath.EvalSymlinks("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `exec /bin/true "$1" ""`, "x", "second")
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got, lost := drain(t, r, cmd.Process.Pid)
	if lost != 0 || len(got) != 2 {
		t.Fatalf("%d execs, %d lost", len(got), lost)
	}
	for i, want := range []struct{ exe, args string }{
		{sh, "/bin/sh\x00-c\x00exec /bin/true \"$1\" \"\"\x00x\x00second\x00"},
		{tru, "/bin/true\x00second\x00\x00"},
	} {
		e := got[i]
		if e.Exe != want.exe || string(e.Args) != want.args || e.ArgsCut || e.Deleted || e.Cwd != dir || int(e.Parent) != os.Getpid() || e.UID != 0 {
			t.Errorf("exec %d: %+v with %q", i, e, e.Args)
		}
	}
	if got[0].Start != got[1].Start || got[0].ArgStart == got[1].ArgStart {
		t.Errorf("the two execs of one process: %+v, %+v", got[0], got[1])
	}
}

// TestBounds: arguments and paths that are longer than what is told are told in part.
func TestBounds(t *testing.T) {
	r := open(t)
	long := strings.Repeat("a", 100<<10)
	cmd := exec.Command("/bin/true", "first", long)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got, _ := drain(t, r, cmd.Process.Pid)
	if len(got) != 1 || !got[0].ArgsCut || len(got[0].Args) != 8192 || !strings.HasPrefix(string(got[0].Args), "/bin/true\x00first\x00aaa") {
		t.Fatalf("%d execs", len(got))
	}
	// Deeper than any path may be named, step by step.
	top, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	at := top
	for range 60 {
		name := strings.Repeat("d", 200)
		if err := at.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		if at, err = at.OpenRoot(name); err != nil {
			t.Fatal(err)
		}
		defer at.Close()
	}
	bin, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := at.WriteFile("deepest", bin, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := at.Open("deepest")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd = exec.Command(fmt.Sprintf("/proc/self/fd/%d", 3))
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got, _ = drain(t, r, cmd.Process.Pid)
	if len(got) != 1 || !strings.HasPrefix(got[0].Exe, "/…/ddd") || !strings.HasSuffix(got[0].Exe, "/deepest") {
		t.Fatalf("%d execs: %+v", len(got), got)
	}
}

func TestDeleted(t *testing.T) {
	r := open(t)
	name := filepath.Join(t.TempDir(), "gone")
	bin, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bin, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got, _ := drain(t, r, cmd.Process.Pid); len(got) != 1 || !got[0].Deleted || filepath.Base(got[0].Exe) != "gone" {
		t.Fatalf("%+v", got)
	}
}

// TestAround: records that lie around the end of the ring are read like others,
// and those that find no room are counted.
func TestAround(t *testing.T) {
	r := open(t)
	long := strings.Repeat("b", 7000)
	seen := 0
	for round := range 2 { // some 146 of them fill the ring
		for i := range 120 {
			cmd := exec.Command("/bin/true", fmt.Sprint(i), long)
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			if i%40 != 39 {
				continue
			}
			lost, err := r.Drain(func(_ *decode.Proc, e *decode.Exec) {
				if e == nil {
					return
				}
				if args := strings.Split(string(e.Args), "\x00"); len(args) == 4 && args[2] == long {
					seen++
				}
			})
			if err != nil || lost != 0 {
				t.Fatalf("round %d: %d lost, %v", round, lost, err)
			}
		}
	}
	if seen != 240 {
		t.Errorf("%d of 240 were seen as they were", seen)
	}
	for range 200 {
		if err := exec.Command("/bin/true", long).Run(); err != nil {
			t.Fatal(err)
		}
	}
	var got []*decode.Exec
	keep := func(_ *decode.Proc, e *decode.Exec) {
		if e != nil {
			got = append(got, e)
		}
	}
	lost, err := r.Drain(keep)
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("/bin/true").Run(); err != nil {
		t.Fatal(err)
	}
	more, err := r.Drain(keep)
	if lost += more; err != nil || lost == 0 || lost+len(got) < 201 {
		t.Errorf("of 201 at least, %d were had and %d lost; %v", len(got), lost, err)
	}
}

// TestOrder: forks, execs and exits come as they happened, threads are none of
// them, and a process has ended when its last thread has.
func TestOrder(t *testing.T) {
	r := open(t)
	cmd := exec.Command("/bin/sh", "-c", "/bin/true; (:) & wait; exec /bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	shell := int32(cmd.Process.Pid)
	var got []string
	names, starts := map[int32]string{shell: "shell"}, map[int32]uint64{}
	var last uint64
	lost, err := r.Drain(func(p *decode.Proc, e *decode.Exec) {
		if p.What == decode.ProcFork && p.TGID == shell && int(p.ParentTGID) != os.Getpid() {
			t.Errorf("the shell's parent is %d", p.ParentTGID)
		}
		if p.What == decode.ProcFork && p.ParentTGID == shell {
			names[p.TGID] = fmt.Sprint("child ", len(names))
		}
		name := names[p.TGID]
		if name == "" {
			return
		}
		if at, known := starts[p.TGID]; known && at != p.Start || p.Time < last {
			t.Errorf("%s began at %d or %d; it is %d after %d", name, at, p.Start, p.Time, last)
		}
		starts[p.TGID], last = p.Start, p.Time
		got = append(got, name+map[uint32]string{decode.ProcFork: " forked", decode.ProcExec: " executed", decode.ProcExit: " ended"}[p.What])
	})
	want := []string{"shell forked", "shell executed", "child 1 forked", "child 1 executed", "child 1 ended",
		"child 2 forked", "child 2 ended", "shell executed", "shell ended"}
	if err != nil || lost != 0 || !slices.Equal(got, want) {
		t.Errorf("%q, want %q; %d lost, %v", got, want, lost, err)
	}
}

// TestListen: what is near calls at once, what is not waits for more.
func TestListen(t *testing.T) {
	r := open(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const batch = 30 * time.Second // nothing but a call is that fast
	rounds, ended := make(chan map[int]bool, 1), make(chan error, 1)
	go func() {
		ended <- r.Listen(ctx, batch, func() error {
			of := map[int]bool{}
			_, err := r.Drain(func(p *decode.Proc, e *decode.Exec) { of[int(p.TGID)] = of[int(p.TGID)] || e != nil })
			select {
			case rounds <- of:
			case <-ctx.Done():
			}
			return err
		})
	}()
	<-rounds // the first round comes in any case
	far := exec.Command("/bin/true")
	if err := far.Run(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-rounds:
		t.Skip("more has happened on this machine than there is room for") // an assertion of what does not happen
	case <-time.After(50 * time.Millisecond):
	}
	if err := r.Near(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	near := exec.Command("/bin/sh", "-c", "/bin/true & wait")
	if err := near.Run(); err != nil {
		t.Fatal(err)
	}
	all, deadline := map[int]bool{}, time.After(20*time.Second)
	for !all[near.Process.Pid] || !all[far.Process.Pid] {
		select {
		case of := <-rounds:
			for pid, executed := range of {
				all[pid] = all[pid] || executed
			}
		case <-deadline:
			t.Fatalf("it is not called: %v", all)
		}
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	// What fills the ring calls as well.
	if err := r.near.Delete(uint32(os.Getpid())); err != nil {
		t.Fatal(err)
	}
	full, end := context.WithCancel(t.Context())
	defer end()
	go func() {
		ended <- r.Listen(full, batch, func() error {
			n := 0
			_, err := r.Drain(func(_ *decode.Proc, e *decode.Exec) {
				if e != nil && len(e.Args) > 7000 {
					n++
				}
			})
			if n > 20 {
				end()
			}
			return err
		})
	}()
	long := strings.Repeat("c", 8000)
	count := 0
	for ; count < 1000 && full.Err() == nil; count++ {
		if err := exec.Command("/bin/true", long).Run(); err != nil {
			t.Fatal(err)
		}
	}
	if full.Err() == nil {
		t.Errorf("it is not called while the ring fills up %d times", count/120)
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

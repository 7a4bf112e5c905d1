//go:build linux && (amd64 || arm64)

package execring

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
	lost, err := r.Drain(func(e *decode.Exec) {
		if int(e.PID) == pid {
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
	if got[0].Start != got[1].Start || got[0].Time >= got[1].Time || got[0].ArgStart == got[1].ArgStart {
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
			lost, err := r.Drain(func(e *decode.Exec) {
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
	lost, err := r.Drain(func(e *decode.Exec) { got = append(got, e) })
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("/bin/true").Run(); err != nil {
		t.Fatal(err)
	}
	more, err := r.Drain(func(e *decode.Exec) { got = append(got, e) })
	if lost += more; err != nil || lost == 0 || lost+len(got) < 201 {
		t.Errorf("of 201 at least, %d were had and %d lost; %v", len(got), lost, err)
	}
}

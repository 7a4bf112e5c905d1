package procs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What matters may stand behind megabytes of what does not. The kernel takes a
// while to lay them out, and until then the environment is empty: that must not
// pass for the truth, whenever one looks.
func TestEnvironmentOfMegabytes(t *testing.T) {
	t.Parallel()
	r := NewReader()
	t.Cleanup(r.Close)
	var env []string
	for i := range 80_000 {
		env = append(env, fmt.Sprintf("V%07d=", i))
	}
	env = append(env, "NODE_OPTIONS=--require=/x")
	for range 20 {
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.Env = env
		if err := cmd.Start(); errors.Is(err, unix.E2BIG) {
			t.Skip("the limit of the stack does not allow it")
		} else if err != nil { // returns in the middle of the exec
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		for deadline := time.Now().Add(30 * time.Second); ; {
			i, err := r.Read(cmd.Process.Pid)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%+v %v", i, err)
			}
			if !strings.HasSuffix(i.Exe, "/sleep") || i.Env == nil {
				continue // not yet, or it cannot be told
			}
			if i.Env.NodeOptions != "--require=/x" {
				t.Fatalf("%s with %q has the environment %+v", i.Exe, i.Args, i.Env)
			}
			break
		}
	}
}

// While a process executes a program it has neither arguments nor environment.
// It must not pass for one that has nothing in its environment.
func TestMiddleOfAnExec(t *testing.T) {
	t.Parallel()
	r := NewReader()
	t.Cleanup(r.Close)
	for range 300 {
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.Env = []string{"NODE_OPTIONS=--require=/x"}
		if err := cmd.Start(); err != nil { // returns in the middle of it
			t.Fatal(err)
		}
		i, err := r.Read(cmd.Process.Pid)
		cmd.Process.Kill()
		cmd.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if i.Env != nil && i.Env.NodeOptions == "" && i.Exe != "" && i.Exe != os.Args[0] {
			t.Fatalf("%s with %q has an empty environment", i.Exe, i.Args)
		}
	}
}

// A program in folders so deep that its path cannot be told still has
// arguments.
func TestProgramWithoutAPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := strings.Repeat("d", 250)
	script := "cd " + dir + `; for i in $(seq 20); do mkdir ` + name + ` && cd -P ` + name + ` || exit 1; done; cp /bin/sleep x && exec ./x 1000`
	cmd := exec.Command("/bin/sh", "-c", script)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		exec.Command("rm", "-rf", dir).Run() // knows how to go that deep
	})
	r := NewReader()
	t.Cleanup(r.Close)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		i, err := r.Read(cmd.Process.Pid)
		if err == nil && i.Name == "x" && len(i.Args) > 0 {
			if i.Exe != "/…/x" || i.Args[len(i.Args)-1] != "1000" || i.Env == nil {
				t.Errorf("program %q with %q", i.Exe, i.Args)
			}
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v %v", i, err)
		}
	}
}

// TestLate: what a process lets us read after we have given up on it is told, for
// as often as we have asked.
func TestLate(t *testing.T) {
	t.Parallel()
	r := NewReader()
	t.Cleanup(r.Close)
	dir := t.TempDir() // as /proc/PID, with a command line that makes its reader wait
	if err := errors.Join(unix.Mkfifo(dir+"/cmdline", 0o600), os.WriteFile(dir+"/environ", []byte("npm_lifecycle_event=install\x00"), 0o600)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, _, stalled := r.memory(fd); !stalled || len(r.Late()) != 0 {
		t.Fatalf("stalled: %v", stalled)
	}
	w, err := os.OpenFile(dir+"/cmdline", os.O_WRONLY, 0) // once somebody reads
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("npm\x00install\x00"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var all []Late
	for deadline := time.Now().Add(30 * time.Second); len(all) < 2 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		all = append(all, r.Late()...)
	}
	known := 0
	for _, l := range all {
		if l.Ticket != r.ticket {
			t.Errorf("ticket %d, not %d", l.Ticket, r.ticket)
		}
		if len(l.Args) == 2 && l.Env != nil && l.Env.LifecycleEvent == "install" {
			known++ // the other reader found the pipe at its end
		}
	}
	if len(all) != 2 || known != 1 {
		t.Errorf("%+v", all)
	}
	// The places are free again.
	for deadline := time.Now().Add(30 * time.Second); len(r.hung) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d still count as hanging", len(r.hung))
		}
	}
}

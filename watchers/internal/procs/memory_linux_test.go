package procs

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What matters may stand behind megabytes of what does not.
func TestEnvironmentOfMegabytes(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/sh", "-c", "ulimit -s unlimited; exec env -i $(cat) NODE_OPTIONS=--require=/x sleep 1000")
	if l := (unix.Rlimit{}); unix.Getrlimit(unix.RLIMIT_STACK, &l) != nil || l.Max < 64<<20 {
		t.Skip("the limit of the stack does not allow it")
	}
	cmd.Stdin = strings.NewReader(strings.Repeat("V="+strings.Repeat("x", 100<<10)+"\n", 30))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	r := NewReader()
	t.Cleanup(r.Close)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		i, err := r.Read(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(i.Exe, "/sleep") && i.Args != nil || time.Now().After(deadline) {
			if i.Env == nil || i.Env.NodeOptions != "--require=/x" {
				t.Errorf("%s has the environment %+v", i.Exe, i.Env)
			}
			return
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

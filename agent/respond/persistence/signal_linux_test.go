package persistence

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestHangUp: the signal is taken at once, and what it asks for is done a while
// later. Until then the manager has not forgotten what it was told to.
func TestHangUp(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	mark := filepath.Join(t.TempDir(), "mark")
	// Far more work than half a second's, on any machine.
	script := `trap 'i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done; : > "$1"' HUP
echo ready
while :; do read x; done`
	input, idle, err := os.Pipe() // nothing is ever written to it
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	defer idle.Close()
	ready, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	// Who was started by nohup has a shell that takes no trap; one that waits for the signal has not.
	hups := make(chan os.Signal, 1)
	signal.Notify(hups, syscall.SIGHUP)
	defer signal.Stop(hups)
	cmd := exec.Command(sh, "-c", script, "sh", mark)
	cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = input, output, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	output.Close()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the script does not start: %v", err)
	}
	p := &process{pid: cmd.Process.Pid}
	if !p.readStat(slurp(filepath.Join("/proc", itoa(p.pid), "stat"))) {
		t.Fatal("it is not there")
	}
	if err := hangUp(t.Context(), p, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("it was not waited for: %v", err)
	}
}

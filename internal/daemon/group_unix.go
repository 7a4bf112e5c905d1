//go:build unix

package daemon

import (
	"os"
	"os/exec"
	"syscall"
)

// apart makes cmd lead a process group of its own, so that Ctrl-C in the
// terminal reaches us and not it, and that it can be killed with its watchdog.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	EndWithUs(cmd)
}

func polite(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

func kill(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // not yet waited for, so the id is its own
}

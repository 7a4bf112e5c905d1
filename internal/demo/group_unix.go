//go:build unix

package demo

import (
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup makes cmd lead a process group, so that Ctrl-C in the terminal
// reaches us first and that everything it starts can be ended at once; ending
// cmd's context does.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		endGroup(cmd.Process.Pid) // not yet waited for, so the id is still its own
		return nil
	}
	cmd.WaitDelay = 2 * time.Second
}

// endGroup kills the process group led by pid.
func endGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: it has ended, which is what we want
}

// groupEnds waits until nothing of the group that pid led is left: what is
// killed takes a moment to end. Two seconds are enough, and not more is waited.
func groupEnds(pid int) {
	for range 100 {
		if errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

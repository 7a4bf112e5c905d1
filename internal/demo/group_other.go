//go:build !unix

package demo

import (
	"os"
	"os/exec"
	"time"
)

// ownGroup makes ending cmd's context end cmd. What cmd started ends by its
// own time limits.
func ownGroup(cmd *exec.Cmd) {
	cmd.WaitDelay = 2 * time.Second
}

// endGroup kills process pid.
func endGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may have ended, which is what we want
	}
}

// groupEnds has nothing to wait for.
func groupEnds(int) {}

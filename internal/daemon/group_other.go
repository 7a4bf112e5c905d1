//go:build !unix

package daemon

import (
	"os"
	"os/exec"
)

// apart does nothing here.
func apart(*exec.Cmd) {}

// polite ends p: there is no gentler way for a program without a window.
func polite(p *os.Process) error { return p.Kill() }

func kill(p *os.Process) {
	_ = p.Kill() // it may have ended, which is what we want
}

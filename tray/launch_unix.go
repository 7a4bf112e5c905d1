//go:build unix

package tray

import (
	"os/exec"
	"syscall"
)

// apart lets cmd live on when the tray's session leader or group is ended.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

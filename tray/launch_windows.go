package tray

import (
	"os/exec"
	"syscall"
)

// apart lets cmd live on when the tray is ended with Ctrl-C.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

//go:build unix

package secretservice

import (
	"os/exec"
	"syscall"
)

// as makes cmd a program of another user's.
func as(cmd *exec.Cmd, uid int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
}

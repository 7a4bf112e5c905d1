package daemon

import (
	"os/exec"
	"runtime"
	"syscall"
)

// EndWithUs has the kernel end cmd when this program dies without a chance to.
// The signal comes when the thread that started cmd ends (PR_SET_PDEATHSIG(2const)),
// so the calling goroutine keeps its thread from here on.
// cmd.SysProcAttr must be set.
func EndWithUs(cmd *exec.Cmd) {
	runtime.LockOSThread()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
}

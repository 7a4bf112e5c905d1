package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Hide keeps what this process holds in memory from other programs of the same
// user, as far as the system can: no core dump is written, and no debugger may
// attach (ptrace(2)). It is called before the first secret is read, and lasts
// until the process ends.
func Hide() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	const denyAttach = 31 // PT_DENY_ATTACH, sys/ptrace.h
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, denyAttach, 0, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("forbid tracing: %w", errno)
	}
	return nil
}

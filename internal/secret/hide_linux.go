package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Hide keeps what this process holds in memory from other programs of the same
// user, as far as the system can: no core dump is written (RLIMIT_CORE, and
// PR_SET_DUMPABLE for core patterns that are pipes), and nobody but root may
// trace it or read its /proc/PID/mem and environ (ptrace(2), proc(5)). It is
// called before the first secret is read, and lasts until the process ends.
func Hide() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid tracing: %w", err)
	}
	return nil
}

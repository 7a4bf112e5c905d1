package main

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownSession makes cmd the leader of a session of its own: no terminal, so
// that it is nobody's typing, and a group that can be ended as a whole.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// processTime returns the processor time that a process and all its threads,
// those that ended included, have used, to the nanosecond: the kernel's ticks
// of 10 ms are too coarse for an idle agent. The identity of another process's
// clock is as clock_getcpuclockid(3) makes it: the complement of the pid, then
// 2 for the scheduler's clock of the whole process.
func processTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// onOneProcessor keeps the calling thread on the processor that it is on.
func onOneProcessor() error {
	var set unix.CPUSet
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return fmt.Errorf("ask for the processor: %w", errno)
	}
	set.Set(int(cpu))
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("stay on processor %d: %w", cpu, err)
	}
	return nil
}

// fileSystem names the type of the one that dir is on; statfs(2) has the numbers.
func fileSystem(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "unknown file system"
	}
	for magic, name := range map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.XFS_SUPER_MAGIC: "xfs",
		unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.F2FS_SUPER_MAGIC: "f2fs"} {
		if int64(s.Type) == magic {
			return name
		}
	}
	return fmt.Sprintf("file system %#x", s.Type)
}

//go:build unix

package cli

import "syscall"

// stat is what a system says of a file of uid.
func stat(uid int) any { return &syscall.Stat_t{Uid: uint32(uid)} }

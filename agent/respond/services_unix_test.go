//go:build unix

package respond

import "syscall"

func dataFIFO(path string) error { return syscall.Mkfifo(path, 0o600) }

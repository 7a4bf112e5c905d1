//go:build unix

package api

import (
	"io/fs"
	"syscall"
)

// owner returns the uid that owns a file, -1 if that cannot be told.
func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

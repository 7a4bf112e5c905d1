//go:build unix

package cli

import (
	"io/fs"
	"syscall"
)

// owner returns the uid whose file it is, -1 if that is not told.
func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

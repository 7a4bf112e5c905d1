//go:build unix

package agent

import (
	"io/fs"
	"syscall"
)

// owner returns the uid that owns the file st tells of, -1 if it does not say.
func owner(st fs.FileInfo) int {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}

//go:build unix

package cli

import (
	"io/fs"
	"syscall"
)

// owners returns whose a file is.
func owners(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

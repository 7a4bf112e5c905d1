package persistence

import (
	"io/fs"
	"syscall"
	"time"
)

// changed is when a file last changed: its content or its inode. The first can
// be set to any time by its owner (touch -d), the second cannot.
func changed(info fs.FileInfo) time.Time {
	t := info.ModTime()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if c := time.Unix(st.Ctimespec.Unix()); c.After(t) {
			return c
		}
	}
	return t
}

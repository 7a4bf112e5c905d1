//go:build unix

package watchers

import (
	"io/fs"
	"syscall"
)

// ownedBy reports whether the file belongs to the user uid, or to root.
func ownedBy(fi fs.FileInfo, uid int) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == uid || st.Uid == 0)
}

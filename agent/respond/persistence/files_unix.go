//go:build unix

package persistence

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// openSafely keeps an open from following a link, waiting for a pipe, or being
// inherited.
const openSafely = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY

// errNotDir is what one gets for a path below a file.
const errNotDir = unix.ENOTDIR

// systemOwned reports whether only root can write the file.
func systemOwned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0 && info.Mode().Perm()&0o002 == 0
}

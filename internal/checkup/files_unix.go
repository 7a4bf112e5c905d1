//go:build unix

package checkup

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openSafely keeps an open from waiting for a pipe, taking a terminal, or being
// inherited. os.Root adds that no link leads out.
const openSafely = unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY

// openFolder opens nothing but a folder.
const openFolder = unix.O_DIRECTORY

// errNotFolder is what one gets for a path below a file.
const errNotFolder = syscall.ENOTDIR

// modes: they say here who may read a file.
const modes = true

// groupOf is the gid of a file, -1 if it is not told.
func groupOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}

// ownedBy reports whether the file is the user's; 0 or less is the caller.
func ownedBy(info fs.FileInfo, uid int) bool {
	if uid <= 0 {
		uid = unix.Getuid()
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == uid
}

// listing is the folder d, which lies at path, opened to be listed by what the
// folder itself says: os.Root asks every file in it what it is, and a mount point
// may never answer.
func listing(d *os.File, path string) (*os.File, error) {
	fd, err := unix.FcntlInt(d.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "dup", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

package edit

import (
	"golang.org/x/sys/unix"
)

// pinned says what keeps the file or folder at path from being replaced or
// written to although its mode would let us, "" for nothing that is known:
// chattr(1)'s flags, and for a file that it is mounted by itself (statx(2)).
func pinned(path string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st); err != nil {
		return "" // older than Linux 4.11: the rehearsal tells what it can
	}
	switch flags := st.Attributes & st.Attributes_mask; {
	case flags&unix.STATX_ATTR_IMMUTABLE != 0:
		return "is marked immutable (chattr +i)"
	case flags&unix.STATX_ATTR_APPEND != 0:
		return "is marked append-only (chattr +a)"
	case flags&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Mode&unix.S_IFMT == unix.S_IFREG:
		return "is mounted by itself, so that no other file can take its place"
	}
	return ""
}

//go:build unix && !linux

package decoy

import (
	"golang.org/x/sys/unix"

	"wormbell"
)

// planted is what is known of an open file. When it was born is not asked.
func planted(fd int) (p wormbell.Planted, err error) {
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err != nil {
		return p, err
	}
	return of(&st)
}

// plantedAt is the same of a name in a folder.
func plantedAt(dir int, name string) (p wormbell.Planted, err error) {
	var st unix.Stat_t
	if err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return p, err
	}
	return of(&st)
}

func of(st *unix.Stat_t) (p wormbell.Planted, err error) {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return p, ErrChanged
	}
	return wormbell.Planted{Inode: uint64(st.Ino), Size: st.Size, Changed: st.Mtim.Nano()}, nil
}

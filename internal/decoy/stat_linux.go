package decoy

import (
	"golang.org/x/sys/unix"

	"wormbell"
)

// planted is what is known of an open file.
func planted(fd int) (wormbell.Planted, error) { return stat(fd, "", unix.AT_EMPTY_PATH) }

// plantedAt is the same of a name in a folder.
func plantedAt(dir int, name string) (wormbell.Planted, error) { return stat(dir, name, 0) }

func stat(fd int, name string, flags int) (wormbell.Planted, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, name, flags|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrChanged
	}
	return Of(&st), err
}

// Of is what tells the file with this status from every other one.
func Of(st *unix.Statx_t) wormbell.Planted {
	p := wormbell.Planted{Inode: st.Ino, Size: int64(st.Size), Changed: st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec)}
	if st.Mask&unix.STATX_BTIME != 0 {
		p.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return p
}

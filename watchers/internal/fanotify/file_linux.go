package fanotify

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ID is the identity of a file for as long as it exists: numbers of inodes are
// used again, so the time of birth belongs to it where the file system keeps
// one.
type ID struct {
	Dev, Ino uint64
	Born     int64 // nanoseconds since 1970, 0 if not known
}

// Identify returns the identity of the file that st describes, as returned by
// statx(2) with STATX_INO and STATX_BTIME.
func Identify(st *unix.Statx_t) ID {
	id := ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id
}

// File is an open file as its opener reached it.
type File struct {
	ID   ID
	fd   int
	last int64 // when it was last changed, renamed or born; nanoseconds since 1970
	link string
}

// identify fills f from the descriptor fd. It asks no file system for anything
// that is not in memory already.
func (f *File) identify(fd int) error {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO|unix.STATX_CTIME|unix.STATX_BTIME, &st)
	if err != nil {
		return err
	}
	*f = File{ID: Identify(&st), fd: fd, last: st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec)}
	f.last = max(f.last, f.ID.Born)
	return nil
}

// Path returns the path of the file as its opener reached it, possibly in
// another mount namespace, "" if there is none. A file that has been replaced
// in the meantime keeps the path it had.
func (f *File) Path() string {
	if f.link == "" {
		f.link = f.readlink()
	}
	return f.link
}

func (f *File) readlink() string {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink(ProcFD(f.fd), buf[:])
	if err != nil || n <= 0 {
		return ""
	}
	return strings.TrimSuffix(string(buf[:n]), " (deleted)")
}

// olderThan reports whether nothing happened to the file itself, be it a
// change, a rename or its birth, for d before now.
func (f *File) olderThan(d time.Duration, now time.Time) bool {
	return now.UnixNano()-f.last >= int64(d)
}

package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ReadFile returns the content of the regular file at path, which must be
// below a covered root, and what it was when it was opened. It follows no
// symbolic link, enters no other mount, opens no pipe or device and blocks on
// none. Files larger than limit bytes are [ErrNotRegular]. path may be the
// choice of an enemy.
func (f *Feed) ReadFile(path string, limit int) ([]byte, Info, error) {
	b, info, err := f.readFile(path, limit)
	if err != nil {
		return nil, info, fmt.Errorf("read %q: %w", path, err)
	}
	return b, info, nil
}

func (f *Feed) readFile(path string, limit int) ([]byte, Info, error) {
	file, info, err := f.openFile(path, limit)
	if err != nil {
		return nil, info, err
	}
	defer file.Close()
	b := make([]byte, 0, info.Size+1) // the last byte is for noticing the end
	for {
		n, err := file.ReadAt(b[len(b):cap(b)], int64(len(b)))
		b = b[:len(b)+n]
		switch {
		case len(b) > limit: // it grew
			return nil, info, ErrNotRegular
		case errors.Is(err, io.EOF):
			return b, info, nil
		case err != nil:
			return nil, info, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// openFile is open1 where that may never answer.
func (f *Feed) openFile(path string, limit int) (*handle, Info, error) {
	type opened struct {
		file *os.File
		info Info
	}
	o, err := far(f, path, func() (opened, error) {
		file, info, err := f.open1(path, limit)
		return opened{file, info}, err
	}, func(o opened) { o.file.Close() })
	return f.handle(path, o.file), o.info, err
}

// open1 opens a regular file of at most limit bytes.
func (f *Feed) open1(path string, limit int) (*os.File, Info, error) {
	fd, err := f.openPath(path, 0)
	if err != nil {
		return nil, Info{}, err
	}
	defer unix.Close(fd)
	info, err := stat(fd)
	if err != nil {
		return nil, info, err
	}
	if !info.Regular || info.Size > int64(limit) {
		return nil, info, ErrNotRegular
	}
	// Now that it is known to be a file: through the descriptor, not the name.
	// O_NONBLOCK for a lease that somebody holds on it.
	rfd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, info, err
	}
	return os.NewFile(uintptr(rfd), path), info, nil
}

// Stat returns what is at path, which must be below a covered root; nothing
// is followed or opened.
func (f *Feed) Stat(path string) (Info, error) {
	info, err := far(f, path, func() (Info, error) {
		fd, err := f.openPath(path, 0)
		if err != nil {
			return Info{}, err
		}
		defer unix.Close(fd)
		return stat(fd)
	})
	if err != nil {
		return Info{}, fmt.Errorf("stat %q: %w", path, err)
	}
	return info, nil
}

// Readlink returns where the symbolic link at path points to, as it is written.
// path must be below a covered root; nothing is followed. What is no link gives
// an error.
func (f *Feed) Readlink(path string) (string, error) {
	to, err := far(f, path, func() (string, error) { return f.readlink(path) })
	if err != nil {
		return "", fmt.Errorf("read link %q: %w", path, err)
	}
	return to, nil
}

func (f *Feed) readlink(path string) (string, error) {
	fd, err := f.openPath(path, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", unix.EINVAL // readlinkat would say ENOENT
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// stat describes an open file.
func stat(fd int) (Info, error) {
	var x unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x); err != nil {
		return Info{}, err
	}
	info := Info{
		Regular: x.Mode&unix.S_IFMT == unix.S_IFREG,
		Dir:     x.Mode&unix.S_IFMT == unix.S_IFDIR,
		Stamp:   Stamp{Inode: x.Ino, Size: int64(x.Size), Changed: time.Unix(x.Ctime.Sec, int64(x.Ctime.Nsec))},
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		info.Born = time.Unix(x.Btime.Sec, int64(x.Btime.Nsec))
	}
	return info, nil
}

// openDir opens a folder for listing.
func (f *Feed) openDir(path string) (*os.File, error) {
	fd, err := f.openPath(path, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openPath opens path with O_PATH, or for listing with flag O_DIRECTORY.
func (f *Feed) openPath(path string, flag int) (int, error) {
	r := f.find(path)
	if r == nil || r.backend == unseen {
		return -1, ErrNotCovered
	}
	how := unix.OpenHow{
		Flags:   unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	if flag == 0 {
		how.Flags |= unix.O_PATH
	} else {
		how.Flags |= unix.O_DIRECTORY | unix.O_RDONLY | unix.O_NONBLOCK
	}
	if path == r.path {
		return openat2(unix.AT_FDCWD, path, &how)
	}
	top := how
	top.Flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	at, err := openat2(unix.AT_FDCWD, r.path, &top)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	rel, err := filepath.Rel(r.path, path)
	if err != nil {
		return -1, err
	}
	how.Resolve |= unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV
	return openat2(at, rel, &how)
}

// openat2 is openat2(2), without its promises where a sandbox forbids the
// call; O_NOFOLLOW holds still.
func openat2(at int, path string, how *unix.OpenHow) (int, error) {
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(at, path, how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN) && tries < 32: // EAGAIN: a rename got in the way
			continue
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			return unix.Openat(at, path, int(how.Flags), 0)
		}
		return fd, err
	}
}

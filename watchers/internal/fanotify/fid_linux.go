package fanotify

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/decode"
)

// NamesMask is what a [Names] group is told of. CREATE is needed for hard
// links, CLOSE_WRITE for writes in place, MOVED_TO for files and folders that
// are renamed into place, DELETE and MOVED_FROM for what goes away.
//
// The price: `cp -a` of 39,000 files in 5,700 folders takes 0.37 s of processor
// time on a tmpfs, where nothing else costs anything, and 0.40 s with the
// mark; on ext4 the difference is lost in the noise. DELETE and MOVED_FROM add
// nothing to it, and a tenth to `rm -rf`. It is this small only because the
// queue is read seldom during a storm: events for the same name by the same
// process merge while they wait, and a reader that sleeps need not be woken.
// Read one by one, the same copy costs 0.6 s, and the reader 0.17 s.
const NamesMask = unix.FAN_CREATE | unix.FAN_CLOSE_WRITE | unix.FAN_MOVED_TO | unix.FAN_DELETE | unix.FAN_MOVED_FROM | unix.FAN_ONDIR

// Names is a group that reports what happens to names on one whole file
// system. One group each, because a btrfs subvolume may not share its group
// with another file system (EXDEV otherwise, and always before Linux 6.8).
type Names struct {
	*Group
	FSID unix.Fsid // of what was marked
}

// WatchNames marks the file system that mountPoint is on. It needs
// CAP_SYS_ADMIN; overlayfs and most network file systems refuse it, see
// [Refused].
func WatchNames(mountPoint string) (*Names, error) {
	// The queue is unlimited: while a package manager writes 40,000 files the
	// limit of 16,384 would be passed within a fifth of a second.
	g, err := NewGroup(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_DFID_NAME|unix.FAN_UNLIMITED_QUEUE, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	n := &Names{Group: g}
	var st unix.Statfs_t
	if err := unix.Statfs(mountPoint, &st); err != nil {
		g.Close()
		return nil, fmt.Errorf("statfs %q: %w", mountPoint, err)
	}
	n.FSID = st.Fsid
	if err := g.Mark(unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM|unix.FAN_MARK_ONLYDIR, NamesMask, mountPoint); err != nil {
		g.Close()
		return nil, fmt.Errorf("mark the file system of %q: %w", mountPoint, err)
	}
	return n, nil
}

// Read is [Group.Read] for names alone. Nothing is opened for them, so it takes no
// longer than to copy what is there: the runtime need not watch this thread
// meanwhile, for which it would wake another one each time.
func (n *Names) Read(buf []byte) (int, error) {
	if len(buf) == 0 {
		return 0, unix.EINVAL
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.fd < 0 {
		return 0, unix.EBADF
	}
	size, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(n.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	if err != 0 {
		return 0, err
	}
	return int(size), nil
}

// ErrGone says that the folder of an event is no more.
var ErrGone = errors.New("folder is gone")

// ErrElsewhere says that the folder of an event is not below the folder asked.
var ErrElsewhere = errors.New("folder is elsewhere")

// Folder returns where the folder of e is, if that is top or below it on the
// same mount; dir is top, open. The path is checked: what is found there is
// that folder. Otherwise it is [ErrGone] or [ErrElsewhere], or the error of a
// system call.
func Folder(dir int, top string, e *decode.Fanotify) (string, error) {
	fd, err := unix.OpenByHandleAt(dir, unix.NewFileHandle(e.HandleType, e.Handle), unix.O_PATH|unix.O_CLOEXEC)
	if errors.Is(err, unix.ESTALE) {
		return "", ErrGone
	}
	if err != nil {
		return "", fmt.Errorf("open by handle: %w", err)
	}
	defer unix.Close(fd)
	var is unix.Stat_t
	// More than once, because it may be renamed between the two looks.
	for range 3 {
		if err := unix.Fstat(fd, &is); err != nil {
			return "", fmt.Errorf("fstat a folder: %w", err)
		}
		if is.Nlink == 0 {
			return "", ErrGone
		}
		path, err := os.Readlink(ProcFD(fd))
		if err != nil {
			return "", fmt.Errorf("find a folder's path: %w", err)
		}
		rel, ok := strings.CutPrefix(path, strings.TrimSuffix(top, "/"))
		if !ok || rel != "" && rel[0] != '/' {
			return "", ErrElsewhere
		}
		// Of a folder that is not below this mount the kernel makes up a path that
		// starts at the root of the file system, and it may look right.
		if there, err := lookup(dir, strings.TrimPrefix(rel, "/")); err == nil && there.Ino == is.Ino && there.Dev == is.Dev {
			return path, nil
		}
	}
	return "", ErrElsewhere
}

// lookup says what the folder rel below dir, on the same mount, is.
func lookup(dir int, rel string) (st unix.Stat_t, err error) {
	if rel == "" {
		rel = "."
	}
	fd, err := unix.Openat2(dir, rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		fd, err = unix.Openat(dir, rel, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	return st, unix.Fstat(fd, &st)
}

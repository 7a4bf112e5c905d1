package fanotify

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Group is one fanotify group. Its methods are safe for concurrent use; after
// Close they do nothing, so that a late answer cannot land in another file
// that got the same descriptor.
type Group struct {
	mu   sync.RWMutex // held for writing by Close alone
	fd   int          // -1 once closed
	file *os.File     // owns fd if Go's poller waits for it
}

// NewGroup makes a group; flags and eventFlags are those of fanotify_init(2).
// Both the group and what it hands out are closed on exec.
func NewGroup(flags, eventFlags uint) (*Group, error) {
	fd, err := unix.FanotifyInit(flags|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, eventFlags|unix.O_CLOEXEC|unix.O_LARGEFILE)
	if err != nil {
		return nil, fmt.Errorf("make a fanotify group: %w", err)
	}
	return &Group{fd: fd}, nil
}

// Refused reports whether err is the kernel's way of saying that it will not
// do this for us here, now and later: no right, no support, no group left.
func Refused(err error) bool {
	for _, e := range []error{unix.EPERM, unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP, unix.ENODEV, unix.EXDEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// FD returns the descriptor, for poll(2) by the one who closes the group.
func (g *Group) FD() int { return g.fd }

// Mark adds, changes or removes a mark on what path names, see
// fanotify_mark(2). An open descriptor is named by [ProcFD].
func (g *Group) Mark(flags uint, mask uint64, path string) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.fd < 0 {
		return unix.EBADF
	}
	return unix.FanotifyMark(g.fd, flags, mask, unix.AT_FDCWD, path)
}

// Read fills buf with records for decode.NextFanotify. It does not block:
// without any it returns [unix.EAGAIN].
func (g *Group) Read(buf []byte) (int, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.fd < 0 {
		return 0, unix.EBADF
	}
	return unix.Read(g.fd, buf)
}

// waiting reports whether there is something to read, or an error. It does not
// wait, and so needs nothing of the runtime, which would wake a thread of its own
// to watch over it.
func (g *Group) waiting() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.fd < 0 {
		return true
	}
	fd, now := unix.PollFd{Fd: int32(g.fd), Events: unix.POLLIN}, unix.Timespec{}
	n, _, err := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fd)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n != 0 || err != 0
}

// Close ends the group. The kernel lets every opener go on that it held.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fd < 0 {
		return nil
	}
	fd := g.fd
	g.fd = -1
	if g.file != nil {
		return g.file.Close()
	}
	return unix.Close(fd)
}

// File returns g as a file that Go's poller can wait for; g stays its owner.
// A raw poll(2) would keep a thread busy watching the one that waits.
func (g *Group) File() *os.File {
	if g.file == nil {
		g.file = os.NewFile(uintptr(g.fd), "fanotify")
	}
	return g.file
}

// ProcFD returns the path that names the open descriptor fd of this process,
// also one opened with O_PATH, which fanotify_mark(2) does not take directly.
func ProcFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

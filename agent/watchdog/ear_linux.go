package watchdog

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ear is how the parent hears the child: what it beats, and, while it rests,
// that an opener waits which it has not looked at.
//
// An opener shows through an epoll descriptor, epoll(7), that parent and child
// share and into which the child puts the descriptor at which openers queue. It
// does not keep that open: when the child ends, the kernel lets all of them go on
// as if there were none. The parent sees that somebody waits, not who.
type ear struct {
	beats   int      // read end of the pipe that the child beats into
	openers int      // the shared descriptor
	both    *os.File // waits for the two, in the runtime's poller
	fd      int      // of both
	raw     syscall.RawConn
	events  [2]unix.EpollEvent
}

// newEar makes an ear and what the child is to inherit for it, in this order:
// where it beats, where it shows its openers. The caller closes those.
func newEar() (e *ear, child [2]*os.File, err error) {
	e = &ear{beats: -1, openers: -1}
	defer func() {
		if err != nil {
			err = fmt.Errorf("make the heartbeat's descriptors: %w", err)
			e.close()
		}
	}()
	var pipe [2]int
	if err = unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return e, child, err
	}
	e.beats = pipe[0]
	child[0] = os.NewFile(uintptr(pipe[1]), "heartbeat")
	defer func() {
		if err != nil {
			child[0].Close()
		}
	}()
	if err = unix.SetNonblock(e.beats, true); err != nil {
		return e, child, err
	}
	if e.openers, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return e, child, err
	}
	if e.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return e, child, err
	}
	if err = unix.SetNonblock(e.fd, true); err != nil { // only so that the runtime waits for it
		unix.Close(e.fd)
		return e, child, err
	}
	e.both = os.NewFile(uintptr(e.fd), "heartbeat")
	if e.raw, err = e.both.SyscallConn(); err != nil {
		return e, child, err
	}
	if err = e.both.SetReadDeadline(time.Time{}); err != nil { // fails if the runtime cannot wait
		return e, child, err
	}
	if err = e.control(unix.EPOLL_CTL_ADD, e.beats, unix.EPOLLIN); err != nil {
		return e, child, err
	}
	if err = e.control(unix.EPOLL_CTL_ADD, e.openers, 0); err != nil {
		return e, child, err
	}
	shared, err := unix.FcntlInt(uintptr(e.openers), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return e, child, err
	}
	child[1] = os.NewFile(uintptr(shared), "openers")
	return e, child, nil
}

// close frees what the ear holds and ends a wait. It may be called twice.
func (e *ear) close() {
	if e.both != nil {
		e.both.Close()
	}
}

// release frees the rest, once nobody waits any more.
func (e *ear) release() {
	e.close()
	for _, fd := range []*int{&e.beats, &e.openers} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// listen has the next wait end, once, when an opener waits; also one that does
// already.
func (e *ear) listen() error {
	return e.control(unix.EPOLL_CTL_MOD, e.openers, unix.EPOLLIN|unix.EPOLLONESHOT)
}

func (e *ear) control(op, fd int, events uint32) error {
	return unix.EpollCtl(e.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait waits until the child says something, an opener shows after listen, or a
// time has come: then the error is [os.ErrDeadlineExceeded]. It returns how many
// bytes of buf the child has said, which are later than the opener: what it said
// of itself before it rests. Any other error says that there is nothing to hear.
func (e *ear) wait(until time.Time, buf []byte) (said int, opener bool, err error) {
	e.both.SetReadDeadline(until)
	n := 0
	var failed error
	err = e.raw.Read(func(uintptr) bool {
		n, failed = epollNow(e.fd, e.events[:])
		return n > 0 || failed != nil
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, false, err
	}
	for _, v := range e.events[:n] {
		opener = opener || int(v.Fd) == e.openers
	}
	said, err = e.said(buf)
	return said, opener, err
}

// said returns how many bytes of buf the child has said by now.
func (e *ear) said(buf []byte) (int, error) {
	n, err := unix.Read(e.beats, buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read the heartbeat: %w", err)
	case n == 0:
		return 0, errEnded
	}
	return n, nil
}

// errEnded says that the child has closed its end of the heartbeat.
var errEnded = errors.New("the child has ended")

// waiting reports whether an opener waits now at which the child has not looked.
func (e *ear) waiting() bool {
	var one [1]unix.EpollEvent
	n, err := epollNow(e.openers, one[:])
	return n > 0 || err != nil // in doubt the child is slow, as without this
}

// epollNow asks what is ready, without waiting; so it needs nothing of the runtime.
func epollNow(fd int, events []unix.EpollEvent) (int, error) {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	switch err {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, err
}

// Package gate waits for several descriptors in the runtime's own poller, and
// while nobody waits nothing that happens to them wakes anybody.
//
// It holds mechanism only. A thread that waits in poll(2) by itself costs more
// than what it is told of: the runtime watches each thread in a system call, for
// milliseconds in steps of 20 µs, and has to wake up for that. Registered in the
// runtime's poller, a descriptor would wake a thread for each event also while
// its reader lets some gather. So there is one more between the two, epoll(7).
package gate

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Gate waits. One goroutine at a time may use it; Kick may run beside Wait.
type Gate struct {
	file   *os.File // an epoll descriptor
	raw    syscall.RawConn
	fd     int
	armed  map[int32]bool // which are there; true if they may wake us
	kicked atomic.Bool
	events [16]unix.EpollEvent
}

// New makes a gate.
func New() (*Gate, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // only so that the runtime waits for it
		unix.Close(fd)
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	g := &Gate{file: os.NewFile(uintptr(fd), "gate"), fd: fd, armed: map[int32]bool{}}
	if g.raw, err = g.file.SyscallConn(); err == nil {
		err = g.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot wait
	}
	if err != nil {
		g.file.Close()
		return nil, fmt.Errorf("wait in the runtime's poller: %w", err)
	}
	return g, nil
}

// Wait waits until one of fds can be read, limit has passed or somebody kicks,
// and says in ready which of them can be read, by their place. A limit below 0
// is none. A descriptor that was closed since, and is another file's now, is
// taken for that. It must not be one that tells of a change only whoever asks first.
func (g *Gate) Wait(fds []int, limit time.Duration) (ready []bool, err error) {
	if err := g.arm(fds); err != nil {
		return nil, err
	}
	until := time.Time{}
	if limit >= 0 {
		until = time.Now().Add(limit)
	}
	g.file.SetReadDeadline(until)
	n := 0
	err = g.raw.Read(func(uintptr) bool {
		n, err = g.look()
		return n > 0 || err != nil || g.kicked.Load()
	})
	g.kicked.Store(false)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("wait: %w", err)
	}
	ready = make([]bool, len(fds))
	for _, e := range g.events[:n] {
		g.armed[e.Fd] = false // EPOLLONESHOT
		for i, fd := range fds {
			ready[i] = ready[i] || int32(fd) == e.Fd
		}
	}
	return ready, nil
}

// look asks what is ready, without waiting; so it needs nothing of the runtime.
func (g *Gate) look() (int, error) {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(g.fd), uintptr(unsafe.Pointer(&g.events[0])), uintptr(len(g.events)), 0, 0, 0)
	if err != 0 && err != unix.EINTR {
		return 0, err
	} else if err != 0 {
		n = 0
	}
	return int(n), nil
}

// arm lets fds wake us once each, and nothing else.
func (g *Gate) arm(fds []int) error {
	for fd, armed := range g.armed {
		wanted := false
		for _, f := range fds {
			wanted = wanted || int32(f) == fd
		}
		if armed && !wanted {
			g.armed[fd] = false
			if err := g.control(unix.EPOLL_CTL_MOD, fd, 0); err == unix.ENOENT || err == unix.EBADF {
				delete(g.armed, fd)
			}
		}
	}
	for _, f := range fds { // also those that are: the number may be another file's
		fd := int32(f)
		err := g.control(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN|unix.EPOLLONESHOT)
		if err == unix.ENOENT { // the first time, or it was closed meanwhile
			err = g.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLONESHOT)
		}
		if err != 0 {
			return fmt.Errorf("wait for a descriptor: %w", err)
		}
		g.armed[fd] = true
	}
	return nil
}

func (g *Gate) control(op int, fd int32, events uint32) syscall.Errno {
	e := unix.EpollEvent{Events: events, Fd: fd}
	_, _, err := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(g.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	return err
}

// Kick ends a Wait, or the next one.
func (g *Gate) Kick() {
	g.kicked.Store(true) // first: who sets another deadline asks for it next
	g.file.SetReadDeadline(time.Unix(1, 0))
}

// Close frees what it holds; Wait must have returned. Kick may still be called.
func (g *Gate) Close() error { return g.file.Close() }

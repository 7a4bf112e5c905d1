package fanotify

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Waker ends a poll(2) of one goroutine from others. Wake may be called at any
// time, also after Close.
type Waker struct {
	mu sync.Mutex
	fd int // -1 once closed
}

// NewWaker makes one; it holds one descriptor.
func NewWaker() (*Waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make an eventfd: %w", err)
	}
	return &Waker{fd: fd}, nil
}

// FD returns the descriptor to poll for input.
func (w *Waker) FD() int { return w.fd }

// Wake makes FD readable until Rest.
func (w *Waker) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		one := [8]byte{1, 0, 0, 0, 0, 0, 0, 1} // not zero and not all ones, in either byte order
		unix.Write(w.fd, one[:])
	}
}

// Rest makes FD unreadable again.
func (w *Waker) Rest() {
	var b [8]byte
	unix.Read(w.fd, b[:])
}

// Close frees the descriptor; the poll must have ended.
func (w *Waker) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

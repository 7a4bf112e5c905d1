package inotifyopen

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Watch is one inotify instance. Add and Remove are safe for concurrent use;
// Close must come last.
type Watch struct{ fd int }

// NewWatch makes an instance.
func NewWatch() (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make an inotify instance: %w", err)
	}
	return &Watch{fd}, nil
}

// Add watches what path names for mask and returns the watch's number. Adding
// the same object again replaces its mask.
func (w *Watch) Add(path string, mask uint32) (wd int32, err error) {
	n, err := unix.InotifyAddWatch(w.fd, path, mask)
	return int32(n), err
}

// Remove ends a watch; it may have ended already.
func (w *Watch) Remove(wd int32) { unix.InotifyRmWatch(w.fd, uint32(wd)) }

// Read fills buf with records for [Next]. It does not block: without any it
// returns [unix.EAGAIN]. buf must hold 272 bytes at least.
func (w *Watch) Read(buf []byte) (int, error) { return unix.Read(w.fd, buf) }

// FD returns the descriptor, for poll(2).
func (w *Watch) FD() int { return w.fd }

// Close ends every watch.
func (w *Watch) Close() error { return unix.Close(w.fd) }

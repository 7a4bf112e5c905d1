//go:build !linux

package tray

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"wormbell/internal/private"
)

// Session is the desktop session that the tray is in.
type Session struct{ lock *private.Lock }

// Join makes this process the only tray of the person. The error wraps
// [ErrRunning]. A desktop there always is.
func Join(func(string) string) (*Session, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a folder for the lock: %w", err)
	}
	dir = filepath.Join(dir, "wormbell")
	if err := private.Dir(dir); err != nil {
		return nil, err
	}
	lock, err := private.TryLock(filepath.Join(dir, "tray.lock"))
	if errors.Is(err, private.ErrLocked) {
		return nil, ErrRunning
	}
	if err != nil {
		return nil, err
	}
	return &Session{lock}, nil
}

// Holder is a process that poses as the tray: there is no such thing here.
type Holder struct {
	PID  int
	Name string
}

// Other returns nil.
func (s *Session) Other() *Holder { return nil }

// Shown reports whether something in the session shows icons: always.
func (s *Session) Shown() bool { return true }

// Ended is closed when the session has ended: the system ends us then.
func (s *Session) Ended() <-chan struct{} { return nil }

// Leave lets another tray in.
func (s *Session) Leave() error {
	s.lock.Release(true)
	return nil
}

// HasBrowser reports whether a page can be opened in a browser: always.
func HasBrowser(func(string) string, func(string) (string, error)) bool { return true }

// terminals are the programs that open a terminal window and run a command in
// it. macOS has none that takes a command with its arguments.
var terminals = map[string][][]string{"windows": {{"wt.exe", "--"}, {"conhost.exe"}}}[runtime.GOOS]

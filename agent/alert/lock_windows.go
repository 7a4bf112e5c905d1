package alert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lock is the claim of one agent on a state folder: a file opened with no
// sharing, which Windows lets go of with the process.
type lock struct{ handle windows.Handle }

func lockDir(dir string) (*lock, error) {
	name := filepath.Join(dir, "wormbelld.lock")
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", name, err)
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil,
		windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", name, &os.PathError{Op: "open", Path: name, Err: err})
	}
	return &lock{h}, nil
}

// holds is always true: Windows deletes no folder with an open file in it.
func (l *lock) holds(string) bool { return true }

func (l *lock) release() {
	if l != nil {
		windows.CloseHandle(l.handle)
	}
}

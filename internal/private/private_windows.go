package private

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow is nothing here: making a symbolic link needs a privilege that
// ordinary users do not have.
const noFollow = 0

// ours is always true: a file in a user's profile inherits that it is theirs.
func ours(os.FileInfo) bool { return true }

// syncDir does nothing: NTFS journals its folders.
func syncDir(string) error { return nil }

func openLock(path string) (*os.File, error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", path, err)
	}
	// Sharing deletion lets the holder remove it; nobody else can open it.
	h, err := windows.CreateFile(p, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil, fmt.Errorf("lock %q: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", path, err)
	}
	return os.NewFile(uintptr(h), path), nil
}

func closeLock(f *os.File) { f.Close() }

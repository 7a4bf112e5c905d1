//go:build !linux

package tree

import (
	"fmt"
	"io"
	"os"
)

// ReadFile returns the content of the regular file at path, which must be
// below a covered root, and what it was when it was opened. It opens no
// symbolic link, pipe or device. Files larger than limit bytes are
// [ErrNotRegular].
func (f *Feed) ReadFile(path string, limit int) ([]byte, Info, error) {
	if r := f.find(path); r == nil || r.backend == unseen {
		return nil, Info{}, fmt.Errorf("read %q: %w", path, ErrNotCovered)
	}
	before, err := os.Lstat(path)
	if err != nil {
		return nil, Info{}, err
	}
	info := infoOf(before)
	if !info.Regular || info.Size > int64(limit) {
		return nil, info, fmt.Errorf("read %q: %w", path, ErrNotRegular)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, info, err
	}
	defer file.Close()
	// It may have been exchanged in between.
	if after, err := file.Stat(); err != nil || !os.SameFile(before, after) {
		return nil, info, fmt.Errorf("read %q: %w", path, ErrNotRegular)
	}
	b, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err != nil {
		return nil, info, fmt.Errorf("read %q: %w", path, err)
	}
	if len(b) > limit {
		return nil, info, fmt.Errorf("read %q: %w", path, ErrNotRegular)
	}
	return b, info, nil
}

// Stat returns what is at path, which must be below a covered root; a
// symbolic link there is not followed.
func (f *Feed) Stat(path string) (Info, error) {
	if r := f.find(path); r == nil || r.backend == unseen {
		return Info{}, fmt.Errorf("stat %q: %w", path, ErrNotCovered)
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

// Readlink returns where the symbolic link at path points to, as it is written.
// path must be below a covered root. What is no link gives an error.
func (f *Feed) Readlink(path string) (string, error) {
	if r := f.find(path); r == nil || r.backend == unseen {
		return "", fmt.Errorf("read link %q: %w", path, ErrNotCovered)
	}
	return os.Readlink(path)
}

// infoOf makes do with the time of the content.
func infoOf(fi os.FileInfo) Info {
	return Info{Regular: fi.Mode().IsRegular(), Dir: fi.IsDir(), Stamp: Stamp{Size: fi.Size(), Changed: fi.ModTime()}}
}

// openDir opens a folder for listing.
func (f *Feed) openDir(path string) (*os.File, error) {
	if r := f.find(path); r == nil || r.backend == unseen {
		return nil, ErrNotCovered
	}
	if fi, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !fi.IsDir() {
		return nil, ErrNotRegular
	}
	return os.Open(path)
}

// Package private keeps files that are for one user alone: folders of mode
// 0700, files of mode 0600 that are replaced as a whole, and locks that end
// with the process that holds them.
//
// It follows no symbolic link to a file and does not know what is in one.
package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir makes the folder path, and those above it, if it is not there, and closes
// it to others. A symbolic link in its place, or a folder that belongs to
// somebody else, is an error.
func Dir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make %q: %w", path, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("look at %q: %w", path, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a folder", path)
	}
	if !ours(info) {
		return fmt.Errorf("%q belongs to somebody else", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o700); err != nil {
			return fmt.Errorf("close %q to others: %w", path, err)
		}
	}
	return nil
}

// Read returns what the file path holds. A file that is no regular file, not
// ours, or longer than limit bytes is an error; that it is not there is one
// that wraps [fs.ErrNotExist].
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, bare(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, bare(err))
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("read %q: not a regular file", path)
	case !ours(info):
		return nil, fmt.Errorf("read %q: belongs to somebody else", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, bare(err))
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read %q: longer than %d bytes", path, limit)
	}
	return b, nil
}

// Write makes or replaces the file path. Once it returns nil, data is on the
// disk; until then, whatever stood there. Only one caller at a time may write
// one path, see [Lock]. step, unless it is nil, is called with a name before
// each thing that is done, and at the end: tests die there.
func Write(path string, data []byte, step func(string)) (err error) {
	if step == nil {
		step = func(string) {}
	}
	step("write: make")
	// The name is always the same, so that what a killed process leaves is
	// replaced, not added to.
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %q: %w", path, bare(err))
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return fmt.Errorf("write %q: %w", path, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
			err = fmt.Errorf("write %q: %w", path, bare(err))
		}
	}()
	step("write: fill")
	if _, err := f.Write(data); err != nil {
		return err
	}
	step("write: sync")
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	step("write: rename")
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	step("write: sync folder")
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	step("write: end")
	return nil
}

// Remove removes the file path and what a killed [Write] left of it. That it is
// not there is no error.
func Remove(path string) error {
	for _, name := range []string{path + ".new", path} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %q: %w", name, bare(err))
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %q: %w", path, bare(err))
	}
	return nil
}

// ErrLocked is wrapped by the error of [TryLock] when another holds the lock.
var ErrLocked = errors.New("in use")

// Lock is a lock on a path between processes, and between its holders in one.
// It ends with the process, however that ends.
type Lock struct {
	path string
	file *os.File
}

// TryLock takes the lock path, a file that is made if it is not there, without
// waiting.
func TryLock(path string) (*Lock, error) {
	// A holder that removes the file as it lets go leaves those who opened it
	// before with a lock on nothing: look again under the name.
	for range 100 {
		f, err := openLock(path)
		if err != nil {
			return nil, err
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %q: %w", path, bare(err))
		}
		if now, err := os.Lstat(path); err == nil && os.SameFile(now, mine) {
			return &Lock{path, f}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("lock %q: it is replaced again and again", path)
}

// Release lets go of the lock; remove says that its file is not needed again.
func (l *Lock) Release(remove bool) {
	if l == nil || l.file == nil {
		return
	}
	if remove {
		os.Remove(l.path)
	}
	closeLock(l.file)
	l.file = nil
}

// bare returns what is wrong without the path, which the caller says.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

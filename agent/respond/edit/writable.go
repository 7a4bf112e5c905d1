package edit

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrUnwritable is wrapped by errors that say that a file could not be changed
// if that were asked for now.
var ErrUnwritable = errors.New("it cannot be changed")

// Writable reports why [Apply] could not change the file at path, as far as that
// can be told without opening or changing anything: the error wraps
// ErrUnwritable, or fs.ErrNotExist if there is no such file.
func Writable(path string) error {
	where, err := follow(path, false)
	if err != nil {
		return unwritable(path, err)
	}
	if err := where.mayReplace(); err != nil {
		return unwritable(path, err)
	}
	return nil
}

// Rehearse does all that Apply does but for putting the new file into the place
// of the old one, and removes it again: what it is let to do, Apply is too, as
// far as nothing changes in between. Its errors are those of Writable. The new
// file is as long as the old one and holds nothing of it.
func Rehearse(path string) error {
	if err := (files{}).rehearse(path); err != nil {
		return unwritable(path, err)
	}
	return nil
}

func (f files) rehearse(path string) (err error) {
	t, err := open(path)
	if err != nil {
		return err
	}
	defer t.close()
	// Before anything is made: in a folder to which one may only add, it could
	// not be removed again.
	if err := t.where.mayReplace(); err != nil {
		return err
	}
	t.clean()
	if t.info, err = t.file.Stat(); err != nil {
		return err
	}
	if err := t.where.mayWrite(t.folder, t.info); err != nil {
		return err
	}
	temp, err := f.temporary(t.folder, t.where.base, t.info.Mode().Perm()&0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.discard()) }()
	if err := f.fill(temp.file, make([]byte, len(t.data))); err != nil {
		return err
	}
	if err := dress(t.folder, t.file, t.info, temp.file); err != nil {
		return fmt.Errorf("give the new file the owner and the mode of the old: %w", err)
	}
	if err := temp.file.Sync(); err != nil {
		return err
	}
	return t.unchanged(path)
}

// unwritable says of path why it cannot be changed. The name of a temporary
// file, which an error may hold, says nothing to a person.
func unwritable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("change %q: %w", path, fs.ErrNotExist)
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return &unwritableError{path, err}
}

// unwritableError is an error of Writable and of Rehearse.
type unwritableError struct {
	path string
	err  error
}

func (e *unwritableError) Error() string {
	return fmt.Sprintf("%q cannot be changed: %v", e.path, e.err)
}

func (e *unwritableError) Unwrap() []error { return []error{ErrUnwritable, e.err} }

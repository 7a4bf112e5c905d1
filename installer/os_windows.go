package installer

import (
	"errors"
	"io/fs"
	"os"
)

// noFollow has no meaning here: making a symbolic link takes a right of its own.
const noFollow = 0

func ownedByUs(fs.FileInfo) bool { return true } // what lies in Program Files takes an administrator

func own(*os.File) error { return nil }

// replace moves a file to its place. A program that runs can be renamed and not
// replaced: it is moved aside first.
func replace(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		return nil
	}
	old := to + ".old"
	if rmErr := os.Remove(old); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		return errors.Join(err, rmErr)
	}
	if mvErr := os.Rename(to, old); mvErr != nil {
		return errors.Join(err, mvErr)
	}
	return os.Rename(from, to)
}

func syncDir(string) error { return nil } // NTFS keeps a journal of names

func (m *Machine) guarded(string) error { return nil } // as ownedByUs

// exposed says that it is not known: what others may write is in lists that are
// not read here.
func exposed(string) error { return errNotRead }

func exposedFile(string) error { return nil }

var errNotRead = errors.New("who may write there is not looked up on this system")

// lock does nothing yet: whoever installs twice at once finds a file in use.
func (m *Machine) lock() (unlock func(), err error) { return func() {}, nil }

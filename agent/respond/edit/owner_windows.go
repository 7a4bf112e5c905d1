package edit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// nonblock: there are no pipes in folders here.
const nonblock = 0

// place is where a path leads to.
type place struct{ dir, base string }

// follow resolves the symbolic links of path, which is a file's or a folder's; of
// a folder, dir is all of it.
func follow(path string, folder bool) (place, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return place{}, err
	}
	path, err = filepath.Abs(path)
	if folder {
		return place{dir: path}, err
	}
	return place{filepath.Dir(path), filepath.Base(path)}, err
}

// The access lists decide here who may do what.

func (place) mayRead(fs.FileInfo) error { return nil }

func (place) mayWrite(_ *os.Root, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errIrregular
	}
	return nil
}

func (place) mayWriteIn(*os.Root) error { return nil }

func (place) mayClean(fs.FileInfo) error { return nil }

func (place) give(*os.File) error { return nil }

// mayReplace reports why no other file can take the file's place, as far as that
// can be told without opening it.
func (p place) mayReplace() error {
	info, err := os.Lstat(filepath.Join(p.dir, p.base))
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o200 == 0 {
		return errReadOnly
	}
	return p.mayWrite(nil, info)
}

var errReadOnly = errors.New("it is marked read-only")

// dress gives file the access list of old.
func dress(folder *os.Root, old *os.File, info fs.FileInfo, file *os.File) error {
	if info.Mode().Perm()&0o200 == 0 {
		return errReadOnly
	}
	const kind, list = windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION
	sd, err := windows.GetSecurityInfo(windows.Handle(old.Fd()), kind, list)
	if err != nil {
		return err
	}
	acl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	// The handle of file has no right to change the list: by its name. The folder's
	// path is where it was opened.
	return windows.SetNamedSecurityInfo(filepath.Join(folder.Name(), filepath.Base(file.Name())), kind, list, nil, nil, acl, nil)
}

// sameOwner: the access lists decide here.
func sameOwner(_, _ fs.FileInfo) bool { return true }

// hold: nobody can remove an open file here.
func hold(*os.File) {}

// held: Remove refuses open files itself.
func held(*os.Root, string, fs.FileInfo) bool { return false }

// beforeRename closes the file: open ones cannot be renamed here.
func beforeRename(file *os.File) { file.Close() }

// syncFolder does nothing: NTFS writes its journal itself.
func syncFolder(*os.Root) error { return nil }

//go:build unix

package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFile opens without following a symlink and without waiting for the other
// end of a pipe.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("it is a symlink")
	}
	if err != nil {
		return nil, bare(err)
	}
	return f, nil
}

func openFolder(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, bare(err)
	}
	return f, nil
}

// owner is the uid of whose a file is, -1 if that is not known.
func owner(st fs.FileInfo) int {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(sys.Uid)
	}
	return -1
}

// judge says who may have written a file for it to be believed: for root's
// agent root alone, for a user's the user, root and the user's groups.
func judge(root bool) func(fs.FileInfo) error {
	return func(st fs.FileInfo) error {
		uid, mode := owner(st), st.Mode().Perm()
		switch {
		case root && uid != 0, !root && uid != 0 && uid != os.Geteuid():
			return fmt.Errorf("it belongs to uid %d", uid)
		case root && mode&0o022 != 0, mode&0o002 != 0:
			return fmt.Errorf("others may write it (mode %04o)", mode)
		}
		return nil
	}
}

// rootsFolder returns nil if dir is a folder of which nobody but root can
// change what is in it, nor what its name leads to.
func rootsFolder(dir string) error {
	real, err := resolve(dir, 0)
	if err != nil {
		return err
	}
	st, err := os.Lstat(real)
	if err != nil {
		return bare(err)
	}
	if st.Mode().Perm()&0o022 != 0 { // sticky or not: others could add to it
		return fmt.Errorf("others may write the folder %q (mode %04o)", real, st.Mode().Perm())
	}
	return nil
}

// maxLinks is how many symlinks may be on the way to a folder, as in
// path_resolution(7).
const maxLinks = 40

// resolve returns the folder that dir leads to, without symlinks, if everything
// on the way is root's. A folder on the way that others may write is so only if
// it is sticky: what of root's is in it they can neither rename nor remove.
func resolve(dir string, links int) (string, error) {
	if links > maxLinks {
		return "", fmt.Errorf("too many symlinks lead to %q", dir)
	}
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	if parent == dir {
		return dir, rootsAlone(dir)
	}
	parent, err := resolve(parent, links)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(parent, filepath.Base(dir))
	st, err := os.Lstat(dir)
	if err != nil {
		return "", bare(err)
	}
	if st.Mode()&fs.ModeSymlink == 0 {
		return dir, rootsAlone(dir)
	}
	if uid := owner(st); uid != 0 {
		return "", fmt.Errorf("the symlink %q belongs to uid %d", dir, uid)
	}
	to, err := os.Readlink(dir)
	if err != nil {
		return "", bare(err)
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(parent, to)
	}
	return resolve(to, links+1)
}

// rootsAlone returns nil if dir is a folder of root's in which others cannot
// replace what root put there.
func rootsAlone(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return bare(err)
	}
	uid, mode := owner(st), st.Mode().Perm()
	switch {
	case !st.IsDir():
		return fmt.Errorf("%q is no folder", dir)
	case uid != 0:
		return fmt.Errorf("the folder %q belongs to uid %d", dir, uid)
	case mode&0o022 != 0 && st.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("others may write the folder %q (mode %04o)", dir, mode)
	}
	return nil
}

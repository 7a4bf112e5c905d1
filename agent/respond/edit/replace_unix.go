//go:build unix

package edit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mayReplace reports why no other file can take the file's place, without
// opening it: who may write in its folder, whether its disk is mounted
// read-only (access(2) answers EROFS), and what pins a file to its name.
func (p place) mayReplace() error {
	path := filepath.Join(p.dir, p.base)
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	folder, err := os.OpenRoot(p.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := p.mayWrite(folder, info); err != nil {
		return err
	}
	// By the effective user, who will write; a folder is written to and gone through.
	if err := unix.Faccessat(unix.AT_FDCWD, p.dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("its folder, in which the new file is made: %w", err)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS); err != nil {
		return err
	}
	for _, at := range []struct{ path, what string }{{p.dir, "its folder"}, {path, "it"}} {
		if why := pinned(at.path); why != "" {
			return errors.New(at.what + " " + why)
		}
	}
	return nil
}

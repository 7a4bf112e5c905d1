//go:build unix

package installer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// noFollow opens no symbolic link and waits for nobody at a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC

// ownedByUs reports whether a file is that of the user we are: of root, but in tests.
func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// own gives a file that we made to our group: a folder may hand down its own.
func own(f *os.File) error { return f.Chown(os.Geteuid(), os.Getegid()) }

// replace moves a file to its place, whatever is there.
func replace(from, to string) error { return os.Rename(from, to) }

// syncDir makes what was renamed in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// guarded reports, as an error, that others than root could replace what lies in
// dir: the agent would then not believe the programs in it, and should not. What
// root does there could be led elsewhere by a symbolic link.
func (m *Machine) guarded(dir string) error {
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		info, err := os.Lstat(m.path(d))
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if !ownedByUs(info) {
				return fmt.Errorf("%q is not root's", d)
			}
			if err := m.leads(m.path(d)); err != nil {
				return err
			}
		} else if err == nil {
			if err := rootsAlone(d, info); err != nil {
				return err
			}
		}
		if d == "/" || d == "." || !strings.Contains(d, "/") {
			return nil
		}
	}
}

// leads reports, as guarded, what is wrong with where a symbolic link leads.
func (m *Machine) leads(link string) error {
	to, err := filepath.EvalSymlinks(link)
	if err != nil {
		return err
	}
	top := "/"
	if m.Root != "" {
		if top, err = filepath.EvalSymlinks(m.Root); err != nil {
			return err
		}
		if !under(to, top) {
			return fmt.Errorf("%q leads out of %q", link, m.Root)
		}
	}
	for d := to; ; d = filepath.Dir(d) {
		info, err := os.Lstat(d)
		if err != nil {
			return err
		}
		if err := rootsAlone(d, info); err != nil || d == top {
			return err
		}
	}
}

func rootsAlone(dir string, info fs.FileInfo) error {
	switch {
	case !ownedByUs(info):
		return fmt.Errorf("%q is not root's", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others than root may write in %q (mode %v)", dir, info.Mode().Perm())
	}
	return nil
}

// exposed reports, as an error, that others than root could change what lies in
// dir, a folder of this machine. In a folder with the sticky bit, such as /tmp,
// root's own entries are safe.
func exposed(dir string) error {
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for d := top; ; d = filepath.Dir(d) {
		info, err := os.Lstat(d)
		if err != nil {
			return err
		}
		if sticky := info.Mode()&fs.ModeSticky != 0 && ownerOf(info) == 0 && d != top; !sticky {
			if err := alone(d, info); err != nil {
				return err
			}
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// exposedFile is exposed for a file whose folder was looked at.
func exposedFile(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return alone(path, info)
}

// alone is rootsAlone, also for us who are not root, as in tests.
func alone(path string, info fs.FileInfo) error {
	if ownerOf(info) == 0 && info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	return rootsAlone(path, info)
}

// ownerOf returns the uid of a file's owner, -1 if it is not known.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// lock keeps another installer away until unlock is called. The file is in a
// folder of root's and goes with the lock: nobody else can hold it.
func (m *Machine) lock() (unlock func(), err error) {
	dir := "/run"
	if m.OS == "darwin" {
		dir = "/var/run"
	}
	name := filepath.Join(m.path(dir), "wormbell-install.lock")
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			return func() {}, nil // a folder that is no running machine
		}
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, ErrBusy
			}
			return nil, fmt.Errorf("lock %q: %w", name, err)
		}
		mine, err := f.Stat()
		now, statErr := os.Lstat(name)
		if err == nil && statErr == nil && os.SameFile(mine, now) {
			return func() {
				os.Remove(name) // while it is ours
				f.Close()
			}, nil
		}
		f.Close() // who had it has just removed it
	}
}

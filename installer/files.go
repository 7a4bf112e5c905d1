package installer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is one file to put.
type File struct {
	Path string // on the machine, absolute
	Mode fs.FileMode
	Data []byte // what it holds
	kind kind
}

// kind is to which step of the plan a file belongs.
type kind int

const (
	extra kind = iota // completions, man pages, entries of menus
	program
	unit
	autostart
)

// maxFile is how long a file may be that is copied or compared, in bytes: the
// agent's database is among them.
const maxFile = 512 << 20

// temporary is what a file is called until it is complete.
const temporary = ".wormbell-new-*"

// openRegular opens a regular file, through no symbolic link at its end.
func openRegular(path string) (*os.File, error) {
	in, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		err = fmt.Errorf("read %q: not a regular file of at most %d MB", path, maxFile>>20)
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// sum returns the SHA-256 of what f is to hold, in hexadecimal digits.
func (f File) sum() string {
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:])
}

func digest(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(r, maxFile)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sumOf returns the SHA-256 of the regular file at path.
func sumOf(path string) (string, error) {
	in, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	return digest(in)
}

// there reports whether f is on the machine as it should be.
func (m *Machine) there(f File) (bool, error) {
	info, err := os.Lstat(m.path(f.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.IsDir():
		return false, fmt.Errorf("%q is a folder", f.Path)
	case !info.Mode().IsRegular(), m.OS != "windows" && info.Mode().Perm() != f.Mode, !ownedByUs(info):
		return false, nil
	}
	have, err := sumOf(m.path(f.Path))
	return have == f.sum(), err
}

// staged is a file that lies beside its place and waits to be moved there.
type staged struct {
	File
	temp string
}

// stage writes what f is to hold beside its place.
func (m *Machine) stage(f File) (staged, error) {
	s := staged{File: f}
	to := m.path(f.Path)
	out, err := os.CreateTemp(filepath.Dir(to), temporary)
	if err != nil {
		return s, err
	}
	s.temp = out.Name()
	_, err = out.Write(f.Data)
	if err == nil {
		err = out.Chmod(f.Mode)
	}
	if err == nil {
		err = own(out)
	}
	if err == nil {
		err = out.Sync() // or a crash could leave a program of no length in place of one that works
	}
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(s.temp)
		return s, fmt.Errorf("write %q: %w", f.Path, err)
	}
	return s, nil
}

// sweep removes what an installation that was killed has left in dir.
func (m *Machine) sweep(dir string) {
	list, err := filepath.Glob(filepath.Join(m.path(dir), temporary))
	if err != nil {
		return // the folder's name is no pattern: what is left there does no harm
	}
	for _, name := range list {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && ownedByUs(info) {
			_ = os.Remove(name) // as above
		}
	}
}

// folders makes the folder dir and those above it, for all to look into, and
// returns the ones that were not there, the highest first.
func (m *Machine) folders(dir string, mode fs.FileMode) (made []string, err error) {
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(m.path(d))
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%q is not a folder", d)
		}
		if err == nil || d == filepath.Dir(d) {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		missing = append(missing, d)
	}
	slices.Reverse(missing)
	for _, d := range missing {
		perm := fs.FileMode(0o755)
		if d == dir {
			perm = mode
		}
		if err := os.Mkdir(m.path(d), perm); err != nil {
			return made, err
		}
		made = append(made, d)
		if err := os.Chmod(m.path(d), perm); err != nil { // whatever the umask
			return made, err
		}
	}
	return made, nil
}

// unmake removes folders that were made, if nothing is in them.
func (m *Machine) unmake(made []string) error {
	var errs []error
	for _, d := range slices.Backward(made) {
		err := os.Remove(m.path(d))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !notEmpty(m.path(d)) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func notEmpty(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && len(list) > 0
}

// previous is where what is replaced is kept until the new agent answers.
func (m *Machine) previous() string { return filepath.Join(m.State, previousName) }

// kept is the name under which a replaced file is kept.
func kept(path string) string {
	return strings.NewReplacer("/", "%2F", `\`, "%5C", ":", "%3A", "%", "%25").Replace(path)
}

// keep copies what is at path to where it is kept, unless an installation that
// was interrupted has kept it: then what is at path is not what worked. It
// reports whether there is something to put back.
func (m *Machine) keep(path string) (bool, error) {
	from, to := m.path(path), filepath.Join(m.path(m.previous()), kept(path))
	if exists(to) {
		return true, nil
	}
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return false, err
		}
		return true, os.Symlink(target, to)
	}
	return true, copyFile(from, to)
}

// copyFile copies a regular file with its mode, durably, and never half.
func copyFile(from, to string) error {
	in, err := openRegular(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(to), temporary)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close())
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		os.Remove(out.Name())
		return fmt.Errorf("copy %q to %q: %w", from, to, err)
	}
	return syncDir(filepath.Dir(to))
}

// putBack moves what was kept of path to its place again, or removes what is
// there if there was nothing.
func (m *Machine) putBack(path string, had bool) error {
	to, from := m.path(path), filepath.Join(m.path(m.previous()), kept(path))
	if !had {
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Symlink(target, to)
	}
	return copyFile(from, to) // not moved: if this is interrupted, it is still kept
}

// put is the job that puts files in place and removes those that an older
// version had. What is in the way is kept first. Folders that it makes are added
// to note.
func (m *Machine) put(files []File, obsolete []string, note *[]string) func(context.Context) (func(context.Context) error, error) {
	return func(ctx context.Context) (func(context.Context) error, error) {
		type change struct {
			path string
			had  bool
		}
		var changed []change
		var made []string
		var waiting []staged
		undo := func(context.Context) error {
			var errs []error
			for _, s := range waiting {
				if err := os.Remove(s.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
			for _, c := range slices.Backward(changed) {
				err := m.putBack(c.path, c.had)
				if err == nil && c.had {
					err = os.Remove(filepath.Join(m.path(m.previous()), kept(c.path)))
				}
				errs = append(errs, err)
			}
			_ = os.Remove(m.path(m.previous())) // unless more is in it
			return errors.Join(append(errs, m.unmake(made))...)
		}
		for _, f := range files {
			m.sweep(filepath.Dir(f.Path)) // before the first of ours is there
		}
		for _, f := range files {
			more, err := m.folders(filepath.Dir(f.Path), 0o755)
			made = append(made, more...)
			if err != nil {
				return undo, fmt.Errorf("make the folder of %q: %w", f.Path, err)
			}
			s, err := m.stage(f)
			if s.temp != "" {
				waiting = append(waiting, s)
			}
			if err != nil {
				return undo, err
			}
		}
		if err := os.MkdirAll(m.path(m.previous()), 0o700); err != nil {
			return undo, fmt.Errorf("make a folder for what is replaced: %w", err)
		}
		for _, s := range waiting {
			had, err := m.keep(s.Path)
			if err != nil {
				return undo, fmt.Errorf("keep %q: %w", s.Path, err)
			}
			changed = append(changed, change{s.Path, had})
			if err := replace(s.temp, m.path(s.Path)); err != nil {
				return undo, fmt.Errorf("put %q: %w", s.Path, err)
			}
			if err := syncDir(filepath.Dir(m.path(s.Path))); err != nil {
				return undo, fmt.Errorf("put %q: %w", s.Path, err)
			}
		}
		for _, path := range obsolete {
			had, err := m.keep(path)
			if err != nil {
				return undo, fmt.Errorf("keep %q: %w", path, err)
			}
			changed = append(changed, change{path, had})
			if err := os.Remove(m.path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return undo, fmt.Errorf("remove %q: %w", path, err)
			}
		}
		*note = append(*note, made...)
		return undo, nil
	}
}

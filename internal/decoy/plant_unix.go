//go:build unix

package decoy

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
)

// Put is a decoy that was planted.
type Put struct {
	File wormbell.Planted
	Made string // the folder, with ~, that was made for it; "" if there was one
}

// Plant writes text into a new file at p, with ~, in the home folder, of the mode
// 0600 and of the age given. Nothing that is there is touched, and no symbolic
// link followed. The error wraps [ErrUnfit] if nothing was tried: the folder
// belongs to a project or to somebody else, or leads elsewhere.
func Plant(home, p string, text []byte, age time.Time) (put Put, err error) {
	names, err := split(p)
	if err != nil {
		return put, err
	}
	if len(text) > maxText {
		return put, fmt.Errorf("the text is longer than %d bytes", maxText)
	}
	dir, made, err := enter(home, names[:len(names)-1], true)
	if err != nil {
		return put, err
	}
	defer unix.Close(dir)
	if made {
		put.Made = Folder(p)
	}
	name := names[len(names)-1]
	defer func() {
		if err != nil && made {
			leave(home, put.Made)
		}
	}()
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return put, fmt.Errorf("plant %q: %w", p, err)
	}
	f := os.NewFile(uintptr(fd), p)
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o600) // whatever the umask is
	}
	if err == nil {
		at := unix.NsecToTimeval(age.UnixNano())
		err = unix.Futimes(fd, []unix.Timeval{at, at})
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		put.File, err = planted(fd)
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		unix.Unlinkat(dir, name, 0)
		return put, fmt.Errorf("plant %q: %w", p, err)
	}
	return put, nil
}

// Remove takes the decoy at p, with ~, away, and the folder that was made for it
// if nothing else is in it. The error is [ErrChanged] if another file lies there
// or somebody has written to it, and wraps [os.ErrNotExist] if none does.
func Remove(home, p string, put Put) error {
	dir, name, err := find(home, p, put.File)
	if err != nil {
		return err
	}
	err = unix.Unlinkat(dir, name, 0)
	unix.Close(dir)
	if err != nil {
		return fmt.Errorf("remove %q: %w", p, err)
	}
	if put.Made != "" && put.Made == Folder(p) {
		leave(home, put.Made)
	}
	return nil
}

// leave removes a folder that was made, with ~, if it is empty.
func leave(home, made string) {
	names, err := split(made)
	if err != nil {
		return
	}
	if up, _, err := enter(home, names[:len(names)-1], false); err == nil {
		unix.Unlinkat(up, names[len(names)-1], unix.AT_REMOVEDIR) // which says no if something is in it
		unix.Close(up)
	}
}

// Check returns nil if the file at p, with ~, is the planted one and can be
// removed; it opens nothing. Errors are as those of [Remove].
func Check(home, p string, file wormbell.Planted) error {
	dir, _, err := find(home, p, file)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Faccessat(dir, ".", unix.W_OK|unix.X_OK, 0); err != nil {
		return fmt.Errorf("remove %q: %w", p, err)
	}
	return nil
}

// find opens the folder in which the planted file lies at p, with ~, and returns
// its name there.
func find(home, p string, file wormbell.Planted) (dir int, name string, err error) {
	names, err := split(p)
	if err != nil {
		return -1, "", err
	}
	dir, _, err = enter(home, names[:len(names)-1], false)
	if err != nil {
		return -1, "", err
	}
	name = names[len(names)-1]
	now, err := plantedAt(dir, name)
	switch {
	case errors.Is(err, ErrChanged) || err == nil && !file.Same(now):
		err = ErrChanged
	case err != nil:
		err = fmt.Errorf("look at %q: %w", p, err)
	default:
		return dir, name, nil
	}
	unix.Close(dir)
	return -1, "", err
}

// Look returns what tells the file at p, with ~, from every other one.
func Look(home, p string) (file wormbell.Planted, err error) {
	names, err := split(p)
	if err != nil {
		return file, err
	}
	dir, _, err := enter(home, names[:len(names)-1], false)
	if err != nil {
		return file, err
	}
	defer unix.Close(dir)
	return plantedAt(dir, names[len(names)-1])
}

// enter opens the folder that names lead to from home, following no link. With
// create the last one is made if it is not there, and the folder must be fit for
// a decoy.
func enter(home string, names []string, create bool) (dir int, made bool, err error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	real, err := filepath.EvalSymlinks(home)
	if err != nil {
		return -1, false, fmt.Errorf("find the home: %w", err)
	}
	dir, err = unix.Open(real, flags, 0)
	if err != nil {
		return -1, false, fmt.Errorf("open %q: %w", home, err)
	}
	fail := func(err error) (int, bool, error) {
		unix.Close(dir)
		return -1, false, err
	}
	if create {
		for up := filepath.Dir(real); ; up = filepath.Dir(up) {
			if worktree(up) {
				return fail(fmt.Errorf("%w: the home lies in a git work tree", ErrUnfit))
			}
			if up == filepath.Dir(up) {
				break
			}
		}
		if why := unfit(dir, "~"); why != nil {
			return fail(why)
		}
	}
	tilde := "~"
	for i, name := range names {
		tilde = path.Join(tilde, name)
		next, err := unix.Openat(dir, name, flags, 0)
		if errors.Is(err, unix.ENOENT) && create && i == len(names)-1 {
			if err = unix.Mkdirat(dir, name, 0o700); err == nil {
				made = true
				next, err = unix.Openat(dir, name, flags, 0)
			}
		}
		switch {
		case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
			return fail(fmt.Errorf("%w: %s is no folder but a link or a file", ErrUnfit, tilde))
		case err != nil:
			return fail(fmt.Errorf("open %q: %w", tilde, err))
		}
		unix.Close(dir)
		dir = next
		if create {
			if why := unfit(dir, tilde); why != nil {
				return fail(why)
			}
		}
	}
	return dir, made, nil
}

// worktree reports whether the folder at dir is the root of a git work tree.
func worktree(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// unfit says why a decoy must not lie in dir, nil if it may: it would be
// committed, published or read by others.
func unfit(dir int, tilde string) error {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return fmt.Errorf("look at %q: %w", tilde, err)
	}
	switch {
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: %s belongs to somebody else", ErrUnfit, tilde)
	case st.Mode&0o002 != 0:
		return fmt.Errorf("%w: everybody may write %s", ErrUnfit, tilde)
	}
	for _, name := range []string{".git", "package.json"} {
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			what := "is a git work tree: the decoy could be committed"
			if !strings.HasPrefix(name, ".") {
				what = "is a project: the decoy could be published"
			}
			return fmt.Errorf("%w: %s %s", ErrUnfit, tilde, what)
		}
	}
	if slices.Contains(strings.Split(tilde, "/"), "node_modules") {
		return fmt.Errorf("%w: %s is a package", ErrUnfit, tilde)
	}
	return nil
}

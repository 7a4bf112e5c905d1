//go:build unix

package edit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// nonblock keeps an open of a pipe from waiting for its other end (open(2)).
const nonblock = unix.O_NONBLOCK | unix.O_NOCTTY

// place is where a path leads to.
type place struct {
	dir, base string // dir holds no symbolic link
	owner     int    // uid who must own what is changed
}

var errOwner = errors.New("it belongs to another user")

// follow resolves the symbolic links of path, which is a file's or a folder's; of
// a folder, dir is all of it.
//
// For root the way matters: a user could lead it to a file of root's or of
// another user's. So the folders and links on the way belong to root and at most
// one other user, and if there is one, what is changed must be that user's.
func follow(path string, folder bool) (place, error) {
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return place{}, err
		}
		path = here + "/" + path // not filepath.Abs: ".." after a link goes up from where it leads
	}
	p := place{owner: os.Geteuid()}
	root := p.owner == 0
	todo := parts(path)
	at := "/"
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return place{}, err
		}
		if id := owner(info); root && id > 0 && (folder || len(todo) > 0 || info.Mode()&fs.ModeSymlink != 0) {
			if p.owner > 0 && p.owner != id {
				return place{}, fmt.Errorf("the way to it, %q: %w", next, errOwner)
			}
			p.owner = id
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(todo) == 0 && !folder {
				p.dir, p.base = at, name
				return p, nil
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return place{}, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		to, err := os.Readlink(next)
		if err != nil {
			return place{}, err
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		todo = append(parts(to), todo...)
		if len(todo) > 4096 { // a path has 4096 bytes at most (PATH_MAX)
			return place{}, &fs.PathError{Op: "open", Path: path, Err: syscall.ENAMETOOLONG}
		}
	}
	if !folder {
		return place{}, errIrregular // it ended at "/"
	}
	p.dir = at
	return p, nil
}

// parts are the names in a path. "." stays: of a file that is followed by it
// there is none.
func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// mayRead: root reads nothing that another user led it to. For all others the
// kernel decides.
func (p place) mayRead(info fs.FileInfo) error {
	if os.Geteuid() == 0 && p.owner != 0 && owner(info) != p.owner {
		return errOwner
	}
	return nil
}

// mayWrite reports why the file may not be replaced.
func (p place) mayWrite(folder *os.Root, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errIrregular
	}
	if owner(info) != p.owner {
		return errOwner
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Nlink > 1 {
		return errors.New("it has several names (hard links), of which the others would keep the old value")
	}
	return p.mayWriteIn(folder)
}

// mayWriteIn reports why no file may be made in the folder.
func (p place) mayWriteIn(folder *os.Root) error {
	dir, err := folder.Stat(".")
	if err != nil {
		return err
	}
	if dir.Mode().Perm()&0o002 != 0 {
		return errors.New("everybody may write in its folder")
	}
	// What root's way was checked for could have been exchanged since.
	if os.Geteuid() == 0 && owner(dir) != p.owner {
		return fmt.Errorf("its folder: %w", errOwner)
	}
	return nil
}

func (p place) mayClean(info fs.FileInfo) error {
	if id := owner(info); id != p.owner && id != os.Geteuid() {
		return errOwner
	}
	return nil
}

// give makes a new file the user's when root made it.
func (p place) give(file *os.File) error {
	if os.Geteuid() != 0 || p.owner == 0 {
		return nil
	}
	return file.Chown(p.owner, -1)
}

// dress gives file the owner, group, mode and extended attributes of old. The
// owner first: chown(2) takes mode bits away.
func dress(_ *os.Root, old *os.File, info fs.FileInfo, file *os.File) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the system does not tell who owns it")
	}
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	if !sameOwner(mine, info) {
		if err := file.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := file.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return err
	}
	return copyAttributes(int(old.Fd()), int(file.Fd()))
}

// owner returns the uid that owns a file, -1 if that cannot be told.
func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func sameOwner(a, b fs.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, also := b.Sys().(*syscall.Stat_t)
	return ok && also && x.Uid == y.Uid && x.Gid == y.Gid
}

// hold locks a temporary file for as long as it is open, so that another
// process's clean does not take it for a crash's.
func hold(file *os.File) { unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// held reports whether a living process holds the file.
func held(folder *os.Root, name string, info fs.FileInfo) bool {
	f, err := folder.OpenFile(name, os.O_WRONLY|nonblock, 0)
	if err != nil {
		return false // not even its owner may open it (mode 0400): nobody works on it, or on Linux root would not be here
	}
	defer f.Close()
	now, err := f.Stat()
	return err != nil || !os.SameFile(info, now) || errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func beforeRename(*os.File) {}

// syncFolder makes a rename survive a power cut (fsync(2)).
func syncFolder(folder *os.Root) error {
	dir, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems have no such thing
		return fmt.Errorf("it is written, but may be lost if the power goes: %w", err)
	}
	return nil
}

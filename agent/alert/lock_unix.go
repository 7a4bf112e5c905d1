//go:build unix

package alert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock is the claim of one agent on a state folder. It is an flock on the
// folder itself, so it can neither be deleted nor replaced, works on a
// read-only file system, and ends with the process that holds it. A file
// beside the database says whose it is.
type lock struct{ dir, file *os.File }

func lockDir(dir string) (*lock, error) {
	d, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	info, err := d.Stat()
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("look at state folder: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		d.Close()
		return nil, fmt.Errorf("state folder %q belongs to uid %d, not to uid %d", dir, st.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := closeDir(d, dir, info.Mode()); err != nil {
			d.Close()
			return nil, err
		}
	}
	name := filepath.Join(dir, "wormbelld.lock")
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock state folder %q: %w", dir, err)
		}
		return nil, fmt.Errorf("%w: %s%s", ErrLocked, dir, holder(name))
	}
	l := &lock{dir: d}
	// Best effort: without it the claim holds, only the name is missing.
	if f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0o600); err == nil {
		l.file = f
		if f.Truncate(0) == nil {
			fmt.Fprintf(f, "%d\n", os.Getpid())
		}
	}
	return l, nil
}

// closeDir makes a state folder private if nothing but ours is in it. Any other
// is somebody's: /tmp and /var/lib must not be closed to everybody because they
// were named by mistake. Our files are private by themselves, so it is enough
// that nobody else can put files there.
func closeDir(d *os.File, dir string, mode os.FileMode) error {
	names, err := d.Readdirnames(100)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("look into state folder: %w", err)
	}
	for _, n := range names {
		if strings.HasPrefix(n, "wormbell") || strings.HasPrefix(n, "enrolled-tools.json") {
			continue
		}
		if mode.Perm()&0o022 != 0 {
			return fmt.Errorf("others can write in %q, and it holds %q: choose a state folder of its own", dir, n)
		}
		return nil
	}
	if err := d.Chmod(0o700); err != nil && !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("make state folder private: %w", err)
	}
	return nil
}

// holder names the process that wrote name, "" if that cannot be told.
func holder(name string) string {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" && strings.Trim(pid, "0123456789") == "" {
		return " (pid " + pid + ")"
	}
	return ""
}

// holds reports whether the folder at dir is the one that is locked.
func (l *lock) holds(dir string) bool {
	now, err := os.Lstat(dir)
	mine, err2 := l.dir.Stat()
	return err == nil && err2 == nil && os.SameFile(now, mine)
}

func (l *lock) release() {
	if l == nil {
		return
	}
	if l.file != nil {
		l.file.Truncate(0)
		l.file.Close()
	}
	// Closing is not enough: a child on its way to exec holds a copy a moment longer.
	syscall.Flock(int(l.dir.Fd()), syscall.LOCK_UN)
	l.dir.Close()
}

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func self() int { return os.Geteuid() }

func identify(c net.Conn) (*peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a unix socket")
	}
	return peerOf(u)
}

// listen makes the socket at path. Everything is done relative to a descriptor
// of the folder, which is checked first, and never through a symlink: the folder
// may be where others can write, as in /tmp. The socket is made under another
// name with its final mode and then renamed, so that it never exists half made.
func listen(path string, system bool) (net.Listener, func(), error) {
	dir, err := openFolder(filepath.Dir(path), system)
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Base(path)
	lock, err := claim(dir, path, name)
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	l, err := bind(dir, path, name, system)
	if err != nil {
		unlock(lock)
		dir.Close()
		return nil, nil, err
	}
	var mine unix.Stat_t
	unix.Fstatat(int(dir.Fd()), name, &mine, unix.AT_SYMLINK_NOFOLLOW)
	remove := func() {
		l.Close()
		var now unix.Stat_t
		if unix.Fstatat(int(dir.Fd()), name, &now, unix.AT_SYMLINK_NOFOLLOW) == nil && now.Ino == mine.Ino && now.Dev == mine.Dev {
			unix.Unlinkat(int(dir.Fd()), name, 0)
		}
		unlock(lock)
		dir.Close()
	}
	return l, remove, nil
}

// unlock closes the lock file. That alone would leave it locked for as long as
// a child on its way to exec holds a copy.
func unlock(f *os.File) {
	unix.Flock(int(f.Fd()), unix.LOCK_UN)
	f.Close()
}

// openFolder opens the socket's folder, makes it if it is not there, and refuses
// one in which others could swap the socket.
func openFolder(dir string, system bool) (*os.File, error) {
	mode := fs.FileMode(0o700)
	if system {
		mode = 0o755
	}
	made := false
	if err := os.Mkdir(dir, mode); err == nil {
		made = true
	} else if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, mode); err != nil {
			return nil, fmt.Errorf("make the socket's folder: %w", err)
		}
		made = true
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the socket's folder: %w", err)
	}
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the socket's folder: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		uid := owner(info)
		switch {
		case uid != os.Geteuid() && uid != 0:
			err = fmt.Errorf("the socket's folder %q belongs to uid %d", dir, uid)
		case uid == os.Geteuid() && made:
			err = f.Chmod(mode) // the umask may have taken too much
		case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
			err = fmt.Errorf("others can write in the socket's folder %q", dir)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// free returns [ErrInUse] if a living agent serves path, and why path cannot be
// served otherwise; nil if its folder is not there yet.
func free(path string) error {
	dir, err := os.OpenFile(filepath.Dir(path), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the socket's folder: %w", err)
	}
	defer dir.Close()
	if server := server(dir, filepath.Base(path)); server != "" {
		return fmt.Errorf("%w: %s%s", ErrInUse, path, server)
	}
	return nil
}

// claim makes sure that no living agent serves path. The lock decides between
// two that start at once; it goes with its process.
func claim(dir *os.File, path, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name+".lock", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path+".lock", err)
	}
	lock := os.NewFile(uintptr(fd), path+".lock")
	if info, err := lock.Stat(); err != nil || !info.Mode().IsRegular() || owner(info) != os.Geteuid() {
		lock.Close()
		return nil, fmt.Errorf("%q is not a file of ours", path+".lock")
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s%s", ErrInUse, path, server(dir, name))
		}
		return nil, fmt.Errorf("lock %q: %w", path+".lock", err)
	}
	var st unix.Stat_t
	err = unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return lock, nil
	case err != nil:
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		err = fmt.Errorf("%q is there already and is no socket", path)
	case server(dir, name) != "":
		err = fmt.Errorf("%w: %s%s", ErrInUse, path, server(dir, name))
	default:
		return lock, nil
	}
	unlock(lock)
	return nil, err
}

// server names who serves the socket, "" if nobody does.
func server(dir *os.File, name string) string {
	c, err := net.DialTimeout("unix", at(dir, name), time.Second)
	if err != nil {
		if errors.Is(err, unix.EAGAIN) || os.IsTimeout(err) {
			return " (a process that does not answer)"
		}
		return ""
	}
	defer c.Close()
	p, err := identify(c)
	if err != nil {
		return " (a process that cannot be told)"
	}
	p.close()
	return fmt.Sprintf(" (pid %d)", p.pid)
}

// at is the path of name in dir that no rename can lead elsewhere, and that is
// short enough for a socket wherever dir is (108 bytes, unix(7)).
func at(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

func bind(dir *os.File, path, name string, system bool) (net.Listener, error) {
	if len(name) > 60 || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("%q is no name for a socket", name)
	}
	tmp := fmt.Sprintf(".%s.%d", name, os.Getpid())
	unix.Unlinkat(int(dir.Fd()), tmp, 0) // of an agent with our PID that died in between
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // the listener has its own copy
	// Linux gives the file the socket's mode less the umask: closed to others
	// from the first moment.
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return nil, fmt.Errorf("close the socket to others: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: at(dir, tmp)}); err != nil {
		return nil, fmt.Errorf("make socket %q: %w", path, err)
	}
	err = unix.Listen(fd, maxOverall)
	if err == nil && system {
		err = openToAll(dir, tmp)
	}
	if err == nil {
		err = unix.Renameat(int(dir.Fd()), tmp, int(dir.Fd()), name)
	}
	if err != nil {
		unix.Unlinkat(int(dir.Fd()), tmp, 0)
		return nil, fmt.Errorf("make socket %q: %w", path, err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return l, nil
}

// openToAll gives the socket mode 0666, through a descriptor that can be
// nothing but it.
func openToAll(dir *os.File, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != os.Geteuid() {
		return errors.New("somebody swapped it")
	}
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), 0o666)
}

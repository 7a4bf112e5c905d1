package api

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// file is what is judged of a file.
type file struct {
	id      fileID
	owner   int
	regular bool
	folder  bool
	sticky  bool
	open    bool // its group or everybody may write it; with an access list the group's bits are its mask
}

// fileID says whether two names are of one file.
type fileID struct{ dev, ino uint64 }

// look describes what is at name, and a symlink rather than what it leads to.
func look(name string) (file, error) { return lookAt(name, unix.AT_SYMLINK_NOFOLLOW) }

// exeOf describes the file that a process runs. The link in /proc leads to the
// file itself, whatever it is called and whatever the process has mounted over it.
func exeOf(pid int) (file, error) { return lookAt("/proc/"+strconv.Itoa(pid)+"/exe", 0) }

// lookAt asks no file system that may not answer: a caller may run a program
// from one of its own (FUSE).
func lookAt(name string, flags int) (file, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, name, flags|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st)
	if err != nil {
		return file{}, fmt.Errorf("look at %q: %w", name, err)
	}
	mode := uint32(st.Mode)
	return file{
		id:    fileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino},
		owner: int(st.Uid), regular: mode&unix.S_IFMT == unix.S_IFREG, folder: mode&unix.S_IFMT == unix.S_IFDIR,
		sticky: mode&unix.S_ISVTX != 0, open: mode&(unix.S_IWGRP|unix.S_IWOTH) != 0,
	}, nil
}

// static reports whether the program at name, which is as found, is run
// without a loader: elf(5), PT_INTERP.
func static(name string, found file) (bool, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("open %q: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if now, err := lookAt("/proc/self/fd/"+strconv.Itoa(fd), 0); err != nil || now.id != found.id {
		return false, fmt.Errorf("%q was replaced meanwhile", name)
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return false, fmt.Errorf("read %q: %w", name, err)
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			return false, nil
		}
	}
	return true, nil
}

// undisturbed returns nil if nobody but root can make the peer do what its
// program does not: no debugger has hold of it, and, for a caller that is not
// root, none of the same user can take hold. Such a process has made itself
// undumpable (prctl(2), PR_SET_DUMPABLE), which shows in that its files in
// /proc belong to root (proc(5)). First that, then who traces it: in between
// nobody can have begun to.
//
// An agent that is not root can ask this of nobody: it may not even see what
// an undumpable process runs.
func undisturbed(p *peer) error {
	if p.uid != 0 && os.Geteuid() == 0 {
		status, err := look("/proc/" + strconv.Itoa(p.pid) + "/status")
		if err != nil {
			return err
		}
		if status.owner != 0 {
			return errNotOurs("other programs of yours could read its memory")
		}
	}
	tasks := "/proc/" + strconv.Itoa(p.pid) + "/task"
	dir, err := os.Open(tasks)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxThreads)
	if err != nil {
		return fmt.Errorf("list %q: %w", tasks, err)
	}
	if len(names) == maxThreads {
		return errNotOurs("it has more threads than our programs do")
	}
	for _, name := range names { // a debugger has hold of threads, and of memory through any of them
		switch by, err := tracer(tasks + "/" + name); {
		case errors.Is(err, os.ErrNotExist): // it has ended
		case err != nil:
			return err
		case by != "0":
			return errNotOurs("a debugger has hold of it")
		}
	}
	return nil
}

// hiddenName returns the name that the program pid gives itself, proc_pid_status(5).
// It is an error if that does not hide what it runs from us, is another user's
// than ours, or a debugger has hold of it.
func hiddenName(pid int) (string, error) {
	if _, err := exeOf(pid); !errors.Is(err, os.ErrPermission) {
		return "", errNotOurs("it does not hide what it runs")
	}
	dir := "/proc/" + strconv.Itoa(pid)
	self := strconv.Itoa(os.Geteuid())
	if ids, err := statusField(dir, "Uid"); err != nil {
		return "", err
	} else if f := strings.Fields(ids); len(f) != 4 || f[0] != self || f[1] != self || f[2] != self {
		return "", errNotOurs("it is another user's")
	}
	if by, err := tracer(dir); err != nil {
		return "", err
	} else if by != "0" {
		return "", errNotOurs("a debugger has hold of it")
	}
	return statusField(dir, "Name")
}

// hiddenArgs returns the arguments of a program that hides what it runs, which
// everybody may read, proc_pid_cmdline(5); nil if they cannot be read or are
// longer than ours ever are.
func hiddenArgs(pid int) []string {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 8 << 10
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil || len(b) == 0 || len(b) > most {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// maxThreads is far above what a Go program of ours has.
const maxThreads = 1000

// tracer reads the TracerPid of a thread, proc_pid_status(5).
func tracer(task string) (string, error) { return statusField(task, "TracerPid") }

// statusField reads a field of the status of a process or thread, which is the
// folder task in /proc.
func statusField(task, key string) (string, error) {
	f, err := os.Open(task + "/status")
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 8<<10))
	if err != nil {
		return "", err
	}
	_, rest, ok := bytes.Cut(append([]byte{'\n'}, b...), []byte("\n"+key+":\t"))
	value, _, end := bytes.Cut(rest, []byte{'\n'})
	if !ok || !end {
		return "", fmt.Errorf("%q does not say %s", f.Name(), key)
	}
	return string(value), nil
}

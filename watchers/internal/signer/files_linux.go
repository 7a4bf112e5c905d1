package signer

import (
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/fanotify"
	"wormbell/watchers/internal/tree"
)

// mounts knows which mounts are of file systems whose answers may never come:
// ours, or those that another process sees.
type mounts struct {
	root  string  // what "/" means to who sees them
	list  string  // the table of mounts; see proc_pid_mountinfo(5)
	outer *mounts // ours; nil if these are

	mu    sync.Mutex      // guards the rest
	watch *os.File        // list, kept open as it tells of changes; nil for none
	slows map[uint64]bool // by the mount's ID
	// points are the places of mounts, and whether what is mounted there, last, is slow.
	points map[string]bool
	// overlays are the devices of the overlays. One asks the file systems that
	// it is made of, and in a mount namespace of their own anybody may make one.
	overlays map[string]bool
}

// slowTypes are the file systems that ask somebody else: a server, a host or a
// program of the user's. Not complete, hence a prefix for FUSE. And proc, where
// a name such as /dev/fd/3 means another file to us than to who was given it.
var slowTypes = map[string]bool{"proc": true, "autofs": true, "nfs": true, "nfs4": true, "cifs": true, "smb3": true, "smbfs": true, "9p": true, "virtiofs": true,
	"ceph": true, "afs": true, "coda": true, "ncpfs": true, "lustre": true, "glusterfs": true, "beegfs": true, "gfs2": true, "ocfs2": true, "orangefs": true, "vboxsf": true}

func (m *mounts) open() {
	m.root, m.list = "/", "/proc/thread-self/mountinfo"
	m.mu.Lock()
	defer m.mu.Unlock()
	// It is readable "with priority" once after mounts change. Not by os.Open:
	// Go's poller would look first, and then it is so no more.
	if f, err := openFlags(m.list, unix.O_RDONLY|unix.O_CLOEXEC); err == nil {
		m.watch = f
	}
	m.read()
}

// mountsOf are the mounts that a process sees.
func mountsOf(pid int, ours *mounts) *mounts {
	dir := "/proc/" + pidName(pid)
	return &mounts{root: dir + "/root", list: dir + "/mountinfo", outer: ours}
}

// close may be called again: a descriptor's number is somebody else's soon.
func (m *mounts) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watch != nil {
		m.watch.Close()
		m.watch = nil
	}
}

// slow reports whether a mount is of a slow file system. Something in it is
// held open, so its ID is not another's meanwhile. One that is in no table is
// slow: it is detached, or hidden.
func (m *mounts) slow(id uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refresh()
	slow, known := m.slows[id]
	if !known && m.outer != nil {
		return m.outer.slow(id)
	}
	return slow || !known
}

// overlay reports whether an overlay is among the mounts, by its device.
func (m *mounts) overlay(dev string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refresh()
	return m.overlays[dev]
}

// refresh reads the table if it has changed. m.mu is held.
func (m *mounts) refresh() {
	if m.watch == nil {
		m.read()
	} else if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(m.watch.Fd()), Events: unix.POLLPRI}}, 0); n > 0 {
		m.read()
	}
}

// tableMax bounds a table of mounts; one of a machine full of containers has 200 KB.
const tableMax = 8 << 20

func (m *mounts) read() {
	m.slows, m.points, m.overlays = map[uint64]bool{}, map[string]bool{}, map[string]bool{}
	f, err := os.Open(m.list)
	if err != nil {
		return
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, tableMax))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		for i := 6; i+1 < len(f); i++ {
			if f[i] != "-" {
				continue
			}
			if id, err := strconv.ParseUint(f[0], 10, 64); err == nil {
				kind := f[i+1]
				slow := slowTypes[kind] || strings.HasPrefix(kind, "fuse")
				if kind == "overlay" {
					m.overlays[f[2]] = true
					slow = m.outer != nil && !m.outer.overlay(f[2])
				}
				m.slows[id], m.points[tree.Unescape(f[4])] = slow, slow
			}
			break
		}
	}
}

// spot is one place on the way along a path: a descriptor, which stays what it
// is whatever is renamed or mounted meanwhile.
type spot struct {
	fd     int
	mount  uint64
	status status
}

func (s spot) close() { unix.Close(s.fd) }

func (s spot) readlink() (string, error) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlinkat(s.fd, "", buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// open opens what is there for reading.
func (s spot) open(dir bool) (*os.File, error) {
	name := "/proc/self/fd/" + strconv.Itoa(s.fd)
	if dir {
		return openFlags(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	}
	return openFlags(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY)
}

// top is the folder that a path begins at.
func (m *mounts) top() (spot, error) {
	return m.look(unix.AT_FDCWD, m.root, unix.O_DIRECTORY, 0)
}

// enter takes one step. It asks no file system that is slow: O_PATH opens nothing
// (open(2)), but of the root of a mount NFS asks its server even so whether it is still
// the same. So a step to another mount is taken only if the table does not call it slow.
func (m *mounts) enter(at spot, component string) (spot, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV}
	fd, err := unix.Openat2(at.fd, component, &how)
	switch {
	case err == nil:
		return m.stand(fd, at.mount)
	case errors.Is(err, unix.EXDEV):
		if dir, err := os.Readlink(fanotify.ProcFD(at.fd)); err != nil || m.slowAt(path.Join(dir, component)) {
			return spot{}, ErrSlow
		}
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM): // an old kernel, or a filter that does not know the call
	default:
		return spot{}, err
	}
	return m.look(at.fd, component, unix.O_NOFOLLOW, at.mount)
}

// slowAt reports whether the table has a slow file system mounted at a path.
func (m *mounts) slowAt(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refresh()
	slow, known := m.points[name]
	if !known && m.outer != nil {
		return m.outer.slowAt(name)
	}
	return slow
}

func (m *mounts) look(dir int, name string, flags int, mount uint64) (spot, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return spot{}, err
	}
	return m.stand(fd, mount)
}

// stand makes a spot of what was opened; mount is that of the spot before. It
// closes fd if there is an error.
func (m *mounts) stand(fd int, mount uint64) (spot, error) {
	s := spot{fd: fd}
	var st unix.Statx_t
	var err error
	if err = statx(fd, "", unix.AT_EMPTY_PATH, &st); err == nil {
		s.mount, s.status = st.Mnt_id, statusOf(&st)
		if st.Mask&unix.STATX_MNT_ID == 0 || s.mount != mount && m.slow(s.mount) {
			err = ErrSlow
		}
	}
	if err != nil {
		s.close()
		return spot{}, err
	}
	return s, nil
}

// statx describes a file by what the kernel knows of it, without asking
// anybody: a program's file system may never answer.
func statx(dir int, name string, flags int, st *unix.Statx_t) error {
	return unix.Statx(dir, name, flags|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME|unix.STATX_MNT_ID, st)
}

// status is the part of a file's status that we judge.
type status struct {
	mode  uint32
	uid   uint32
	links uint32
	born  int64 // 0 where that is not known
	Ident
}

func statusOf(st *unix.Statx_t) status {
	nano := func(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }
	born := int64(0)
	if st.Mask&unix.STATX_BTIME != 0 {
		born = nano(st.Btime)
	}
	return status{uint32(st.Mode), st.Uid, st.Nlink, born, Ident{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, int64(st.Size), nano(st.Mtime), nano(st.Ctime)}}
}

func (s *status) kind() uint32  { return s.mode & unix.S_IFMT }
func (s *status) regular() bool { return s.kind() == unix.S_IFREG }
func (s *status) dir() bool     { return s.kind() == unix.S_IFDIR }
func (s *status) symlink() bool { return s.kind() == unix.S_IFLNK }
func (s *status) root() bool    { return s.uid == 0 }
func (s *status) owner() int    { return int(s.uid) }
func (s *status) open() bool    { return s.mode&unix.S_IWOTH != 0 }
func (s *status) names() int    { return int(s.links) }
func (s *status) made() int64   { return s.born }

// rootOnly: a sticky folder is not enough, everybody may put files there. With
// an access list the group's bits are its mask, so it shows as well.
func (s *status) rootOnly() bool { return s.uid == 0 && s.mode&(unix.S_IWGRP|unix.S_IWOTH) == 0 }

func openFlags(name string, flags int) (*os.File, error) {
	fd, err := unix.Open(name, flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

package signer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// look looks at every file of a folder and of the folders in it. It reads none,
// stays on the folder's mount, and follows no symlink.
func (f *Files) look(dir string, g glance) (whole, error) {
	at, found, err := f.mounts.walk(dir)
	if err != nil {
		return whole{}, err
	}
	defer at.close()
	if !found.Dir || found.Path != dir {
		return whole{}, errNotFolder
	}
	// Through what was looked at, and not by its name.
	fd, err := unix.Openat(at.fd, ".", folderFlags, 0)
	if err != nil {
		return whole{}, err
	}
	l := looker{glance: g, mount: at.mount, sum: sha256.New()}
	l.entry(&at.status)
	if err := l.folder(fd, 0); err != nil { // closes it
		return l.whole, err
	}
	l.Sum = hex.EncodeToString(l.sum.Sum(nil))
	return l.whole, nil
}

// folderFlags open a folder to list it, and nothing else.
const folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// looker is one look.
type looker struct {
	whole
	glance
	mount uint64
	files int
	sum   hash.Hash
	buf   []byte
	path  []byte // of the file that is looked at, below the folder
}

// depthMax is deeper than packages are nested in a package manager.
const depthMax = 32

func (l *looker) folder(fd, depth int) error {
	defer unix.Close(fd)
	if depth == depthMax {
		return errWholeMax
	}
	names, err := l.list(fd)
	if err != nil {
		return err
	}
	slices.Sort(names)
	dir := len(l.path)
	defer func() { l.path = l.path[:dir] }()
	for _, name := range names {
		if aside(string(l.path[:dir]), name) || l.own && dir == 0 && name == modules {
			continue
		}
		if l.files++; l.files > wholeMax {
			return errWholeMax
		}
		if !l.until.IsZero() && l.files%64 == 0 && time.Now().After(l.until) {
			return errLate
		}
		var st unix.Statx_t
		if err := statx(fd, name, unix.AT_SYMLINK_NOFOLLOW, &st); err != nil {
			return err
		}
		s := statusOf(&st)
		l.path = l.path[:dir]
		if dir > 0 {
			l.path = append(l.path, '/')
		}
		l.path = append(l.path, name...)
		l.entry(&s)
		if st.Mask&unix.STATX_MNT_ID == 0 || st.Mnt_id != l.mount {
			return errMounted
		}
		if !s.dir() {
			continue
		}
		below, err := unix.Openat(fd, name, folderFlags, 0)
		if err != nil {
			return err
		}
		if err := l.folder(below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names in a folder.
func (l *looker) list(fd int) (names []string, err error) {
	var buf [8 << 10]byte
	for {
		n, err := unix.ReadDirent(fd, buf[:])
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
		if len(names) > wholeMax {
			return nil, errWholeMax
		}
	}
}

// entry takes in what a file is: its name, and what changes with it. Not its
// device, whose number may be another after a restart of the machine.
func (l *looker) entry(s *status) {
	l.add(l.path, s, l.glance)
	b := binary.LittleEndian.AppendUint32(l.buf[:0], uint32(len(l.path)))
	b = append(b, l.path...)
	b = binary.LittleEndian.AppendUint32(b, s.mode)
	b = binary.LittleEndian.AppendUint32(b, s.uid)
	for _, n := range []uint64{s.Ino, uint64(s.Size), uint64(s.Mtime), uint64(s.Ctime)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	l.sum.Write(b)
	l.buf = b
}

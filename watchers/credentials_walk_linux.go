package watchers

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/internal/decoy"
	"wormbell/watchers/internal/fanotify"
	"wormbell/watchers/internal/tree"
)

// Bounds of one walk.
const (
	maxLinks   = 16   // symbolic links on the way to one file
	maxEntries = 4096 // entries of a folder that are matched with a pattern
	maxMatches = 256  // of them that are guarded, and files of one pattern
)

// errAbsent says that there is nothing by that name yet.
var errAbsent = errors.New("absent")

// cannotGuard says why something that is there is not guarded, in a few words
// for a person.
type cannotGuard string

func (e cannotGuard) Error() string { return string(e) }

// notOn says that a file system is not one of this machine's.
func notOn(fs string) error {
	return cannotGuard("on a file system that cannot be guarded (" + fs + ")")
}

// place is a file or folder held by a descriptor that allows nothing but
// asking (O_PATH).
type place struct {
	fd   int
	real string // its path, free of symbolic links
	st   unix.Statx_t
}

func (p *place) id() fanotify.ID       { return fanotify.Identify(&p.st) }
func (p *place) is(format uint16) bool { return p.st.Mode&unix.S_IFMT == format }

// walk looks for the files that one pattern means and arms what it passes. It
// goes one name at a time and asks nothing of a file system before it knows
// that it is a local one: others may not answer.
type walk struct {
	k     *keeper
	p     *guardPattern
	index int // of p
	open  []int
	found []wormbell.Guarded
	names map[string][]guardedName
	files int // that the pattern led to
}

// run does the walk.
func (w *walk) run() {
	defer w.closeFrom(0)
	if fs := w.k.mounts.above(w.p.home.Dir); !localFS(fs) { // also to go there would be to ask
		w.tell(w.p.path, notOn(fs))
		return
	}
	home, err := w.enter(unix.AT_FDCWD, w.p.home.Dir, w.p.home.Dir)
	switch {
	case err == nil && home.is(unix.S_IFDIR):
		w.descend(home, "~", w.p.segs)
	case err == nil:
		w.tell(w.p.path, cannotGuard("the home is not a folder"))
	default:
		w.tell(w.p.path, err)
	}
	if !hasPattern(w.p.path) {
		return
	}
	// Where a folder might be any, those without the file are not worth a line each.
	w.found = slices.DeleteFunc(w.found, func(g wormbell.Guarded) bool { return g.State == wormbell.GuardAbsent })
	if len(w.found) == 0 {
		w.tell(w.p.path, errAbsent)
	}
}

// descend looks for segs below dir, which people call tilde.
func (w *walk) descend(dir *place, tilde string, segs []string) {
	seg, rest := segs[0], segs[1:]
	last := len(rest) == 0
	// Arm first, look then: what appears in between is told by an event.
	var names []guardedName
	if last && w.folders() {
		names = []guardedName{{seg: seg, store: w.p.store, home: w.p.home, folder: tilde}}
	}
	w.arm(dir, seg, names)
	if !hasPattern(seg) {
		w.step(dir, seg, tilde, rest)
		return
	}
	matches, more, err := list(dir, seg)
	if last {
		matches = slices.DeleteFunc(matches, w.p.store.Harmless)
	}
	if err != nil {
		w.tell(w.p.path, err)
		return
	}
	for _, name := range matches {
		if w.files >= maxMatches {
			more = true
			break
		}
		mark := len(w.open)
		w.step(dir, name, tilde, rest)
		w.closeFrom(mark)
	}
	if more {
		w.tell(w.p.path, cannotGuard(whyMany))
	} else if len(matches) == 0 {
		w.tell(tilde+"/"+strings.Join(segs, "/"), errAbsent)
	}
}

// whyMany is why the rest of the files that a pattern means is not guarded.
const whyMany = "too many files match"

// folders reports whether opens in the folder of the file matter, too. What else
// comes to be called like a decoy is none.
func (w *walk) folders() bool { return w.p.decoy == nil && !w.p.store.Alone }

// step goes on with one name of dir.
func (w *walk) step(dir *place, name, tilde string, rest []string) {
	tilde += "/" + name
	whole := strings.Join(append([]string{tilde}, rest...), "/")
	at, in, err := w.follow(dir, name, len(rest) == 0 && w.folders(), tilde)
	switch {
	case err != nil:
		w.tell(whole, err)
	case len(rest) > 0 && at.is(unix.S_IFDIR):
		w.descend(at, tilde, rest)
	case len(rest) > 0:
		w.tell(whole, errAbsent)
	default:
		w.files++
		w.tell(whole, w.guard(at, in, tilde))
	}
}

// guard arms one file.
func (w *walk) guard(at, in *place, tilde string) error {
	switch {
	case !at.is(unix.S_IFREG):
		return cannotGuard("not a regular file")
	case int(at.st.Uid) != w.p.home.UID && (at.st.Uid != 0 || !strings.HasPrefix(at.real, w.p.home.Dir+"/")):
		return cannotGuard("belongs to another user") // a link may lead to /etc/ld.so.cache, which everybody opens
	}
	if d := w.p.decoy; d != nil {
		if real := path.Join(append([]string{w.p.home.Dir}, w.p.segs...)...); at.real != real || !d.File.Same(decoy.Of(&at.st)) {
			w.k.c.book.strikeDecoy(w.p.home, tilde) // not what lies there now: that may be a credential
			return cannotGuard(decoyChanged)
		}
	}
	return w.k.guard(at, in, guardedFile{home: w.p.home, path: tilde, decoy: w.p.decoy != nil})
}

// decoyChanged is why a decoy is not guarded any more: what a person has made of
// it since is theirs.
const decoyChanged = "it is no longer the file that was planted"

// tell adds a line to the list of guarded files.
func (w *walk) tell(file string, err error) {
	var why cannotGuard
	switch {
	case err == nil:
		w.found = append(w.found, w.p.guarded(file, wormbell.GuardOn, ""))
	case errors.Is(err, errAbsent):
		w.found = append(w.found, w.p.guarded(file, wormbell.GuardAbsent, ""))
	case errors.As(err, &why):
		w.found = append(w.found, w.p.guarded(file, wormbell.GuardNot, string(why)))
	default:
		w.found = append(w.found, w.p.guarded(file, wormbell.GuardNot, "cannot be looked at: "+reason(err)))
	}
}

// reason is the innermost text of an error: no path of it is told.
func reason(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return "unknown"
}

// arm has changes of name in dir noticed, and opens of the files that names
// mean.
func (w *walk) arm(dir *place, name string, names []guardedName) {
	w.k.byName(dir, name, w.index)
	inside := dir.real == w.p.home.Dir || strings.HasPrefix(dir.real, w.p.home.Dir+"/")
	own := int(dir.st.Uid) == w.p.home.UID && w.p.home.UID != 0
	switch {
	case inside, own:
	case dir.st.Uid == 0 && dir.st.Mode&0o022 == 0:
		// A link leads to a folder of the system. Its changes are few, but its
		// opens may be everybody's: only the file itself is marked.
		w.k.folder(dir, false)
		return
	default:
		return // somebody else's, or everybody's: the next verification looks again
	}
	for _, n := range names {
		w.names[dir.real] = append(w.names[dir.real], n)
		w.k.c.book.addName(dir.real, n)
	}
	w.k.folder(dir, len(names) > 0)
}

// follow goes to name in dir, through symbolic links. in is the folder that
// holds what it arrives at.
func (w *walk) follow(dir *place, name string, last bool, tilde string) (at, in *place, err error) {
	cur, todo, links := dir, []string{name}, 0
	for len(todo) > 0 {
		name, todo = todo[0], todo[1:]
		if name == "" || name == "." {
			continue
		}
		if links > 0 { // dir itself is armed already
			var names []guardedName
			if last && len(todo) == 0 {
				names = []guardedName{{seg: name, store: w.p.store, home: w.p.home, as: tilde}}
			}
			w.arm(cur, name, names)
		}
		real := path.Join(cur.real, name)
		next, err := w.enter(cur.fd, name, real)
		if err != nil {
			return nil, nil, err
		}
		if !next.is(unix.S_IFLNK) {
			in, cur = cur, next
			continue
		}
		if links++; links > maxLinks {
			return nil, nil, cannotGuard("too many symbolic links")
		}
		var buf [unix.PathMax]byte
		n, err := unix.Readlinkat(next.fd, "", buf[:])
		if err != nil {
			return nil, nil, fmt.Errorf("read a link: %w", err)
		}
		target := string(buf[:n])
		if path.IsAbs(target) {
			if cur, err = w.enter(unix.AT_FDCWD, "/", "/"); err != nil {
				return nil, nil, err
			}
		}
		todo = append(strings.Split(target, "/"), todo...)
		for len(todo) > 0 && (todo[len(todo)-1] == "" || todo[len(todo)-1] == ".") {
			todo = todo[:len(todo)-1] // so that the last name is known as such
		}
	}
	if in == nil {
		return nil, nil, cannotGuard("not a regular file") // a link to "/"
	}
	return cur, in, nil
}

// enter opens name in the folder dirfd, following nothing.
func (w *walk) enter(dirfd int, name, real string) (*place, error) {
	if fs := w.k.mounts.at(real); fs != "" && !localFS(fs) {
		return nil, notOn(fs) // NFS looks again at the top of a mount whoever comes there
	}
	fd, err := unix.Openat(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG):
		return nil, errAbsent
	case err != nil:
		return nil, fmt.Errorf("look at a file: %w", err)
	}
	w.open = append(w.open, fd)
	p := &place{fd: fd, real: real}
	const flags = unix.AT_EMPTY_PATH | unix.AT_STATX_DONT_SYNC
	if err := unix.Statx(fd, "", flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME|unix.STATX_MNT_ID, &p.st); err != nil {
		return nil, fmt.Errorf("look at a file: %w", err)
	}
	if p.is(unix.S_IFREG) || p.is(unix.S_IFDIR) {
		if fs := w.k.mounts.kind(p.st.Mnt_id); !localFS(fs) {
			return nil, notOn(fs)
		}
	}
	return p, nil
}

func (w *walk) closeFrom(n int) {
	for _, fd := range w.open[n:] {
		unix.Close(fd)
	}
	w.open = w.open[:n]
}

// list returns the names in dir that match seg, and whether there are more
// than are looked at.
func list(dir *place, seg string) (names []string, more bool, err error) {
	fd, err := unix.Openat(dir.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, fmt.Errorf("list a folder: %w", err)
	}
	d := os.NewFile(uintptr(fd), "folder")
	defer d.Close()
	all, _ := d.Readdirnames(maxEntries)
	slices.Sort(all)
	for _, name := range all {
		if matchName(seg, name) {
			names = append(names, name)
		}
	}
	if len(names) > maxMatches {
		return names[:maxMatches], true, nil
	}
	return names, len(all) == maxEntries, nil
}

// mounts knows the kinds of the mounted file systems, from the kernel's table
// rather than by statfs(2), which a file system may never answer.
type mounts struct {
	kinds  map[uint64]string // by the ID of the mount
	points map[string]string // by where it is mounted
}

// kind returns the type of the file system of a mount, "unknown" if it is in
// no table.
func (m *mounts) kind(id uint64) string {
	if kind, ok := m.kinds[id]; ok {
		return kind
	}
	m.read()
	if kind, ok := m.kinds[id]; ok {
		return kind
	}
	return "unknown"
}

// at returns the type of what is mounted at path, "" if nothing is.
func (m *mounts) at(path string) string {
	if m.points == nil {
		m.read()
	}
	return m.points[path]
}

// above returns the type of the file system that path, which is absolute and has
// no symbolic links in it, lies on.
func (m *mounts) above(p string) string {
	for ; ; p = path.Dir(p) {
		if fs := m.at(p); fs != "" {
			return fs
		}
		if p == "/" || p == "." {
			return "" // the table of a chroot may not tell of its root
		}
	}
}

// forget makes the next question read the table anew.
func (m *mounts) forget() { m.kinds, m.points = nil, nil }

// read reads /proc/self/mountinfo, see proc_pid_mountinfo(5).
func (m *mounts) read() {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return
	}
	defer f.Close()
	m.kinds, m.points = make(map[uint64]string), make(map[string]string)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		number, _, ok2 := strings.Cut(before, " ")
		kind, _, ok3 := strings.Cut(after, " ")
		if id, err := strconv.ParseUint(number, 10, 64); ok && ok2 && ok3 && err == nil {
			m.kinds[id] = kind
			if len(fields) > 4 {
				m.points[tree.Unescape(fields[4])] = kind // the last one covers the others
			}
		}
	}
}

// notLocal are file systems whose files are answered for by another machine or
// another process, and those that hold no files of a person.
var notLocal = []string{
	"unknown", "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "lustre", "gpfs", "ncpfs", "autofs",
	"proc", "sysfs", "devtmpfs", "devpts", "debugfs", "tracefs", "securityfs", "cgroup", "cgroup2", "bpf", "configfs", "mqueue",
	"pstore", "efivarfs", "hugetlbfs", "binfmt_misc", "rpc_pipefs", "selinuxfs", "nsfs",
}

func localFS(kind string) bool {
	return !slices.Contains(notLocal, kind) && !strings.HasPrefix(kind, "fuse")
}

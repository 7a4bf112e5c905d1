package watchers

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"wormbell/internal/stores"
	"wormbell/watchers/internal/fanotify"
)

// guardedFile is what is told of a guarded file.
type guardedFile struct {
	home Home
	path string // with ~; the name it is guarded by, whatever name it is opened by
	// decoy says that it is one, and so a credential's by no name.
	decoy bool
}

// guardedName is a name that is guarded in one folder, whether there is such a
// file or not.
type guardedName struct {
	seg    string // may hold a pattern
	store  *stores.Store
	home   Home
	folder string // with ~
	as     string // with ~: the symbolic link that leads here; "" if the name itself is guarded
}

// means reports whether a file of this name in the folder is guarded.
func (n *guardedName) means(base string) bool { return means(n.store, n.seg, base) }

func (n *guardedName) file(base string) guardedFile {
	if n.as != "" {
		return guardedFile{home: n.home, path: n.as}
	}
	return guardedFile{home: n.home, path: n.folder + "/" + base}
}

// maxBook bounds the files that are remembered. Those that were replaced are
// kept: another link to them, or a descriptor, may still lead to the secret.
const maxBook = 4096

// guardBook is what the keeper knows and the answering path asks. A look into
// it takes no lock.
type guardBook struct {
	view atomic.Pointer[guardView]

	mu    sync.Mutex // serializes changes
	order []fanotify.ID
}

// guardView is one state of the book; it never changes.
type guardView struct {
	files map[fanotify.ID]guardedFile
	dirs  map[string][]guardedName // by the folder's path, free of symbolic links
	bases map[string]bool          // names guarded in any folder
	metas []string                 // the same for patterns
}

func newGuardBook() *guardBook {
	b := &guardBook{}
	b.view.Store(&guardView{})
	return b
}

// enroll makes a file known by its identity.
func (b *guardBook) enroll(id fanotify.ID, f guardedFile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := *b.view.Load()
	old, known := v.files[id]
	if known && (old == f || old.decoy && !f.decoy) {
		return
	}
	v.files = maps.Clone(v.files)
	if v.files == nil {
		v.files = make(map[fanotify.ID]guardedFile)
	}
	v.files[id] = f
	if !known {
		b.order = append(b.order, id)
		if len(b.order) > maxBook {
			i := b.leastUse(v.files)
			delete(v.files, b.order[i])
			b.order = slices.Delete(b.order, i, i+1)
		}
	}
	b.view.Store(&v)
}

// leastUse returns which of order is to be forgotten: the oldest in the folder that
// has most of all, as anybody can make files there that are called like a credential,
// and of those one that has its name no longer. b.mu is held.
func (b *guardBook) leastUse(files map[fanotify.ID]guardedFile) int {
	type folder struct {
		home Home
		dir  string
	}
	of := func(id fanotify.ID) folder { return folder{files[id].home, path.Dir(files[id].path)} }
	count := map[folder]int{}
	var most folder
	for _, id := range b.order {
		f := of(id)
		if count[f]++; count[f] > count[most] {
			most = f
		}
	}
	first := -1
	const looks = 2 * maxMatches // more have no name at a time
	for i, n := 0, 0; i < len(b.order) && n < looks; i++ {
		id := b.order[i]
		if of(id) != most {
			continue
		}
		if first < 0 {
			first = i
		}
		n++
		if unnamed(most.home.Dir+strings.TrimPrefix(files[id].path, "~"), id) {
			return i
		}
	}
	return max(first, 0)
}

// strike makes a file unknown.
func (b *guardBook) strike(id fanotify.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := *b.view.Load()
	if _, ok := v.files[id]; !ok {
		return
	}
	v.files = maps.Clone(v.files)
	delete(v.files, id)
	b.order = slices.DeleteFunc(b.order, func(o fanotify.ID) bool { return o == id })
	b.view.Store(&v)
}

// strikeDecoy makes the decoy at a path unknown.
func (b *guardBook) strikeDecoy(home Home, path string) {
	for id, f := range b.view.Load().files {
		if f == (guardedFile{home: home, path: path, decoy: true}) {
			b.strike(id)
		}
	}
}

// addName makes a name known in the folder at dir.
func (b *guardBook) addName(dir string, n guardedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := *b.view.Load()
	if slices.Contains(v.dirs[dir], n) {
		return
	}
	dirs := maps.Clone(v.dirs)
	if dirs == nil {
		dirs = make(map[string][]guardedName)
	}
	dirs[dir] = append(slices.Clone(dirs[dir]), n)
	b.setDirs(&v, dirs)
}

// setNames replaces the names of all folders.
func (b *guardBook) setNames(dirs map[string][]guardedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := *b.view.Load()
	b.setDirs(&v, dirs)
}

func (b *guardBook) setDirs(v *guardView, dirs map[string][]guardedName) {
	v.dirs, v.bases, v.metas = dirs, make(map[string]bool), nil
	for _, names := range dirs {
		for _, n := range names {
			if hasPattern(n.seg) {
				v.metas = append(v.metas, n.seg)
			} else {
				v.bases[n.seg] = true
			}
		}
	}
	slices.Sort(v.metas)
	v.metas = slices.Compact(v.metas)
	b.view.Store(v)
}

// mayBeGuarded reports whether f is a guarded file or is called like one. It
// is asked by the goroutine that answers openers.
func (b *guardBook) mayBeGuarded(f *fanotify.File) bool {
	v := b.view.Load()
	if _, ok := v.files[f.ID]; ok {
		return true
	}
	base := path.Base(f.Path())
	if v.bases[base] {
		return true
	}
	return slices.ContainsFunc(v.metas, func(seg string) bool { return matchName(seg, base) })
}

// ignorable reports whether a file that is not guarded lies where only guarded
// names matter, and is not called like a variant of one (".npmrc.bak", which
// somebody may rename back).
func (b *guardBook) ignorable(f *fanotify.File) bool {
	v := b.view.Load()
	dir, base := path.Split(f.Path())
	names, ok := v.dirs[strings.TrimSuffix(dir, "/")]
	if !ok {
		return false // as seen through another mount: not worth thinking about
	}
	base = strings.ToLower(base)
	return !slices.ContainsFunc(names, func(n guardedName) bool {
		if hasPattern(n.seg) {
			return matchName(n.seg, base) || path.Ext(n.seg) == path.Ext(base)
		}
		return strings.Contains(base, strings.ToLower(strings.Trim(n.seg, ".")))
	})
}

// find returns the guarded file that f is. A file that is not known by its
// identity yet has just taken a guarded name.
func (b *guardBook) find(f *fanotify.File) (guardedFile, bool) {
	v := b.view.Load()
	if g, ok := v.files[f.ID]; ok {
		return g, true
	}
	dir, base := path.Split(f.Path())
	dir = strings.TrimSuffix(dir, "/")
	if _, ok := v.dirs[dir]; ok {
		return b.inFolder(dir, base)
	}
	// The opener's mount shows it elsewhere: ask whether it is the file that
	// has a guarded name here.
	for dir, names := range v.dirs {
		for _, n := range names {
			if !n.means(base) {
				continue
			}
			if id, ok := fileAt(dir + "/" + base); ok && id == f.ID {
				return n.file(base), true
			}
		}
	}
	return guardedFile{}, false
}

// inFolder returns the guarded file that base in the folder at dir is.
func (b *guardBook) inFolder(dir, base string) (guardedFile, bool) {
	for _, n := range b.view.Load().dirs[dir] {
		if n.means(base) {
			return n.file(base), true
		}
	}
	return guardedFile{}, false
}

// unnamed reports whether a guarded file is certainly no longer where it was found.
// What is a link now may lead to it, and where that cannot be told it may be there.
func unnamed(path string, id fanotify.ID) bool {
	var st unix.Statx_t
	switch err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &st); {
	case err != nil:
		return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return false
	}
	return fanotify.Identify(&st) != id
}

// fileAt returns the identity of what path leads to, a symbolic link itself.
func fileAt(path string) (fanotify.ID, bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_INO|unix.STATX_BTIME, &st)
	return fanotify.Identify(&st), err == nil
}

// knows reports whether a file with this identity is enrolled.
func (b *guardBook) knows(id fanotify.ID) bool {
	_, ok := b.view.Load().files[id]
	return ok
}

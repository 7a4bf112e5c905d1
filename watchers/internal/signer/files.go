package signer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// Files looks at files of the machine without ever waiting for one: what lies
// on a network or a user-space file system is refused, not touched. It is safe
// for concurrent use.
type Files struct{ mounts mounts }

// NewFiles returns a Files; Close releases its descriptor.
func NewFiles() *Files {
	f := &Files{}
	f.mounts.open()
	return f
}

// Close releases what f holds.
func (f *Files) Close() { f.mounts.close() }

// Errors of Files.
var (
	ErrSlow    = errors.New("on a file system that may not answer")
	ErrNotFile = errors.New("not a regular file")
	ErrTooBig  = errors.New("too big")
)

// Ident tells whether a file is still the same and unchanged.
type Ident struct {
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds
	Ctime int64  `json:"ctime"` // nanoseconds; a program cannot set it
}

// Found is what a path leads to.
type Found struct {
	Path    string // every symlink resolved
	Regular bool
	Dir     bool
	// Root says that root alone could have put it there: every folder on the
	// way, of the path as given and of every symlink's target, belongs to root
	// and is writable by root alone, and so is the file itself.
	Root  bool
	UID   int   // its owner, -1 where there is none
	Open  bool  // anybody may write it
	Links int   // names that it has, 0 where that is not known
	Born  int64 // when it was made, nanoseconds; 0 where that is not known
	// Moved is the last ctime, in nanoseconds, of all on the way that lies in a
	// folder where others than root may put something else in its place: of
	// folders, of symlinks and of the file itself. Before that the path may have
	// led elsewhere. 0 if root alone could make it do so.
	Moved int64
	Ident
}

// linksMax is as many symlinks as the kernel follows.
const linksMax = 40

// Lookup follows an absolute path one component at a time. The error wraps
// fs.ErrNotExist, ErrSlow or what else is in the way.
func (f *Files) Lookup(name string) (Found, error) {
	found, _, err := f.lookup(name)
	return found, err
}

// lookup is Lookup that also says how many steps it took, if it failed, too.
func (f *Files) lookup(name string) (Found, int, error) {
	at, found, steps, err := f.mounts.follow(name)
	if err != nil {
		return Found{}, steps, fmt.Errorf("look up %q: %w", name, err)
	}
	at.close()
	return found, steps, nil
}

// walk follows an absolute path and returns where it leads; close it.
func (m *mounts) walk(name string) (spot, Found, error) {
	at, found, _, err := m.follow(name)
	return at, found, err
}

// follow is walk that also says how many steps it took, if it failed, too. Each
// step goes on from what the one before has looked at, not from its name:
// the owner of a folder may put another in its place at any moment.
func (m *mounts) follow(name string) (at spot, found Found, steps int, err error) {
	if !path.IsAbs(name) || strings.IndexByte(name, 0) >= 0 {
		return spot{}, Found{}, 0, errors.New("not an absolute path")
	}
	at, err = m.top()
	if err != nil {
		return spot{}, Found{}, 0, err
	}
	rest, links := path.Clean(name), 0
	found = Found{Path: "/", Root: at.status.rootOnly()} // Path holds no symlink
	for rest != "" {
		var component string
		component, rest, _ = strings.Cut(rest, "/")
		switch component {
		case "", ".":
			continue
		case "..": // again from the top: the folder above may be another by now
			at.close()
			if links++; links > linksMax {
				return spot{}, Found{}, steps, errLinks
			}
			if at, err = m.top(); err != nil {
				return spot{}, Found{}, steps, err
			}
			found.Path, rest = "/", path.Dir(found.Path)+"/"+rest
			continue
		}
		if steps++; steps > stepsMax {
			at.close()
			return spot{}, Found{}, steps, errSteps
		}
		next, err := m.enter(at, component)
		if err != nil {
			at.close()
			return spot{}, Found{}, steps, err
		}
		if !at.status.rootOnly() {
			found.Moved = max(found.Moved, next.status.Ctime)
		}
		if !next.status.symlink() {
			at.close()
			at = next
			found.Path = path.Join(found.Path, component)
			found.Root = found.Root && at.status.rootOnly()
			continue
		}
		// Its own mode says nothing: whoever may write its folder may replace it.
		found.Root = found.Root && next.status.root()
		to, err := next.readlink()
		next.close()
		if links++; err == nil && links > linksMax {
			err = errLinks
		}
		if err == nil && path.IsAbs(to) {
			at.close()
			found.Path = "/"
			at, err = m.top()
			if err != nil {
				return spot{}, Found{}, steps, err
			}
		}
		if err != nil {
			at.close()
			return spot{}, Found{}, steps, err
		}
		rest = to + "/" + rest
	}
	st := &at.status
	found.Regular, found.Dir, found.Ident, found.UID, found.Open, found.Links, found.Born = st.regular(), st.dir(), st.Ident, st.owner(), st.open(), st.names(), st.made()
	return at, found, steps, nil
}

var (
	errLinks = errors.New("too many symlinks")
	errSteps = errors.New("too many folders")
)

// stepsMax bounds the folders on the way along a path. A path of 4,096 bytes can have
// 2,000, and whoever sets LD_LIBRARY_PATH has us follow many.
const stepsMax = 128

// Read returns the content of a regular file of at most limit bytes.
func (f *Files) Read(name string, limit int64) ([]byte, error) {
	b, err := f.read(name, limit)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return b, nil
}

// Open opens a regular file of at most limit bytes for reading. It may have
// grown by the time it is read.
func (f *Files) Open(name string, limit int64) (*os.File, error) {
	file, err := f.open(name, limit)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, err)
	}
	return file, nil
}

func (f *Files) open(name string, limit int64) (*os.File, error) {
	at, found, err := f.mounts.walk(name)
	if err != nil {
		return nil, err
	}
	defer at.close()
	if !found.Regular {
		return nil, ErrNotFile
	}
	file, err := at.open(false)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = ErrNotFile
	case info.Size() > limit:
		err = fmt.Errorf("%w: %d bytes", ErrTooBig, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (f *Files) read(name string, limit int64) ([]byte, error) {
	file, err := f.open(name, limit)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, ErrTooBig
	}
	return b, err
}

// listMax is as many names as are listed of a folder.
const listMax = 1000

// ReadDir lists a folder, at most 1,000 names.
func (f *Files) ReadDir(name string) ([]string, error) {
	names, err := f.readDir(name)
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", name, err)
	}
	return names, nil
}

func (f *Files) readDir(name string) ([]string, error) {
	at, found, err := f.mounts.walk(name)
	if err != nil {
		return nil, err
	}
	defer at.close()
	if !found.Dir {
		return nil, errors.New("not a folder")
	}
	d, err := at.open(true)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(listMax)
	if err == io.EOF {
		err = nil
	}
	return names, err
}

// Package packagedb knows which package of the operating system a program
// belongs to. It reads the databases of dpkg, rpm, pacman and apk directly:
// their tools are never started, and nothing is locked or written.
//
// What it says is a name on a label and vouches for nothing: that is decided by
// who can write a file. So a database that is broken costs a name, never an
// alarm; the package bounds what it reads, says what it could not read, and
// goes on. It must not know what a label is used for.
package packagedb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// manager is one package manager's database.
type manager struct {
	prefix string                             // of the labels: "deb"
	name   string                             // for people: "dpkg"
	stamp  func(root string) string           // changes with the database; "" if there is none
	read   func(root string, add adder) error // calls add for every package
}

// adder takes a file of a package, with its absolute path as the database has it.
type adder func(pkg string, file []byte) error

// managers is the list. Where a file is in two databases the first one counts.
var managers = []manager{
	{"deb", "dpkg", stampDpkg, readDpkg},
	{"rpm", "rpm", stampRPM, readRPM},
	{"pacman", "pacman", stampPacman, readPacman},
	{"apk", "apk", stampApk, readApk},
}

// Index is what the databases of one machine said. It is never changed.
type Index struct {
	root string
	dbs  []database // one for each of managers
}

// database is what one of them said.
type database struct {
	stamp string // of when it was read
	rows  []row  // sorted by hash
	names []string
	why   string // it cannot be read now; rows are what it said before
}

// row is a file: some 16 bytes, as a desktop has tens of thousands of programs.
// A wrong name by collision of hashes would vouch for nothing.
type row struct {
	hash uint64
	name uint32
}

// rowsMax bounds the programs of one database; a desktop has 30,000.
const rowsMax = 1 << 20

// errRows says that a database has more programs than we keep.
var errRows = fmt.Errorf("it names more than %d programs", rowsMax)

// Read reads the databases below root, which is "/" but in tests.
func Read(root string) *Index { return (&Index{root: root}).Refresh() }

// Refresh returns an index of the databases as they are now; x itself if
// none has changed. What cannot be read any more keeps what it said before.
func (x *Index) Refresh() *Index {
	fresh := &Index{root: x.root, dbs: make([]database, len(managers))}
	changed := x.dbs == nil
	copy(fresh.dbs, x.dbs)
	for i, m := range managers {
		if stamp := m.stamp(x.root); stamp != fresh.dbs[i].stamp {
			fresh.dbs[i] = fresh.dbs[i].again(m, x.root, stamp)
			changed = true
		}
	}
	if !changed {
		return x
	}
	return fresh
}

// again reads a database anew.
func (d database) again(m manager, root, stamp string) database {
	if stamp == "" {
		return database{}
	}
	now := database{stamp: stamp}
	links := mergedFolders(root)
	last := ""
	err := m.read(root, func(pkg string, file []byte) error {
		if !program(file) {
			return nil
		}
		if pkg == "" || len(pkg) > nameMax {
			return errors.New("a package without a name")
		}
		if pkg != last {
			last = pkg
			now.names = append(now.names, strings.Clone(pkg))
		}
		if len(now.rows) >= rowsMax {
			return errRows
		}
		now.rows = append(now.rows, row{links.hash(file), uint32(len(now.names) - 1)})
		return nil
	})
	switch {
	case errors.Is(err, errChanging) || m.stamp(root) != stamp:
		// Half of an upgrade is no fault. The next turn reads it again.
		d.stamp, d.why = "changing "+stamp, ""
		return d
	case err != nil && d.rows != nil:
		d.stamp, d.why = stamp, err.Error()
		return d
	case err != nil:
		now.why = err.Error() // what was read before it is not wrong
	}
	slices.SortStableFunc(now.rows, func(a, b row) int { return cmp.Compare(a.hash, b.hash) })
	now.rows = slices.Clip(now.rows)
	return now
}

// nameMax bounds a package's name.
const nameMax = 256

// errChanging says that a database was written while it was read.
var errChanging = errors.New("it changes while it is read")

// Owner returns the package that a file belongs to, "deb:coreutils" or the
// like; "" if it is in none. The path is absolute and holds no symlink.
func (x *Index) Owner(file string) string {
	h := plainHash([]byte(file))
	for i, d := range x.dbs {
		if at, ok := slices.BinarySearchFunc(d.rows, h, func(r row, h uint64) int { return cmp.Compare(r.hash, h) }); ok {
			return managers[i].prefix + ":" + d.names[d.rows[at].name]
		}
	}
	return ""
}

// Problems says in sentences which databases cannot be read.
func (x *Index) Problems() []string {
	var all []string
	for i, d := range x.dbs {
		if d.why != "" {
			all = append(all, fmt.Sprintf("the package database of %s cannot be read, so what it installed counts as root's, or as what it was before: %s", managers[i].name, d.why))
		}
	}
	return all
}

// program reports whether a path may be that of a program, or of a script that
// is started by its path.
func program(line []byte) bool {
	if len(line) < 2 || len(line) > pathMax || line[0] != '/' || line[len(line)-1] == '/' {
		return false
	}
	if bytes.Contains(line, []byte("/bin/")) || bytes.Contains(line, []byte("/sbin/")) {
		return true
	}
	for _, skip := range []string{"/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/licenses/", "/usr/include/", "/usr/share/icons/", "/usr/share/zoneinfo/",
		"/usr/src/", "/lib/modules/", "/usr/lib/modules/", "/usr/lib/.build-id/"} {
		if bytes.HasPrefix(line, []byte(skip)) {
			return false
		}
	}
	base := line[bytes.LastIndexByte(line, '/')+1:]
	return bytes.IndexByte(base, '.') < 0
}

// pathMax is the longest path of Linux.
const pathMax = 4096

// folders are those that systems have made symlinks of, so that a database may
// name a file by a path that leads through one. The longest come first.
var folders = []string{"/usr/lib64", "/usr/sbin", "/lib32", "/lib64", "/libx32", "/sbin", "/bin", "/lib"}

// merged says where those of folders lead that are symlinks here.
type merged map[string]string

func mergedFolders(root string) merged {
	m := merged{}
	for _, dir := range folders {
		to, err := os.Readlink(filepath.Join(root, dir))
		if err != nil {
			continue
		}
		if to = filepath.ToSlash(to); !path.IsAbs(to) {
			to = path.Join(path.Dir(dir), to)
		}
		m[dir] = path.Clean(to)
	}
	return m
}

// hash is plainHash of where a path leads, by the folders that it begins with.
func (m merged) hash(line []byte) uint64 {
	for range 3 { // /sbin is usr/sbin, and that is bin
		again := false
		for _, dir := range folders {
			to, ok := m[dir]
			if ok && len(line) > len(dir) && line[len(dir)] == '/' && string(line[:len(dir)]) == dir {
				line = append([]byte(to), line[len(dir):]...)
				again = true
				break
			}
		}
		if !again {
			break
		}
	}
	return plainHash(line)
}

// plainHash is FNV-1a.
func plainHash(line []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range line {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// open opens a regular file of at most limit bytes.
func open(name string, limit int64) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%q is not a regular file", name)
	case info.Size() > limit:
		err = fmt.Errorf("%q is larger than %d MB", name, limit>>20)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// slurp reads a regular file of at most limit bytes into buf, which it may
// replace.
func slurp(name string, limit int64, buf *bytes.Buffer) ([]byte, error) {
	f, _, err := open(name, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf.Reset()
	if _, err := buf.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > limit {
		return nil, fmt.Errorf("%q is larger than %d MB", name, limit>>20)
	}
	return buf.Bytes(), nil
}

// stampOf tells whether files have changed: "" if the first is not there.
func stampOf(root string, names ...string) string {
	var b strings.Builder
	for i, name := range names {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil && i == 0 {
			return ""
		}
		if err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// entriesMax bounds the packages of one machine; a large one has 10,000.
const entriesMax = 200_000

// eachEntry calls do for the names in a folder, some at a time.
func eachEntry(dir string, do func(name string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for n := 0; ; {
		names, err := d.Readdirnames(512)
		for _, name := range names {
			if n++; n > entriesMax {
				return fmt.Errorf("%q holds more than %d names", dir, entriesMax)
			}
			if err := do(name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || err == nil && len(names) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

package packagedb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
)

// rpm keeps each package's header in a database of one of three formats. The
// oldest, Berkeley DB, was left by rpm 4.16; it is told and not read.
var (
	rpmFolders = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"}
	rpmFormats = []struct {
		file string
		read func(name string, each func(blob []byte) error) error
	}{
		{"rpmdb.sqlite", readSQLite},
		{"Packages.db", readNDB},
		{"Packages", func(string, func([]byte) error) error {
			return errors.New("it is a Berkeley DB, the format of rpm before 4.16")
		}},
	}
)

// rpmFile returns the database and its format; "" if there is none.
func rpmFile(root string) (name string, format int) {
	for _, dir := range rpmFolders {
		for i, f := range rpmFormats {
			if name := dir + "/" + f.file; stampOf(root, name) != "" {
				return name, i
			}
		}
	}
	return "", 0
}

// stampRPM also looks at SQLite's log of what is not in the file yet.
func stampRPM(root string) string {
	name, _ := rpmFile(root)
	name = cmp.Or(name, rpmFolders[0]+"/"+rpmFormats[0].file)
	return stampOf(root, name, name+"-wal")
}

func readRPM(root string, add adder) error {
	name, format := rpmFile(root)
	if name == "" {
		return errChanging
	}
	err := rpmFormats[format].read(filepath.Join(root, name), func(blob []byte) error { return header(blob, add) })
	if err != nil && !errors.Is(err, errChanging) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// blobMax bounds one header; that of the largest package has some 20 MB.
const blobMax = 64 << 20

// Tags and types of a header, from rpm's lib/rpmtag.h.
const (
	tagName       = 1000
	tagStates     = 1029
	tagDirIndexes = 1116
	tagBasenames  = 1117
	tagDirnames   = 1118

	typeChar    = 1
	typeInt32   = 4
	typeString  = 6
	typeStrings = 8
)

var errHeader = errors.New("a package's header is damaged")

// header reads the header of one package: two numbers, an index of tags, and
// the data that it points into. Numbers are big-endian. See rpm's
// docs/manual/format.md.
func header(blob []byte, add adder) error {
	if len(blob) < 8 {
		return errHeader
	}
	tags, size := uint64(binary.BigEndian.Uint32(blob)), uint64(binary.BigEndian.Uint32(blob[4:]))
	if tags > 1<<16 || size > blobMax || 8+tags*16+size > uint64(len(blob)) {
		return errHeader
	}
	data := blob[8+tags*16 : 8+tags*16+size]
	found := map[uint32]entry{}
	for i := range tags {
		e := blob[8+i*16:]
		tag, kind, at, n := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		switch tag {
		case tagName, tagStates, tagDirIndexes, tagBasenames, tagDirnames:
			if uint64(at) > size || uint64(n) > size {
				return errHeader
			}
			found[tag] = entry{kind, n, data[at:]}
		}
	}
	name, ok := found[tagName].text()
	if !ok {
		return errHeader
	}
	bases, folders, indexes, states := found[tagBasenames], found[tagDirnames], found[tagDirIndexes], found[tagStates]
	if bases.n == 0 {
		return nil // a package without files
	}
	if bases.kind != typeStrings || folders.kind != typeStrings || indexes.kind != typeInt32 || indexes.n != bases.n || uint64(len(indexes.data)) < 4*uint64(indexes.n) {
		return errHeader
	}
	if states.kind != typeChar || states.n != bases.n || uint64(len(states.data)) < uint64(states.n) {
		states.data = nil
	}
	dirs := make([][]byte, 0, min(folders.n, 1<<12))
	for range folders.n {
		dir, ok := folders.next()
		if !ok {
			return errHeader
		}
		dirs = append(dirs, dir)
	}
	var file []byte
	for i := range bases.n {
		base, ok := bases.next()
		dir := binary.BigEndian.Uint32(indexes.data[4*i:])
		if !ok || uint64(dir) >= uint64(len(dirs)) {
			return errHeader
		}
		if states.data != nil && states.data[i] != 0 {
			continue // not installed, or replaced by another package's
		}
		file = append(append(file[:0], dirs[dir]...), base...)
		if err := add(string(name), file); err != nil {
			return err
		}
	}
	return nil
}

// entry is the value of a tag, and what follows it.
type entry struct {
	kind uint32
	n    uint32
	data []byte
}

func (e *entry) next() ([]byte, bool) {
	s, rest, ok := bytes.Cut(e.data, []byte{0})
	e.data = rest
	return s, ok
}

func (e entry) text() ([]byte, bool) {
	if e.kind != typeString {
		return nil, false
	}
	return e.next()
}

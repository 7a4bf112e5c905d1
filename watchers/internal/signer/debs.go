package signer

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// debs knows which Debian package a program belongs to. It is a name on the
// label, nothing more: what is vouched for is decided by ownership.
//
// Lists of a desktop are 20 MB; only programs are kept, by a 64-bit hash, some
// ten bytes each. A wrong name by collision would vouch for nothing.
type debs struct {
	changed time.Time // of the folder
	rows    []debRow  // sorted by hash
	names   []string
}

type debRow struct {
	hash uint64
	name uint32
}

// listMax bounds one list; the longest of Debian 12 has 6 MB.
const listMax = 32 << 20

func readDebs(dir string) *debs {
	d := &debs{}
	info, err := os.Stat(dir)
	if err != nil {
		return d
	}
	d.changed = info.ModTime()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return d
	}
	merged := false
	if to, err := os.Readlink("/bin"); err == nil {
		merged = strings.TrimPrefix(to, "/") == "usr/bin"
	}
	var buf bytes.Buffer
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".list")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		f, err := os.Open(path.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		buf.Reset()
		buf.ReadFrom(io.LimitReader(f, listMax))
		f.Close()
		name, _, _ = strings.Cut(name, ":") // libc6:amd64
		d.names = append(d.names, name)
		for b := buf.Bytes(); len(b) > 0; {
			var line []byte
			line, b, _ = bytes.Cut(b, []byte{'\n'})
			if program(line) {
				d.rows = append(d.rows, debRow{hashOf(line, merged), uint32(len(d.names) - 1)})
			}
		}
	}
	slices.SortFunc(d.rows, func(a, b debRow) int { return cmp.Compare(a.hash, b.hash) })
	d.rows = slices.Clip(d.rows)
	return d
}

// program reports whether a line of a list may be a program or a script that
// is started by its path.
func program(line []byte) bool {
	if len(line) < 2 {
		return false
	}
	if bytes.Contains(line, []byte("/bin/")) || bytes.Contains(line, []byte("/sbin/")) {
		return true
	}
	for _, skip := range []string{"/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/include/", "/usr/share/icons/", "/usr/share/zoneinfo/", "/usr/src/", "/lib/modules/", "/usr/lib/modules/"} {
		if bytes.HasPrefix(line, []byte(skip)) {
			return false
		}
	}
	base := line[bytes.LastIndexByte(line, '/')+1:]
	return bytes.IndexByte(base, '.') < 0
}

// hashOf is FNV-1a of a path, with /bin read as /usr/bin where they are one.
func hashOf(line []byte, merged bool) uint64 {
	h := uint64(14695981039346656037)
	add := func(b []byte) {
		for _, c := range b {
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	if merged && (bytes.HasPrefix(line, []byte("/bin/")) || bytes.HasPrefix(line, []byte("/sbin/")) || bytes.HasPrefix(line, []byte("/lib"))) {
		add([]byte("/usr"))
	}
	add(line)
	return h
}

// owner returns the package that a file belongs to; "" if it is in none.
func (d *debs) owner(file string) string {
	h := hashOf([]byte(file), false)
	i, ok := slices.BinarySearchFunc(d.rows, h, func(r debRow, h uint64) int { return cmp.Compare(r.hash, h) })
	if !ok {
		return ""
	}
	return d.names[d.rows[i].name]
}

// refresh reads the lists again if there are others now; nil if not.
func (d *debs) refresh(dir string) *debs {
	info, err := os.Stat(dir)
	if err != nil || info.ModTime().Equal(d.changed) {
		return nil
	}
	return readDebs(dir)
}

package packagedb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// dpkg keeps a list of files for each package and, for what administrators and
// packages have moved out of the way, a file of diversions. See dpkg-query(1)
// and dpkg-divert(1).
const (
	dpkgInfo       = "/var/lib/dpkg/info"
	dpkgDiversions = "/var/lib/dpkg/diversions"
	// listMax bounds one list; the longest of Debian 12 has 6 MB.
	listMax = 32 << 20
)

func stampDpkg(root string) string { return stampOf(root, dpkgInfo, dpkgDiversions) }

func readDpkg(root string, add adder) error {
	var buf bytes.Buffer
	moved, err := readDiversions(root, &buf)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, dpkgInfo)
	return eachEntry(dir, func(entry string) error {
		name, ok := strings.CutSuffix(entry, ".list")
		if !ok {
			return nil
		}
		b, err := slurp(filepath.Join(dir, entry), listMax, &buf)
		if errors.Is(err, fs.ErrNotExist) {
			return errChanging // the package has just been removed
		}
		if err != nil {
			return err
		}
		name, _, _ = strings.Cut(name, ":") // libc6:amd64
		for len(b) > 0 {
			var line []byte
			line, b, _ = bytes.Cut(b, []byte{'\n'})
			if d, ok := moved[string(line)]; ok && d.by != name {
				line = []byte(d.to)
			}
			if err := add(name, line); err != nil {
				return err
			}
		}
		return nil
	})
}

// diversion says where files of all packages but one are put instead.
type diversion struct{ to, by string }

// readDiversions reads three lines for each: from, to, and the package that
// may use the name; ":" for none.
func readDiversions(root string, buf *bytes.Buffer) (map[string]diversion, error) {
	name := filepath.Join(root, dpkgDiversions)
	b, err := slurp(name, listMax, buf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	moved := map[string]diversion{}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(b) == 0 {
		return moved, nil
	}
	if len(lines)%3 != 0 {
		return nil, fmt.Errorf("%q holds %d lines, and not three for each diversion", name, len(lines))
	}
	for i := 0; i < len(lines); i += 3 {
		moved[lines[i]] = diversion{lines[i+1], lines[i+2]}
	}
	return moved, nil
}

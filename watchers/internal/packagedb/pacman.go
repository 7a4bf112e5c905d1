package packagedb

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// pacman keeps a folder NAME-VERSION-RELEASE for each package, and in it a file
// "files": a section %FILES% with a path a line, without the slash in front.
// See alpm's lib/libalpm/be_local.c.
const pacmanLocal = "/var/lib/pacman/local"

func stampPacman(root string) string { return stampOf(root, pacmanLocal) }

func readPacman(root string, add adder) error {
	var buf bytes.Buffer
	dir := filepath.Join(root, pacmanLocal)
	return eachEntry(dir, func(entry string) error {
		name := entry
		for range 2 { // the release, then the version
			i := strings.LastIndexByte(name, '-')
			if i <= 0 {
				return nil // ALPM_DB_VERSION
			}
			name = name[:i]
		}
		b, err := slurp(filepath.Join(dir, entry, "files"), listMax, &buf)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a package without files, or half of an upgrade
		}
		if err != nil {
			return err
		}
		in := false
		file := []byte{'/'}
		for len(b) > 0 {
			var line []byte
			line, b, _ = bytes.Cut(b, []byte{'\n'})
			switch {
			case len(line) > 1 && line[0] == '%' && line[len(line)-1] == '%':
				in = string(line) == "%FILES%"
			case in && len(line) > 0:
				file = append(file[:1], line...)
				if err := add(name, file); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

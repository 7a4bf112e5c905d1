package packagedb

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// apk keeps all in one text: a line "P:NAME" begins what a package is, "F:DIR"
// a folder of it, "R:FILE" names a file there. See apk's src/database.c; since
// version 3 it may lie below /usr.
var apkInstalled = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// apkMax bounds that text; a large system has 20 MB.
const apkMax = 512 << 20

func apkFile(root string) string {
	for _, name := range apkInstalled {
		if stampOf(root, name) != "" {
			return name
		}
	}
	return ""
}

func stampApk(root string) string { return stampOf(root, cmp.Or(apkFile(root), apkInstalled[0])) }

func readApk(root string, add adder) error {
	f, _, err := open(filepath.Join(root, apkFile(root)), apkMax)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	pkg := ""
	var dir, file []byte
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				return fmt.Errorf("%q ends within a line", f.Name())
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("a line of %q is too long: %w", f.Name(), err)
		}
		key, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte{'\n'}), []byte{':'})
		if !ok || len(key) != 1 {
			continue
		}
		switch key[0] {
		case 'P':
			pkg, dir = string(value), nil
		case 'F':
			dir = append(append(dir[:0], '/'), value...)
		case 'R':
			if len(dir) > 1 {
				file = append(append(append(file[:0], dir...), '/'), value...)
				if err := add(pkg, file); err != nil {
					return err
				}
			}
		}
	}
}

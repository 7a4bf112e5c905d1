package tree

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	maxDepth   = 24      // of a walk below its start: a path of an enemy may be longer
	maxListing = 200_000 // entries of one folder
)

// Walk lists the folders below dir, dir included, and calls visit for every
// entry; for a folder visit says whether to go down into it. It follows no
// symbolic link and enters no mount that is not covered. Folders that cannot
// be listed are passed over. It returns ctx's error when ctx is done.
func (f *Feed) Walk(ctx context.Context, dir string, visit func(dir, name string, isDir bool) bool) error {
	type level struct {
		path  string
		depth int
	}
	for todo := []level{{dir, 0}}; len(todo) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		f.List(l.path, func(name string, isDir bool) {
			if visit(l.path, name, isDir) && isDir && l.depth < maxDepth {
				todo = append(todo, level{filepath.Join(l.path, name), l.depth + 1})
			}
		})
	}
	return nil
}

// List calls visit for every entry of one folder, in no order. It reports
// whether the folder could be listed.
func (f *Feed) List(dir string, visit func(name string, isDir bool)) bool {
	file, err := far(f, dir, func() (*os.File, error) { return f.openDir(dir) }, func(file *os.File) { file.Close() })
	if err != nil {
		return false
	}
	d := f.handle(dir, file)
	defer d.Close()
	for n := 0; n < maxListing; {
		entries, err := d.ReadDir(1024)
		for _, e := range entries {
			visit(e.Name(), e.IsDir())
		}
		n += len(entries)
		if errors.Is(err, io.EOF) || err == nil && len(entries) == 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	return true
}

// Info is what is known of a file without reading it.
type Info struct {
	Stamp
	Regular, Dir bool
	Born         time.Time // when it was created on this file system; zero if not known
}

// Stamp tells two contents of a file apart, as far as the outside shows.
type Stamp struct {
	Inode   uint64 // 0 where there are none
	Size    int64
	Changed time.Time // in any way, where the system knows: nobody can set it back
}

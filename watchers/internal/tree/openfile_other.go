//go:build !linux

package tree

import (
	"fmt"
	"os"
)

// Open opens the regular file at path for reading, of any size, under the same
// rules as [Feed.ReadFile]: for callers that need a part of it.
func (f *Feed) Open(path string) (File, error) {
	if r := f.find(path); r == nil || r.backend == unseen {
		return nil, fmt.Errorf("open %q: %w", path, ErrNotCovered)
	}
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("open %q: %w", path, ErrNotRegular)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	// It may have been exchanged in between.
	if after, err := file.Stat(); err != nil || !os.SameFile(before, after) {
		file.Close()
		return nil, fmt.Errorf("open %q: %w", path, ErrNotRegular)
	}
	return file, nil
}

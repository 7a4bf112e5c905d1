package tree

import (
	"fmt"
	"math"
)

// Open opens the regular file at path for reading, of any size, under the same
// rules as [Feed.ReadFile]: for callers that need a part of it.
func (f *Feed) Open(path string) (File, error) {
	file, _, err := f.openFile(path, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return file, nil
}

package tree

import (
	"fmt"
	"math"
	"os"
)

// Open opens the regular file at path for reading, of any size, under the same
// rules as [Feed.ReadFile]: for callers that need a part of it.
func (f *Feed) Open(path string) (*os.File, error) {
	file, _, err := f.open1(path, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return file, nil
}

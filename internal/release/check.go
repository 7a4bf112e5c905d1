package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// Check builds everything twice, unsigned, from clones in different folders,
// the second time with a build cache of its own, so that nothing is taken over
// from the first. It returns an error that names each file that differs.
func Check(ctx context.Context, o Options) error {
	o.Keys = Keys{} // a signature holds the time at which it was made
	dir, err := os.MkdirTemp("", "wormbell-check-")
	if err != nil {
		return fmt.Errorf("make a folder to compare in: %w", err)
	}
	defer os.RemoveAll(dir)
	first, second := o, o
	first.Out, second.Out = filepath.Join(dir, "first"), filepath.Join(dir, "second")
	second.Cache = filepath.Join(dir, "cache")
	for _, o := range []Options{first, second} {
		if err := Make(ctx, o); err != nil {
			return err
		}
	}
	n, err := same(first.Out, second.Out)
	if err != nil {
		return err
	}
	if o.Log != nil {
		fmt.Fprintf(o.Log, "%d files are the same in both\n", n)
	}
	return nil
}

// same compares two folders and returns how many files they hold, if they hold
// the same.
func same(a, b string) (int, error) {
	left, err := readTree(a)
	if err != nil {
		return 0, err
	}
	right, err := readTree(b)
	if err != nil {
		return 0, err
	}
	names := map[string]bool{}
	for n := range left {
		names[n] = true
	}
	for n := range right {
		names[n] = true
	}
	var errs []error
	for n := range names {
		l, inLeft := left[n]
		r, inRight := right[n]
		switch {
		case !inLeft:
			errs = append(errs, fmt.Errorf("%q is only in the second", n))
		case !inRight:
			errs = append(errs, fmt.Errorf("%q is only in the first", n))
		case !bytes.Equal(l, r):
			errs = append(errs, fmt.Errorf("%q differs from byte %d on (%d and %d bytes)", n, firstDifference(l, r), len(l), len(r)))
		}
	}
	if len(names) == 0 {
		errs = append(errs, fmt.Errorf("nothing was built"))
	}
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return len(names), errors.Join(errs...)
}

func readTree(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", dir, err)
	}
	return files, nil
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

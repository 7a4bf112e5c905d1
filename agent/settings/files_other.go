//go:build !unix

package settings

import (
	"errors"
	"io/fs"
	"os"
)

// openFile opens a file that is no symlink. It looks before it opens: this
// system has no flag for it.
func openFile(path string) (*os.File, error) {
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, bare(err)
	case !st.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	return f, nil
}

func openFolder(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	return f, nil
}

// judge has no opinion: whose a file is, access lists say here, and those are
// not looked at yet (docs/limits.md).
func judge(bool) func(fs.FileInfo) error { return nil }

func rootsFolder(dir string) error {
	if _, err := os.Lstat(dir); err != nil {
		return bare(err)
	}
	return nil
}

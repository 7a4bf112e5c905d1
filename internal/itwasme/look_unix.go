//go:build unix

package itwasme

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// look looks at a file and at the folders above it, by its name and where links
// lead: it must be a regular file, and nobody but root and the user may change
// it or put another in its place.
func look(file string) (real string, d doubt) {
	real, err := filepath.EvalSymlinks(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", gone
	case err != nil:
		return "", unseen
	}
	for _, name := range []string{file, real} {
		for dir := name; ; dir = filepath.Dir(dir) {
			info, err := os.Lstat(dir)
			if err != nil {
				return "", unseen
			}
			if othersChange(info) {
				return "", writable
			}
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	if info, err := os.Lstat(real); err != nil || !info.Mode().IsRegular() {
		return "", unseen
	}
	return real, ""
}

// othersChange reports whether somebody else than root and this user can change
// a file or what is in a folder. A group of one's own name has one member on
// the systems that make such groups, and files are often open to it.
func othersChange(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	if uid := int(st.Uid); uid != 0 && uid != os.Geteuid() {
		return true
	}
	if info.Mode()&fs.ModeSymlink != 0 { // its own mode says nothing
		return false
	}
	perm := info.Mode().Perm()
	return perm&0o002 != 0 || perm&0o020 != 0 && int(st.Gid) != 0 && int(st.Gid) != os.Getegid()
}

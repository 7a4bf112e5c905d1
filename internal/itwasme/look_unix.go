//go:build unix

package itwasme

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// linksMax is as many symlinks as Linux follows, path_resolution(7).
const linksMax = 40

// look follows a path to a file one component at a time. Nobody but root and
// the user may change anything that it passes, the folders that links lead
// through included, or put another in its place; it must end at a regular file.
func look(file string) (s seen, d doubt) { return lookIn("", file) }

// lookIn is look where "/" is the folder root, for tests: above theirs is a
// folder that everybody may write.
func lookIn(root, file string) (s seen, d doubt) {
	at, info, d := step(root, "/")
	rest, links := filepath.Clean(file), 0
	for rest != "" && d == "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..": // only of a link, and at holds none: it is the folder above
			at, info, d = step(root, filepath.Dir(at))
			continue
		}
		var next string
		if next, info, d = step(root, filepath.Join(at, name)); d != "" || info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		to, err := os.Readlink(root + next)
		if links++; err != nil || links > linksMax {
			return seen{}, unseen
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = to + "/" + rest
	}
	switch {
	case d != "":
		return seen{}, d
	case !info.Mode().IsRegular():
		return seen{}, unseen
	}
	s.real = at
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 { // root may update its own
		if ok && st.Nlink > 1 {
			return seen{}, manyNames // the agent takes none such
		}
		s.changed = changed(info)
	}
	return s, ""
}

// step looks at one name on the way.
func step(root, name string) (string, fs.FileInfo, doubt) {
	info, err := os.Lstat(root + name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, nil, gone
	case err != nil:
		return name, nil, unseen
	case othersChange(info):
		return name, info, writable
	}
	return name, info, ""
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

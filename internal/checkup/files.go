package checkup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"wormbell/agent/respond/persistence"
)

// What is read of files, in bytes.
const (
	maxSettings = 1 << 20  // of settings, manifests, workflows; they have some hundred
	maxHistory  = 16 << 20 // of a history: its end
	maxScript   = 16 << 20 // of a script that an install runs: worms' have up to 12 MiB
	maxLines    = 200_000  // of a text
	maxLine     = 64 << 10 // of a line; that the rest of it is not looked at is said
)

var (
	errIrregular = errors.New("it is not a regular file")
	errLarge     = errors.New("it is larger than such files are")
	errMount     = errors.New("it lies on a file system that may never answer")
	errOutside   = errors.New("a link leads out of the home")
	errGuarded   = errors.New("it holds credentials, and the agent was not told")
	errUnlike    = errors.New("it could not be read as what it should be")
	errMany      = errors.New("it holds more names than were looked at")
)

// home reads a home folder without ever leaving it: every name is resolved below
// one opened folder, links that lead elsewhere are errors, nothing is waited for.
type home struct {
	dir   string
	root  *os.Root
	hangs []string // mount points below the home whose server may let us wait for ever, relative to it
	slow  []string // all such mount points, absolute
}

func openHome(dir, sys string) (*home, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, err
	}
	h := &home{dir: real, root: root}
	if b, err := os.ReadFile(sys + "/proc/self/mountinfo"); err == nil {
		h.hangs, h.slow = slowMounts(b, real), persistence.SlowMounts(b, real)
	}
	return h, nil
}

func (h *home) close() { h.root.Close() }

// rel is the path below the home of one with ~, "." for the home itself.
func rel(p string) string {
	p = strings.TrimPrefix(strings.TrimPrefix(p, "~"), "/")
	return path.Clean(p)
}

// hung reports whether the path, relative to the home, is on a file system that
// may never answer.
func (h *home) hung(rel string) bool {
	for _, m := range h.hangs {
		if rel == m || strings.HasPrefix(rel, m+"/") {
			return true
		}
	}
	return false
}

// open opens a regular file of the home, by its path relative to it. Absolute
// links are followed if they lead into the home: some keep their dotfiles so.
func (h *home) open(rel string) (*os.File, fs.FileInfo, error) {
	for range 8 {
		if h.hung(rel) {
			return nil, nil, errMount
		}
		to, err := h.root.Readlink(filepath.FromSlash(rel))
		if err != nil || !filepath.IsAbs(to) {
			break
		}
		inside, err := filepath.Rel(h.dir, filepath.Clean(to))
		if err != nil || !filepath.IsLocal(inside) {
			return nil, nil, errOutside
		}
		rel = filepath.ToSlash(inside)
	}
	f, err := h.root.OpenFile(filepath.FromSlash(rel), os.O_RDONLY|openSafely, 0)
	if err != nil {
		if strings.Contains(err.Error(), "escapes") { // os.Root has no error value for it
			err = errOutside
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// read returns a file of at most limit bytes.
func (h *home) read(rel string, limit int64) ([]byte, error) {
	f, _, err := h.open(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errLarge
	}
	return b, nil
}

// start returns the first limit bytes of a file, and whether there are more.
func (h *home) start(rel string, limit int64) (b []byte, more bool, err error) {
	f, info, err := h.open(rel)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	b, err = io.ReadAll(io.LimitReader(f, limit))
	return b, info.Size() > int64(len(b)), err
}

// names lists a folder: names, sorted, with a slash behind those of folders.
// Links are neither. At most limit names are returned, and more says that there
// are others.
func (h *home) names(rel string, limit int) (names []string, more bool, err error) {
	names, _, more, err = h.list(rel, limit)
	return names, more, err
}

// list is names, and which of them are links.
func (h *home) list(rel string, limit int) (names, links []string, more bool, err error) {
	if h.hung(rel) {
		return nil, nil, false, errMount
	}
	d, err := h.root.OpenFile(filepath.FromSlash(rel), os.O_RDONLY|openSafely|openFolder, 0)
	if err != nil {
		if strings.Contains(err.Error(), "escapes") {
			err = errOutside
		}
		return nil, nil, false, err
	}
	defer d.Close()
	list, err := listing(d, filepath.Join(h.dir, filepath.FromSlash(rel)))
	if err != nil {
		return nil, nil, false, err
	}
	defer list.Close()
	entries, err := list.ReadDir(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, false, err
	}
	if len(entries) > limit {
		entries, more = entries[:limit], true
	}
	for _, e := range entries {
		switch t := e.Type(); {
		case t.IsDir():
			names = append(names, e.Name()+"/")
		case t&fs.ModeSymlink != 0:
			names, links = append(names, e.Name()), append(links, e.Name())
		case t.IsRegular():
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, links, more, nil
}

// is reports whether something lies at rel, without opening it. The error says
// that this cannot be told.
func (h *home) is(rel string) (bool, error) {
	if h.hung(rel) {
		return false, errMount
	}
	_, err := h.root.Lstat(filepath.FromSlash(rel))
	switch {
	case err == nil:
		return true, nil
	case absent(err):
		return false, nil
	case strings.Contains(err.Error(), "escapes"):
		return false, errOutside
	}
	return false, err
}

// lines calls each for every line of text, from 1, until it says no. A line is
// cut at maxLine bytes. It reports whether it came to the end and cut none.
func lines(text []byte, each func(n int, line string) bool) (whole bool) {
	whole = true
	for n := 1; len(text) > 0; n++ {
		if n > maxLines {
			return false
		}
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		whole = whole && len(line) <= maxLine
		if !each(n, strings.TrimRight(string(line[:min(len(line), maxLine)]), "\r")) {
			return false
		}
	}
	return whole
}

// slowMounts are the mount points below home, relative to it, of file systems
// whose server may let us wait for ever. Format: proc_pid_mountinfo(5).
func slowMounts(info []byte, home string) (out []string) {
	for _, at := range persistence.SlowMounts(info, home) {
		if at, ok := strings.CutPrefix(at, strings.TrimSuffix(home, "/")+"/"); ok {
			out = append(out, at)
		}
	}
	return out
}

// could says in a sentence why a file was not read, "" if it is not there.
func could(p string, err error) string {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotFolder) {
		return ""
	}
	return fmt.Sprintf("%s: %s", p, reason(err))
}

package persistence

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"wormbell/internal/stores"
)

const (
	maxText    = 1 << 20  // of a file that describes an entry; they have some hundred bytes
	maxProgram = 16 << 20 // of a program: what comes behind is not looked at, and that is said
	maxTotal   = 256 << 20
	maxNames   = 2000 // of a folder
	maxLinks   = 40   // as Linux
)

var (
	errGuarded  = errors.New("it holds credentials, so it was left closed")
	errKind     = errors.New("not a regular file")
	errMount    = errors.New("it lies on a file system that may never answer")
	errTooMuch  = errors.New("more than 256 MiB of programs")
	errTooLarge = errors.New("larger than what such files are")
)

// files reads other people's files without being led astray or held up: links
// are followed one by one, pipes and devices are not opened, mounts that may
// hang are not entered, and there is an end to everything.
type files struct {
	home, root, system string
	announced          bool
	hangs              []string // mount points of FUSE and network file systems, other than what the home lies on
	read               int64
}

func newFiles(c Config) *files {
	f := &files{home: filepath.Clean(c.Home), root: strings.TrimSuffix(c.Root, "/"), system: c.System, announced: c.Announced}
	if b, err := os.ReadFile(f.sys("/proc/self/mountinfo")); err == nil {
		f.hangs = SlowMounts(b, f.home)
	}
	return f
}

// sys is the path on this machine of one outside of the home.
func (f *files) sys(p string) string { return f.root + p }

// actual is the path on this machine of one that a file of the user's names.
func (f *files) actual(p string) string {
	p = filepath.Clean(p)
	if f.root == "" || within(p, f.home) || within(p, f.root) {
		return p
	}
	return f.root + p
}

// inHome is a path in the home.
func (f *files) inHome(p string) string { return filepath.Join(f.home, filepath.FromSlash(p)) }

// tilde is p as a person reads it.
func (f *files) tilde(p string) string {
	if p == f.home {
		return "~"
	}
	if within(p, f.home) {
		return "~" + filepath.ToSlash(p[len(f.home):])
	}
	if f.root != "" && within(p, f.root) {
		p = p[len(f.root):]
	}
	return filepath.ToSlash(p)
}

// untilde is the path on this machine of a path with ~.
func (f *files) untilde(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return f.inHome(rest)
	}
	return f.actual(p)
}

func within(p, dir string) bool {
	return p == dir || dir != "" && strings.HasPrefix(p, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// resolve follows the links in p.
func (f *files) resolve(p string) (string, fs.FileInfo, error) {
	if runtime.GOOS == "windows" {
		p, err := filepath.EvalSymlinks(p)
		if err != nil {
			return "", nil, err
		}
		info, err := os.Lstat(p)
		return p, info, err
	}
	if !filepath.IsAbs(p) {
		return "", nil, fmt.Errorf("%q is not absolute", p)
	}
	rest := strings.Split(filepath.Clean(p), "/")[1:]
	at, links := "/", 0
	var info fs.FileInfo
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		next := path.Join(at, name)
		for _, m := range f.hangs {
			if within(next, m) {
				return "", nil, fmt.Errorf("%q: %w", m, errMount)
			}
		}
		var err error
		if info, err = os.Lstat(next); err != nil {
			return "", nil, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", nil, fmt.Errorf("%q: too many links", p)
		}
		to, err := os.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if path.IsAbs(to) {
			to, at = f.actual(to), "/"
		}
		rest = append(strings.FieldsFunc(to, func(r rune) bool { return r == '/' }), rest...)
		if len(rest) > 1000 {
			return "", nil, fmt.Errorf("%q: too many links", p)
		}
	}
	if info == nil { // "/" itself, or a link that leads there
		var err error
		if info, err = os.Lstat(at); err != nil {
			return "", nil, err
		}
	}
	return at, info, nil
}

// guarded reports whether p belongs to a credential store that is not ours to open.
func (f *files) guarded(p string) bool {
	t := f.tilde(p)
	if f.announced {
		for _, g := range Guarded() {
			if t == g {
				return false
			}
		}
	}
	return stores.Of(t) != nil
}

// load reads a regular file, no more than limit bytes of it, and says where it
// really lies. cut says that there was more.
func (f *files) load(p string, limit int64) (data []byte, info fs.FileInfo, real string, cut bool, err error) {
	if f.guarded(p) {
		return nil, nil, p, false, errGuarded
	}
	real, info, err = f.resolve(p)
	if err != nil {
		return nil, nil, p, false, err
	}
	if f.guarded(real) {
		return nil, info, real, false, errGuarded
	}
	if !info.Mode().IsRegular() {
		return nil, info, real, false, errKind
	}
	if f.read >= maxTotal {
		return nil, info, real, false, errTooMuch
	}
	file, err := os.OpenFile(real, os.O_RDONLY|openSafely, 0)
	if err != nil {
		return nil, info, real, false, err
	}
	defer file.Close()
	now, err := file.Stat()
	if err != nil {
		return nil, info, real, false, err
	}
	if !now.Mode().IsRegular() || !os.SameFile(now, info) {
		return nil, info, real, false, errKind
	}
	data, err = io.ReadAll(io.LimitReader(file, limit+1))
	f.read += int64(len(data))
	if int64(len(data)) > limit {
		data, cut = data[:limit], true
	}
	return data, now, real, cut, err
}

// text reads a short file whole.
func (f *files) text(p string) ([]byte, fs.FileInfo, error) {
	data, info, _, cut, err := f.load(p, maxText)
	if err == nil && cut {
		err = errTooLarge
	}
	return data, info, err
}

// names lists a folder, sorted; a folder that is not there has none.
func (f *files) names(dir string) ([]string, error) {
	real, info, err := f.resolve(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || !info.IsDir() {
		return nil, err
	}
	d, err := os.OpenFile(real, os.O_RDONLY|openSafely, 0) // it may have become a pipe or a link
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if now, err := d.Stat(); err != nil || !os.SameFile(now, info) {
		return nil, cmp.Or(err, errKind)
	}
	entries, err := d.ReadDir(maxNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	sortStrings(names)
	if len(names) > maxNames {
		return names[:maxNames], fmt.Errorf("only %d of its names were looked at", maxNames)
	}
	return names, nil
}

// list is names, with what went wrong said.
func (s *scan) list(dir string) []string {
	names, err := s.files.names(dir)
	if err != nil {
		s.skip("%s: %v", s.files.tilde(dir), plainError(err))
	}
	return names
}

// open reads a short file, and says if it is there but cannot be read.
func (s *scan) open(p string) ([]byte, time.Time, bool) {
	b, info, err := s.files.text(p)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir) {
			s.skip("%s: %v", s.files.tilde(p), plainError(err))
		}
		return nil, time.Time{}, false
	}
	return b, changed(info), true
}

// linkChanged is when the name p itself last changed: a link that leads
// elsewhere counts by itself.
func linkChanged(p string) time.Time {
	info, err := os.Lstat(p)
	if err != nil {
		return time.Time{}
	}
	return changed(info)
}

// plainError is err without the path, which the reader has been told already.
func plainError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// SlowMounts are the mount points of file systems whose server may let us wait
// for ever, but for those on which the home itself lies. Format: proc_pid_mountinfo(5).
func SlowMounts(info []byte, home string) []string {
	var out []string
	sc := bufio.NewScanner(bytes.NewReader(info))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		fields, kind := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 5 || len(kind) == 0 {
			continue
		}
		at := unescapeMount(fields[4])
		switch t := kind[0]; {
		case t == "fuse" || strings.HasPrefix(t, "fuse.") || strings.HasPrefix(t, "nfs") || t == "cifs" || t == "smb3" || t == "9p" || t == "ceph" || t == "autofs":
			if !within(home, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// unescapeMount decodes \040 and its like.
func unescapeMount(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Guarded are the credential files that are looked at too when the agent has
// been told so, see Config.Announced: they can name code that npm or bun loads.
func Guarded() []string { return []string{"~/.npmrc", "~/.bunfig.toml"} }

// place is how far where a program lies speaks against it.
type place int

// The places, the less one expects an autostart's program there, the higher.
const (
	inSystem place = iota // belongs to the system: only root can write it
	inOther               // somewhere else that root or another user made
	inHome                // a folder of the home that one sees
	inHidden              // a hidden folder of the home, or one for applications' data
	inTemp                // for things that are gone tomorrow
)

func (p place) words() string {
	return [...]string{"", "", "its program lies in the home folder", "its program lies in a hidden folder of the home", "its program lies in a folder for temporary files"}[p]
}

// place judges where the file at p, resolved, lies.
func (f *files) place(p string) place {
	p = filepath.ToSlash(p)
	home, root := filepath.ToSlash(f.home), filepath.ToSlash(f.root)
	if rest, ok := strings.CutPrefix(p, strings.TrimSuffix(home, "/")+"/"); ok {
		lower := strings.ToLower(rest)
		if f.system == "windows" && strings.HasPrefix(lower, "appdata/local/temp/") {
			return inTemp
		}
		if strings.HasPrefix(rest, ".") || strings.Contains(rest, "/.") ||
			f.system == "darwin" && strings.HasPrefix(rest, "Library/") ||
			f.system == "windows" && strings.HasPrefix(lower, "appdata/") {
			return inHidden
		}
		return inHome
	}
	if root != "" {
		p = strings.TrimPrefix(p, root)
	}
	for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/run/shm/", "/private/tmp/", "/private/var/tmp/", "/var/folders/", "/private/var/folders/", "C:/Windows/Temp/", "C:/ProgramData/"} {
		if strings.HasPrefix(p, dir) || f.system == "windows" && len(p) > len(dir) && strings.EqualFold(p[:len(dir)], dir) {
			return inTemp
		}
	}
	for _, dir := range []string{"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/gnu/store/", "/var/lib/flatpak/", "/System/", "/Library/", "/Applications/", "C:/Program Files/", "C:/Program Files (x86)/", "C:/Windows/"} {
		if !strings.HasPrefix(p, dir) && !(f.system == "windows" && len(p) > len(dir) && strings.EqualFold(p[:len(dir)], dir)) {
			continue
		}
		if info, err := os.Stat(p); f.root == "" && err == nil && !systemOwned(info) {
			return inOther
		}
		return inSystem
	}
	return inOther
}

// Package signer says who vouches for what a process runs: the operating
// system's package manager, root, or a tool in a person's home that was enrolled
// at first use.
//
// It vouches for files, by ownership and place, and never by name or digest:
// npm upgrades itself in place. It must not know what being vouched for allows;
// that is the trust table's business. Nothing it looks at is written or
// executed, and nothing on a network or user-space file system is touched.
package signer

import (
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell/watchers/internal/packagedb"
	"wormbell/watchers/internal/procs"
)

// Home is a guarded home: what lies in it belongs to a person, not to root.
type Home struct {
	Dir string // absolute, symlinks resolved
	UID int    // its owner; -1 where there are no uids
}

// Config is what a Signer needs to know.
type Config struct {
	Homes []Home
	Brew  string // where Homebrew on Linux lives; "" for its fixed place
	Root  string // below which the system's package databases lie; "" for "/"
	State string // file that keeps what was enrolled; "" keeps it in memory alone
	Log   *slog.Logger
	// Quiet reports whether no dependency's script was alive at any time
	// between two. What was written then was the person's own doing. nil: never.
	Quiet func(from, to time.Time) bool
	// QuietBut is Quiet without the scripts of the package in a folder, and Installed
	// reports whether a vouched package manager that no dependency's script had
	// started was installing at any time between two. nil: never.
	QuietBut  func(dir string, from, to time.Time) bool
	Installed func(from, to time.Time) bool
	Now       func() time.Time

	patience time.Duration // for tests; 0 for the default
}

// Signer vouches. It is safe for concurrent use.
type Signer struct {
	files *Files
	cfg   Config
	root  Ident  // of our own "/"
	ns    string // our own mount namespace
	// machine is the mount namespace of the machine; "" if that is ours, or we may
	// not know. A service manager gives a service that it restricts a copy of it.
	machine string

	written written

	mu      sync.Mutex       // guards the rest
	started bool             // what was there at the start is enrolled
	known   map[string]known // what a path was vouched for by root or a package
	pkgs    *packagedb.Index
	tools   []*tool // enrolled, in order of discovery
	dirty   bool    // tools differ from the state file
	later   map[due]bool
	coming  map[string]time.Time // packages that came and are not held yet, and when
	tired   time.Time            // until then nothing is read to prove where a package came from
	born    time.Time            // what is older was there before the agent
	needed  map[string][]string  // libraries that a program of root's loads
	effort  effort
}

// known is a cached answer. Only root can make it wrong, so it may be a minute old.
type known struct {
	label string
	ident Ident
	until time.Duration // of procs.Uptime
	same  bool          // the path means that file in the machine's mount namespace, too
}

const (
	knownFor = time.Minute
	knownMax = 4096
)

// New returns a Signer that has enrolled the tools in the homes.
func New(cfg Config) *Signer {
	if cfg.Brew == "" {
		cfg.Brew = "/home/linuxbrew/.linuxbrew"
	}
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	if cfg.Quiet == nil {
		cfg.Quiet = func(_, _ time.Time) bool { return false }
	}
	if cfg.QuietBut == nil {
		cfg.QuietBut = func(string, time.Time, time.Time) bool { return false }
	}
	if cfg.Installed == nil {
		cfg.Installed = func(_, _ time.Time) bool { return false }
	}
	if cfg.patience == 0 {
		cfg.patience = patience
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Signer{files: NewFiles(), cfg: cfg, known: map[string]known{}, later: map[due]bool{}, coming: map[string]time.Time{}, born: time.Now(), needed: map[string][]string{}, effort: effort{left: effortMax}, ns: mountNamespace("self")}
	if machine := mountNamespace("1"); machine != s.ns {
		s.machine = machine
	}
	s.root, _ = identOf("/")
	s.pkgs = packagedb.Read(cfg.Root)
	for _, p := range s.pkgs.Problems() {
		cfg.Log.Warn("who installed a program is not known", "err", p)
	}
	s.load()
	s.enrol()
	s.started = true
	return s
}

// Files returns the signer's careful eyes, for others to use.
func (s *Signer) Files() *Files { return s.files }

// Close writes what is to be kept and releases what s holds.
func (s *Signer) Close() {
	s.save()
	s.files.Close()
}

// Query is what a process runs.
type Query struct {
	PID     int
	Exe     string
	Deleted bool // Exe has no name any more
	Cwd     string
	Run     procs.Run
	Env     *procs.Env // nil if it could not be read
}

// Notices says in sentences what keeps the labels from being right, and which
// tools have fallen.
func (s *Signer) Notices() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.pkgs.Problems(), s.fallen(), s.overlooked())
}

// Vouch returns who vouches for everything that a process runs: "deb:NAME" or
// "rpm:", "pacman:", "apk:", "root", "first-use:~/…", "package:~/…", or "" for no one. The process must be alive: what it
// runs is compared with what lies at the path.
func (s *Signer) Vouch(q Query) string {
	if !runs(q) {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	exe := s.exe(q.PID, q.Exe)
	if exe == "" || !s.preloads(q) || !s.loads(q) || !s.unshadowed(q) {
		return ""
	}
	switch {
	case q.Run.Script != "":
		label := s.script(q.PID, q.Run.Script)
		if label != "" && (!s.alone(q) || !s.kept(q)) {
			return ""
		}
		return label
	case q.Run.Stdin && !procs.StdinTTY(q.PID):
		return "" // curl | sh
	}
	return exe
}

// runs reports whether it is known what a process runs, and that it is a file.
func runs(q Query) bool {
	return q.Exe != "" && !q.Deleted && q.Env != nil && !q.Env.Void && !q.Run.Void && (q.Run.Kind == "" || !q.Run.Code || q.Run.Kind == procs.Shell)
}

// Foreign reports whether the environment and the flags of a process make it
// load code besides what it runs that nobody vouches for, or may do so.
func (s *Signer) Foreign(q Query) bool {
	if q.Env == nil || q.Env.Void || q.Run.Void {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.preloads(q) || !s.loads(q) || !s.unshadowed(q)
}

// exe vouches for the program of a process.
func (s *Signer) exe(pid int, name string) string {
	running, err := exeIdent(pid)
	if err != nil {
		return ""
	}
	if k, ok := s.cached(name); ok && k.ident.Dev == running.Dev && k.ident.Ino == running.Ino {
		return k.label
	}
	label, found, err := s.file(name)
	if err != nil || found.Dev != running.Dev || found.Ino != running.Ino {
		return "" // memfd, a container's file of the same name, or replaced since
	}
	return label
}

// script vouches for the file that an interpreter was told to run.
func (s *Signer) script(pid int, name string) string { return s.scriptBy(pid, name, s.file) }

// scriptBy is script with somebody else to say who vouches for a file.
func (s *Signer) scriptBy(pid int, name string, file func(string) (string, Found, error)) string {
	label := ""
	k, ok := s.cached(name)
	if ok {
		label = k.label
	} else {
		l, found, err := file(name)
		if err != nil {
			return ""
		}
		label, k.ident = l, found.Ident
	}
	if label == "" {
		return ""
	}
	// The name means the same to the process only if it has our view of the
	// file system. If not, ask what the name means to it.
	// Of the machine's own view the answer holds for as long as the label does:
	// root alone can make either wrong.
	ns := mountNamespace(pidName(pid))
	ours, machine := s.ns != "" && ns == s.ns, s.machine != "" && ns == s.machine
	if ours || machine {
		if r, err := rootIdent(pid); err != nil || r.Dev != s.root.Dev || r.Ino != s.root.Ino {
			ours, machine = false, false
		}
	}
	if ours || machine && k.same {
		return label
	}
	seen, err := identIn(pid, name, &s.files.mounts)
	if err != nil || seen.Dev != k.ident.Dev || seen.Ino != k.ident.Ino {
		return ""
	}
	if k, ok := s.known[name]; ok && machine && k.ident.Dev == seen.Dev && k.ident.Ino == seen.Ino {
		k.same = true
		s.known[name] = k
	}
	return label
}

func (s *Signer) cached(name string) (known, bool) {
	k, ok := s.known[name]
	return k, ok && procs.Uptime() < k.until
}

// file vouches for a file at a path of ours.
func (s *Signer) file(name string) (string, Found, error) {
	found, err := s.files.Lookup(name)
	if err != nil {
		return "", found, err
	}
	if !found.Regular {
		return "", found, nil
	}
	if found.Root && !s.inHome(name) && !s.inHome(found.Path) {
		label := "root"
		if pkg := s.pkgs.Owner(found.Path); pkg != "" {
			label = pkg
		}
		if len(s.known) >= knownMax {
			clear(s.known)
		}
		s.known[name] = known{label, found.Ident, procs.Uptime() + knownFor, false}
		return label, found, nil
	}
	label := s.hold(found)
	if strings.HasPrefix(label, toolLabel) {
		label = "" // what it loads is others'
	}
	return label, found, nil
}

// inHome reports whether a path lies in a guarded home.
func (s *Signer) inHome(name string) bool {
	for _, h := range s.cfg.Homes {
		if within(name, h.Dir) {
			return true
		}
	}
	return false
}

func within(name, dir string) bool {
	return len(name) > len(dir) && name[:len(dir)] == dir && (name[len(dir)] == '/' || dir == "/") || name == dir
}

// loads reports whether everything that flags and environment make an
// interpreter load is vouched for.
func (s *Signer) loads(q Query) bool {
	files := q.Run.Loads
	var more []string
	void := false
	switch q.Run.Kind {
	case procs.Node:
		more, void = procs.Options(q.Env.NodeOptions, q.Cwd)
	case procs.Bun:
		more, void = procs.Options(q.Env.BunOptions, q.Cwd)
	}
	if void {
		return false
	}
	for _, list := range [][]string{files, more} {
		for _, f := range list {
			if f == "" || !s.loadable(q.PID, f) {
				return false
			}
		}
	}
	return true
}

// loadable vouches for a file, or for a folder that root alone can fill.
func (s *Signer) loadable(pid int, name string) bool {
	found, err := s.look(name)
	if err != nil {
		return false
	}
	return s.script(pid, name) != "" || found.Dir && found.Root && !s.inHome(name) && !s.inHome(found.Path)
}

// libraryDirs are where ld.so looks for a library that is named without a folder.
var libraryDirs = []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib",
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib/libeatmydata", "/usr/lib/x86_64-linux-gnu/libfakeroot", "/usr/lib/aarch64-linux-gnu/libfakeroot"}

// preloads reports whether the libraries that LD_PRELOAD and LD_AUDIT bring
// into the process are vouched for. See ld.so(8).
func (s *Signer) preloads(q Query) bool {
	if q.Env.Preload == "" && q.Env.Audit == "" {
		return true
	}
	split := func(r rune) bool { return r == ' ' || r == ':' }
	libs := append(strings.FieldsFunc(q.Env.Preload, split), strings.FieldsFunc(q.Env.Audit, split)...)
	if len(libs) > theirsMax || len(foldersIn(q.Env.LibraryPath)) > foldersMax {
		return false
	}
	for _, lib := range libs {
		if !s.library(q, lib) {
			return false
		}
	}
	return true
}

func (s *Signer) library(q Query, lib string) bool {
	if strings.Contains(lib, "$") { // $LIB and $PLATFORM hang on the program, $ORIGIN as well
		for _, dir := range []string{"lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib", "lib64"} {
			if f := strings.NewReplacer("$LIB", dir, "${LIB}", dir).Replace(lib); path.IsAbs(f) && !strings.Contains(f, "$") && s.script(q.PID, path.Clean(f)) != "" {
				return true
			}
		}
		return false
	}
	if strings.Contains(lib, "/") {
		return path.IsAbs(lib) && s.script(q.PID, path.Clean(lib)) != ""
	}
	for _, dir := range foldersIn(q.Env.LibraryPath) {
		if dir == "" {
			continue
		}
		if !path.IsAbs(dir) {
			return false
		}
		switch _, err := s.look(path.Join(dir, lib)); {
		case ofProcess(path.Clean(dir)) || err != nil && !errors.Is(err, fs.ErrNotExist):
			return false // it may be there
		case err == nil:
			return s.script(q.PID, path.Join(dir, lib)) != ""
		}
	}
	for _, dir := range libraryDirs {
		if s.script(q.PID, path.Join(dir, lib)) != "" {
			return true
		}
	}
	return false
}

// Maintain does what has time: it reads the package manager's lists again if
// they changed, finds tools that are new, and writes the state file. Call it
// once a minute.
func (s *Signer) Maintain() {
	s.mu.Lock()
	was := s.pkgs
	s.mu.Unlock()
	if fresh := was.Refresh(); fresh != was { // takes its time
		for _, p := range fresh.Problems() {
			if !slices.Contains(was.Problems(), p) {
				s.cfg.Log.Warn("who installed a program is not known", "err", p)
			}
		}
		s.mu.Lock()
		s.pkgs = fresh
		clear(s.known)
		clear(s.needed)
		s.mu.Unlock()
	}
	s.prune()
	s.mu.Lock()
	s.enrol()
	s.takeIn()
	s.mu.Unlock()
	s.lookLater()
	s.save()
}

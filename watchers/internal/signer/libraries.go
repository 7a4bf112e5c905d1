package signer

import (
	"debug/elf"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"wormbell/watchers/internal/procs"
)

// This file says whether a program finds a library, or npm a module, in a
// folder that others than root fill. Such folders are common and mostly harmless:
// what counts is whether one holds something that is looked for.

// libraryMax bounds a program that is looked into. It is not read as a whole.
const libraryMax = 1 << 30

// everywhere are libraries that any program may come to load, nsswitch.conf(5),
// and that node from its makers needs.
var everywhere = []string{"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1", "libz.so.1",
	"libnss_files.so.2", "libnss_dns.so.2", "libnss_compat.so.2", "libnss_systemd.so.2", "libnss_myhostname.so.2", "libnss_mymachines.so.2", "libnss_resolve.so.2",
	"libnss_mdns4_minimal.so.2", "libnss_mdns4.so.2", "libnss_mdns_minimal.so.2", "libnss_mdns.so.2", "libnss_sss.so.2", "libnss_ldap.so.2", "libnss_winbind.so.2", "libc.musl-x86_64.so.1"}

// special are folders below one that ld.so(8) looks into first.
var special = []string{"glibc-hwcaps", "tls", "x86_64", "haswell", "avx512_1", "aarch64"}

// unshadowed reports whether no folder of LD_LIBRARY_PATH holds, for somebody
// else than root, a library that the program loads.
func (s *Signer) unshadowed(q Query) bool {
	if q.Env.LibraryPath == "" {
		return true
	}
	var names []string
	dirs, theirs := foldersIn(q.Env.LibraryPath), 0
	if len(dirs) > foldersMax {
		return false
	}
	for _, dir := range dirs {
		if strings.Contains(dir, "$") { // $ORIGIN is the program's folder, $LIB the system's name for libraries
			return false
		}
		if !path.IsAbs(dir) {
			if q.Cwd == "" {
				return false
			}
			dir = path.Join(q.Cwd, dir)
		}
		dir = path.Clean(dir)
		if ofProcess(dir) {
			return false
		}
		found, err := s.look(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, ErrSlow):
			// An AppImage of an editor leaves its own, which is FUSE, to all that is
			// started in its terminal. What comes of it shows when a file is read:
			// see [Signer.Stranger].
			continue
		case err != nil:
			return false
		case !found.Dir || found.Root && !s.inHome(dir) && !s.inHome(found.Path):
			continue
		}
		if theirs++; theirs > theirsMax {
			return false
		}
		if names == nil {
			names = s.needs(q.Exe)
		}
		has := s.has(found.Path)
		if slices.ContainsFunc(special, has) {
			return false
		}
		for _, name := range names {
			if has(name) && !s.sought(q.PID, path.Join(found.Path, name)) {
				return false
			}
		}
	}
	return true
}

// ofProcess reports whether a name means to each process what it likes: /proc/self/cwd.
func ofProcess(name string) bool {
	return slices.ContainsFunc([]string{"/proc", "/dev", "/sys"}, func(dir string) bool { return within(name, dir) })
}

// What is looked through of one process, so that none can keep us busy: folders
// that the environment names, and those among them that others than root fill.
const (
	foldersMax = 256
	theirsMax  = 16
)

// foldersIn returns the folders of a list as of ld.so(8), each once.
func foldersIn(list string) (dirs []string) {
	seen := map[string]bool{}
	for dir := range strings.SplitSeq(strings.ReplaceAll(list, ";", ":"), ":") {
		if !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// sought vouches for a file that a process has us look for.
func (s *Signer) sought(pid int, name string) bool {
	_, err := s.look(name)
	return err == nil && s.script(pid, name) != ""
}

// there reports whether there is something of this name, or may be.
func (s *Signer) there(name string) bool {
	_, err := s.look(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// has returns what reports whether a folder has, or may have, something of a name. The
// folder is listed, if it is not too big for that: each look costs the whole way to it.
func (s *Signer) has(dir string) func(name string) bool {
	if _, err := s.look(dir); err == nil {
		if names, err := s.files.ReadDir(dir); err == nil && len(names) < listMax {
			s.effort.left -= len(names) / 8 // many come with one call
			slices.Sort(names)
			return func(name string) bool {
				_, found := slices.BinarySearch(names, name)
				return found
			}
		}
	}
	return func(name string) bool { return s.there(path.Join(dir, name)) }
}

// needs returns the names of the libraries that a program loads, and those that
// they load. Only into root's is it looked: a reader of programs is no match for
// one that was made for it.
func (s *Signer) needs(exe string) []string {
	if names, ok := s.needed[exe]; ok {
		return names
	}
	names := slices.Clone(everywhere)
	if found, err := s.files.Lookup(exe); err == nil && found.Root {
		names = s.imports(names, exe)
		for i := len(everywhere); i < len(names) && i < 500; i++ { // it grows
			for _, dir := range libraryDirs {
				if lib := path.Join(dir, names[i]); s.script(0, lib) != "" {
					names = s.imports(names, lib)
					break
				}
			}
		}
	}
	if len(s.needed) >= 256 { // any other one: who asks for many would have all be looked for again
		for other := range s.needed {
			delete(s.needed, other)
			break
		}
	}
	s.needed[exe] = names
	return names
}

// imports adds to names what a file of root's asks for.
func (s *Signer) imports(names []string, file string) []string {
	f, err := s.files.Open(file, libraryMax)
	if err != nil {
		return names
	}
	defer f.Close()
	e, err := elf.NewFile(f)
	if err != nil {
		return names
	}
	libs, err := e.ImportedLibraries()
	if err != nil {
		return names
	}
	for _, lib := range libs {
		if !strings.Contains(lib, "/") && !slices.Contains(names, lib) {
			names = append(names, lib)
		}
	}
	return names
}

// optional are modules that package managers load if they find them and do not
// bring along: `require('encoding')` of minipass-fetch in npm up to 10.
var optional = []string{"encoding"}

// alone reports whether node finds no module for a package manager where others
// than root put modules: NODE_PATH, the folders of the home that node still looks
// into (modules.html, "Loading from the global folders"), and beside a
// package manager in a home.
func (s *Signer) alone(q Query) bool {
	if q.Run.Kind != procs.Node || q.Run.Script == "" {
		return true
	}
	var held *tool // the package whose script it is
	names := optional
	var dirs []string
	looks, anywhere := 0, false
	look := func(home, name string) {
		if looks++; looks > foldersMax {
			return
		}
		anywhere = anywhere || ofProcess(path.Clean(home))
		switch _, err := s.look(home); {
		case err == nil: // else nothing can be told of what is in it
			dirs = append(dirs, path.Join(home, name))
		case errors.Is(err, errEffort):
			anywhere = true
		}
	}
	for line := range strings.SplitSeq(q.Env.Around, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "HOME":
			look(value, ".node_modules")
			look(value, ".node_libraries")
		case "NODE_PATH":
			for _, dir := range foldersIn(value) {
				if dir != "" && !path.IsAbs(dir) {
					dir = path.Join(q.Cwd, dir)
				}
				look(dir, "")
			}
		}
	}
	if anywhere || looks > foldersMax || len(dirs) > 2+theirsMax {
		return false
	}
	if found, err := s.files.Lookup(q.Run.Script); err == nil && !found.Root {
		if held = s.packageTool(found.Path); held != nil {
			names = slices.Concat(optional, besides)
		}
		for dir := path.Dir(found.Path); s.inHome(dir) || within(dir, s.cfg.Brew); dir = path.Dir(dir) {
			if path.Base(dir) == "node_modules" {
				dirs = append(dirs, dir)
			}
		}
	}
	for _, dir := range dirs {
		if !path.IsAbs(dir) || !s.there(dir) {
			continue
		}
		has := s.has(dir)
		for _, name := range names {
			scope, _, scoped := strings.Cut(name, "/")
			for _, ext := range []string{"", ".js", ".json", ".node", ".cjs"} {
				file := path.Join(dir, name+ext)
				if scoped && (!has(scope) || !s.there(file)) || !scoped && !has(name+ext) || held != nil && path.Base(dir) == "node_modules" && s.unchanged(held, file) || s.ours(q.PID, file) {
					continue
				}
				return false
			}
		}
	}
	return true
}

// ours reports whether root or an enrolled tool put something there.
func (s *Signer) ours(pid int, name string) bool {
	if s.loadable(pid, name) {
		return true
	}
	found, err := s.look(name)
	if err != nil || !found.Dir {
		return false
	}
	t := s.toolOf(found.Path)
	return t != nil && t.Fell == "" && t.allow(strings.TrimPrefix(found.Path[len(t.Dir):], "/")+"/x.js")
}

// Stranger returns what a process that is vouched for has loaded as code and
// nobody vouches for, such as an add-on of node's; "" for nothing. If where is
// not empty, only what lies in those folders (LD_LIBRARY_PATH) is judged, what
// has a name there, and what lies on a slow file system: another program's plugins
// are its own affair. Of folders that cannot be looked into anything may have come.
func (s *Signer) Stranger(pid int, code []procs.Mapped, where string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	folders := strings.FieldsFunc(where, func(r rune) bool { return r == ':' || r == ';' })
	ns := mountNamespace(pidName(pid))
	same := ns != "" && (ns == s.ns || ns == s.machine)
	unknown, all := 0, len(folders) == 0
	for _, m := range code {
		if s.knows(m, same) {
			continue
		}
		if unknown++; unknown == 1 && !all {
			folders, all = s.real(folders)
		}
		if all || unknown > unknownMax || s.from(m, folders) {
			return m.Path
		}
	}
	return ""
}

// unknownMax is how many files of nobody's a program may have loaded that has an
// LD_LIBRARY_PATH: each is looked for in its folders, while it waits.
const unknownMax = 256

// real returns where the folders of an LD_LIBRARY_PATH are in which others than root
// may put something. anywhere says that one of them cannot be looked into, or that
// they are too many.
func (s *Signer) real(folders []string) (dirs []string, anywhere bool) {
	if len(folders) > foldersMax {
		return nil, true
	}
	for _, dir := range folders {
		dir = path.Clean(dir)
		switch found, err := s.look(dir); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil || ofProcess(dir):
			return nil, true
		case !found.Root || s.inHome(dir) || s.inHome(found.Path):
			dirs = append(dirs, found.Path)
		}
	}
	return dirs, len(dirs) > theirsMax
}

// from reports whether a mapped file comes from one of the folders, if only by a
// link of its name, or from where that cannot be told.
func (s *Signer) from(m procs.Mapped, folders []string) bool {
	if _, err := s.look(m.Path); errors.Is(err, ErrSlow) || errors.Is(err, errEffort) {
		return true
	}
	return slices.ContainsFunc(folders, func(dir string) bool {
		home := s.inHome(dir) && !s.inHome(path.Dir(dir)) // by an empty part of the list, in a shell that is just there
		return within(m.Path, dir) && (!home || path.Dir(m.Path) == dir) || s.there(path.Join(dir, path.Base(m.Path)))
	})
}

// knows vouches for a mapped file. same says that its name means to the
// process what it means to us. The number of its disk is not compared: btrfs
// tells another one there.
func (s *Signer) knows(m procs.Mapped, same bool) bool {
	if strings.HasPrefix(m.Path, "/memfd:") || !path.IsAbs(m.Path) {
		return false
	}
	if m.Deleted { // an upgrade replaced it, if only root can
		dir, err := s.files.Lookup(path.Dir(m.Path))
		return same && err == nil && dir.Dir && dir.Root && !s.inHome(dir.Path)
	}
	if _, ok := s.cached(m.Path); ok && same {
		return true // root alone can have changed it within the minute
	}
	label, found, err := s.file(m.Path)
	return err == nil && label != "" && (same && found.Root || found.Ino == m.Ino)
}

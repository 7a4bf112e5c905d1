package signer

import (
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// This file takes in who writes, as the kernel tells it of each name. It only
// ever takes back what the times of files would vouch for. It cannot vouch by
// itself: not everything that is written has a name (a file that is held open, one that
// is cut off, another name of the same file), and of the last process that lets go of a
// file it is not sure that it has written to it.

// Wrote says that a process which is no vouched package manager wrote, made, linked or
// moved something to a name, an absolute path without symlinks. Script says that
// it belongs to a dependency's script, and own is the folder of that one's package, ""
// if that is not known; content, that it may have changed what is in the file.
func (s *Signer) Wrote(name, own string, script, content bool) {
	if script && content {
		// It may be moved, or linked, to where it matters later.
		if found, err := s.files.Lookup(name); err == nil && found.Path == name && found.Regular {
			s.written.add(found, own)
		}
	}
	for _, p := range touchedPackages(name) {
		if p.dir != own && p.has(name) && !besideCode(strings.TrimPrefix(name, p.dir+"/")) {
			s.touched(p, name)
		}
	}
}

// besideCode reports whether a path in a package is [aside], or in a folder that is.
func besideCode(rel string) bool {
	dir := ""
	for rest := rel; rest != ""; {
		var part string
		if part, rest, _ = strings.Cut(rest, "/"); aside(dir, part) {
			return true
		}
		dir = path.Join(dir, part)
	}
	return false
}

// touchedPackages is [packagesOf] for who writes: a package that is still being
// unpacked, and has the name that npm or pnpm gives it until then, counts as well.
func touchedPackages(name string) []inPackage {
	in := packagesOf(name)
	const nm = "/node_modules/"
	for at := len(name); ; {
		i := strings.LastIndex(name[:at], nm)
		if i < 0 {
			return in
		}
		at = i + 1
		top, scope := name[:i+len(nm)], ""
		rest := name[i+len(nm):]
		if strings.HasPrefix(rest, "@") {
			n := segment(rest)
			scope, rest = rest[:n]+"/", strings.TrimPrefix(rest[n:], "/")
		}
		base := rest[:segment(rest)]
		final, unpacked := strings.CutPrefix(base, ".")
		if unpacked {
			final = final[:max(0, strings.LastIndexByte(final, '-'))] // npm: .pnpm-Ab12Cd34
		} else {
			final, _, unpacked = strings.Cut(base, "_tmp_") // pnpm: pnpm_tmp_1234
		}
		if unpacked && isClient(scope+final) {
			in = append(in, inPackage{top + scope + final, scope + final})
		}
	}
}

// touched lets a package fall that somebody else wrote to. One that is not held
// yet is held as fallen, so that it stays so when the agent starts anew.
func (s *Signer) touched(p inPackage, name string) {
	label := s.packageLabelOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir, _, allow := s.place(p.dir); label == "" || dir != "" && allow(strings.TrimPrefix(p.dir[len(dir):], "/")+"/x.js") {
		return // in no home, or part of a tool in its own place
	}
	now := s.cfg.Now().UTC()
	why := changedAt(path.Join("./", strings.TrimPrefix(name, p.dir)), now) + ", by something else than a package manager"
	i := slices.IndexFunc(s.tools, func(t *tool) bool { return t.Dir == p.dir })
	switch {
	case i >= 0 && s.tools[i].Fell == "":
		s.fall(s.tools[i], why)
	case i >= 0:
		if t := s.tools[i]; !t.FellAt.IsZero() {
			t.FellAt, s.dirty = time.Now().UTC(), true
		}
	case s.room(true): // beyond, no other package is held at all
		t := &tool{Dir: p.dir, Label: label, Since: now, Base: s.born, Files: map[string]Ident{}, allow: anyOf, pkg: p.name}
		s.tools = append(s.tools, t)
		s.fall(t, why)
	}
}

// writtenMax bounds each of the two generations of files that are remembered.
const writtenMax = 32 << 10

// written are the files that dependencies' scripts have written to, whatever they
// are called. It is safe for concurrent use.
type written struct {
	mu         sync.Mutex
	young, old map[writtenFile]string // the folder of the script's package
}

// writtenFile is a file, and not a later one that has its number.
type writtenFile struct {
	dev, ino uint64
	born     int64
}

// several stands for the folders of more than one package.
const several = "\x00"

// add remembers a file, unless its file system does not say when it was made.
func (w *written) add(f Found, own string) {
	if f.Born == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.young) >= writtenMax || w.young == nil {
		w.young, w.old = map[writtenFile]string{}, w.young
	}
	key := writtenFile{f.Dev, f.Ino, f.Born}
	if was, ok := w.at(key); ok && was != own {
		own = several
	}
	w.young[key] = own
}

// at returns whose script wrote to a file. w.mu is held.
func (w *written) at(key writtenFile) (own string, ok bool) {
	if own, ok = w.young[key]; !ok {
		own, ok = w.old[key]
	}
	return own, ok
}

// byAnother reports whether a script wrote to a file that is not the one of the
// package in dir.
func (w *written) byAnother(dir string, dev, ino uint64, born int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	own, ok := w.at(writtenFile{dev, ino, born})
	return ok && own != dir
}

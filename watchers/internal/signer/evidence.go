package signer

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"strings"
)

// This file reads what package managers write down of what they installed. A
// folder's name is what the one who asked for the package calls it
// (`pnpm@npm:other`), and a package's own files say what their author likes.

const (
	lockMax     = 8 << 20 // bytes of a lockfile
	manifestMax = 1 << 20
)

// version is what a registry takes for one, and no address.
var version = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?$`)

// fromRegistry reports whether a package manager wrote down that the package in a
// folder came from a registry under the folder's name. s.mu is held.
func (s *Signer) fromRegistry(p inPackage) bool {
	v := s.versionOf(p)
	if v == "" {
		return false
	}
	root := strings.TrimSuffix(p.dir, "/node_modules/"+p.name)
	if above, entry := path.Split(root); path.Base(above) == ".pnpm" {
		return s.inPnpmStore(path.Clean(above), entry, p.name, v)
	}
	if s.isGlobal(root) {
		return s.mineAt(p.dir, p.dir)
	}
	if in := packagesOf(p.dir); len(in) > 1 {
		// What a registry tool that lies there needs, and npm has put into it.
		tool := in[len(in)-1]
		above := strings.TrimSuffix(tool.dir, "/node_modules/"+tool.name)
		if root == tool.dir && s.isGlobal(above) {
			return s.mineAt(p.dir, p.dir)
		}
	}
	// npm writes down of nested packages and of workspaces', too, in the root's.
	for top := path.Dir(p.dir); s.inHome(top); top = path.Dir(top) {
		if outside(top) && s.npmSays(top, p, v) {
			return true
		}
	}
	return outside(root) && (s.yarnSays(root, p, v) || s.berrySays(root, p, v) || s.bunSays(root, p, v))
}

// outside reports whether a folder is in no package: what lies within one came
// with it.
func outside(dir string) bool { return !strings.Contains(dir+"/", "/node_modules/") }

// mineAt is [Signer.mine] for a path. s.mu is held.
func (s *Signer) mineAt(name, dir string) bool {
	found, err := s.files.Lookup(name)
	return err == nil && found.Path == name && s.mine(found, dir)
}

// note reads what a package manager wrote down, if nobody else did; nil if not.
func (s *Signer) note(name, dir string) []byte {
	found, err := s.files.Lookup(name)
	if err != nil || found.Path != name || !found.Regular || !s.mine(found, dir) {
		return nil
	}
	b, err := s.files.Read(name, lockMax)
	if err != nil {
		return nil
	}
	return b
}

// versionOf is the version that a package states, if it states the name of its folder.
func (s *Signer) versionOf(p inPackage) string {
	found, err := s.files.Lookup(p.dir)
	if err != nil || found.Path != p.dir || !found.Dir {
		return "" // a workspace, or somebody's own
	}
	b, err := s.files.Read(path.Join(p.dir, "package.json"), manifestMax)
	var m struct{ Name, Version string }
	if err != nil || json.Unmarshal(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), &m) != nil || m.Name != p.name || !version.MatchString(m.Version) {
		return ""
	}
	return m.Version
}

// inPnpmStore: pnpm names a folder after what is in it, whatever it is asked for
// as: "pnpm@10.1.0", "evil@1.0.0", "pnpm@https+++evil.example.com+pnpm.tgz".
func (s *Signer) inPnpmStore(store, entry, name, v string) bool {
	if up := path.Dir(store); !outside(up) && (path.Base(up) != "node_modules" || !outside(path.Dir(up))) {
		return false // it came within a package
	}
	rest, ok := strings.CutPrefix(entry, strings.ReplaceAll(name, "/", "+")+"@"+v)
	return ok && (rest == "" || rest[0] == '(' || rest[0] == '_') && s.mineAt(path.Join(store, entry), path.Join(store, entry, "node_modules", name))
}

// isGlobal reports whether root is where `npm install -g` puts node_modules:
// npm writes nothing down there. What others depend on lies deeper.
func (s *Signer) isGlobal(root string) bool {
	if path.Base(root) != "lib" || !outside(root) || s.there(path.Join(root, "package.json")) {
		return false
	}
	bin, err := s.files.Lookup(path.Join(path.Dir(root), "bin"))
	return err == nil && bin.Dir
}

// npmEntry is what npm writes down of a package; see package-lock.json(5).
type npmEntry struct {
	Name     string // if the folder's is another
	Version  string
	Resolved string // not there if npm was told to leave it out for what is the registry's
	InBundle bool
	Link     bool
}

// npmSays reads the hidden lockfile of the node_modules of a root.
func (s *Signer) npmSays(root string, p inPackage, v string) bool {
	var lock struct{ Packages map[string]json.RawMessage }
	b := s.note(path.Join(root, "node_modules/.package-lock.json"), p.dir)
	key := strings.TrimPrefix(p.dir, strings.TrimSuffix(root, "/")+"/")
	if b == nil || !bytes.Contains(b, []byte(`"`+key+`"`)) || json.Unmarshal(b, &lock) != nil {
		return false
	}
	entry := func(key string) (e npmEntry, ok bool) {
		return e, lock.Packages[key] != nil && json.Unmarshal(lock.Packages[key], &e) == nil && e.Name == "" && !e.InBundle && !e.Link && version.MatchString(e.Version)
	}
	e, ok := entry(key)
	if !ok || e.Version != v {
		return false
	}
	if e.Resolved == "" {
		return true
	}
	from := origin(e.Resolved, p.name, v)
	if from == "" {
		return false
	}
	// A package may ask for others by an address of its own. What the project asks
	// for by a mere name tells where the registry is.
	for _, name := range s.asked(root) {
		if e, ok := entry("node_modules/" + name); ok && origin(e.Resolved, name, e.Version) == from {
			return true
		}
	}
	return false
}

// origin is where the registry is that an address of a tarball belongs to; "" if it
// is none that registries use.
func origin(resolved, name, v string) string {
	resolved, _, _ = strings.Cut(resolved, "#")
	from, ok := strings.CutSuffix(resolved, "/"+name+"/-/"+path.Base(name)+"-"+v+".tgz")
	if !ok || !strings.HasPrefix(from, "https://") && !strings.HasPrefix(from, "http://") {
		return ""
	}
	return from
}

// asked returns the packages that the project at root asks for by a version or a
// tag, and not by an address or as another's.
func (s *Signer) asked(root string) (names []string) {
	b, err := s.files.Read(path.Join(root, "package.json"), manifestMax)
	var m struct{ Dependencies, DevDependencies, OptionalDependencies map[string]string }
	if err != nil || json.Unmarshal(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), &m) != nil {
		return nil
	}
	for _, list := range []map[string]string{m.Dependencies, m.DevDependencies, m.OptionalDependencies} {
		for name, spec := range list {
			if plain(spec) {
				names = append(names, name)
			}
		}
	}
	return names
}

func plain(spec string) bool { return !strings.ContainsAny(spec, ":/") }

// yarnSays reads what yarn classic keeps in node_modules.
func (s *Signer) yarnSays(root string, p inPackage, v string) bool {
	var state struct{ LockfileEntries map[string]string }
	b := s.note(path.Join(root, "node_modules/.yarn-integrity"), p.dir)
	if b == nil || json.Unmarshal(b, &state) != nil {
		return false
	}
	ok := false
	for pattern, resolved := range state.LockfileEntries {
		spec, mine := strings.CutPrefix(pattern, p.name+"@")
		if !mine {
			continue
		}
		if !plain(spec) {
			return false // one of the two came from elsewhere: which one is in the folder?
		}
		ok = ok || origin(resolved, p.name, v) != ""
	}
	return ok
}

// berrySays reads what the newer yarn keeps there: a list of what came from where.
func (s *Signer) berrySays(root string, p inPackage, v string) bool {
	b := s.note(path.Join(root, "node_modules/.yarn-state.yml"), p.dir)
	within := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line != "" && line[0] != ' ':
			within = line == `"`+p.name+"@npm:"+v+`":`
		case within && strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "- "), `"`) == "node_modules/"+p.name:
			return true
		}
	}
	return false
}

// bunSays reads bun's lockfile, which bun writes one package a line.
func (s *Signer) bunSays(root string, p inPackage, v string) bool {
	b := s.note(path.Join(root, "bun.lock"), p.dir)
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, `    "`+p.name+`": ["`+p.name+"@"+v+`", "", `) {
			return true
		}
	}
	return false
}

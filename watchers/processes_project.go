package watchers

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"wormbell/watchers/internal/signer"
)

// projects reads what a project's root says about its workspaces. It is not
// safe for concurrent use.
type projects struct {
	files *signer.Files
	cache map[string]workspaces // by root, resolved
}

// workspaces are the patterns of a project's root, and of which files they were read.
type workspaces struct {
	manifest, pnpm signer.Ident
	patterns       []string
}

// Bounds of what is read of a project's files.
const (
	manifestMax = 1 << 20
	patternsMax = 200
	rootsMax    = 256
)

func newProjects(f *signer.Files) *projects {
	return &projects{files: f, cache: map[string]workspaces{}}
}

// own reports whether folder is the root of the project at root or one of its
// workspaces, or of the project that has root itself as a workspace. If root
// is not known, what lies under no node_modules counts as own: not being able
// to tell is no reason to call the person's work a dependency.
func (p *projects) own(root, folder string) bool {
	folder = p.resolve(folder)
	if root == "" {
		return !slices.Contains(strings.Split(folder, "/"), "node_modules")
	}
	root = p.resolve(root)
	if folder == root {
		return true
	}
	for dir := root; ; dir = path.Dir(dir) {
		if ws := p.workspaces(dir); len(ws) > 0 && (dir == root || member(dir, root, ws)) {
			if folder == dir || member(dir, folder, ws) {
				return true
			}
		}
		if dir == "/" || dir == "." {
			return false
		}
	}
}

// resolve follows the symlinks of a folder, or returns it as it is.
func (p *projects) resolve(dir string) string {
	if found, err := p.files.Lookup(dir); err == nil {
		return found.Path
	}
	return path.Clean(dir)
}

// nearest returns the nearest folder at or above dir that has a package.json.
func (p *projects) nearest(dir string) string {
	if !path.IsAbs(dir) {
		return ""
	}
	for ; ; dir = path.Dir(dir) {
		if found, err := p.files.Lookup(path.Join(dir, "package.json")); err == nil && found.Regular {
			return dir
		}
		if dir == "/" {
			return ""
		}
	}
}

// workspaces returns the patterns of a root.
func (p *projects) workspaces(root string) []string {
	manifest, pnpm := path.Join(root, "package.json"), path.Join(root, "pnpm-workspace.yaml")
	m, errM := p.files.Lookup(manifest)
	y, errY := p.files.Lookup(pnpm)
	if errM != nil && errY != nil {
		return nil
	}
	if ws, ok := p.cache[root]; ok && ws.manifest == m.Ident && ws.pnpm == y.Ident {
		return ws.patterns
	}
	ws := workspaces{manifest: m.Ident, pnpm: y.Ident}
	if b, err := p.files.Read(manifest, manifestMax); errM == nil && err == nil {
		ws.patterns = manifestWorkspaces(b)
	}
	if b, err := p.files.Read(pnpm, manifestMax); errY == nil && err == nil {
		ws.patterns = append(ws.patterns, pnpmWorkspaces(b)...)
	}
	ws.patterns = ws.patterns[:min(len(ws.patterns), patternsMax)]
	if len(p.cache) >= rootsMax {
		clear(p.cache)
	}
	p.cache[root] = ws
	return ws.patterns
}

// manifestWorkspaces reads "workspaces" of a package.json: an array, or an
// object with an array of packages.
func manifestWorkspaces(b []byte) []string {
	m := manifestKeys(b)
	var list []string
	if json.Unmarshal(m["workspaces"], &list) == nil {
		return list
	}
	var object struct{ Packages []string }
	if json.Unmarshal(m["workspaces"], &object) == nil {
		return object.Packages
	}
	return nil
}

// pnpmWorkspaces reads the list "packages" of a pnpm-workspace.yaml, in the
// forms that people write: a block list or a flow list of plain or quoted words.
func pnpmWorkspaces(b []byte) []string {
	var list []string
	within := false
	word := func(s string) {
		s, _, _ = strings.Cut(strings.TrimSpace(s), " #")
		if s = strings.Trim(strings.TrimSpace(s), `'"`); s != "" {
			list = append(list, s)
		}
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n ")
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(line, "packages:"):
			rest := strings.TrimSpace(strings.TrimPrefix(line, "packages:"))
			within = rest == "" || strings.HasPrefix(rest, "#")
			if flow, ok := strings.CutPrefix(rest, "["); ok {
				flow, _, _ = strings.Cut(flow, "]")
				for s := range strings.SplitSeq(flow, ",") {
					word(s)
				}
			}
		case within && strings.HasPrefix(text, "-"):
			word(text[1:])
		case line[0] != ' ' && line[0] != '\t':
			within = false
		}
	}
	return list
}

// member reports whether folder matches the patterns of the project at root. A
// workspace never lies under a node_modules.
func member(root, folder string, patterns []string) bool {
	rel, ok := strings.CutPrefix(folder, strings.TrimSuffix(root, "/")+"/")
	if !ok {
		return false
	}
	segments := strings.Split(rel, "/")
	if slices.Contains(segments, "node_modules") {
		return false
	}
	in := false
	for _, pattern := range patterns {
		if strings.Count(pattern, "**") > 3 { // each multiplies the ways to match
			continue
		}
		not := strings.HasPrefix(pattern, "!")
		for _, p := range braces(strings.TrimPrefix(pattern, "!"), 0) {
			if matchSegments(strings.Split(path.Clean(p), "/"), segments) {
				in = !not
			}
		}
	}
	return in
}

// braces expands {a,b}, two levels deep at most.
func braces(pattern string, depth int) []string {
	before, rest, ok := strings.Cut(pattern, "{")
	inside, after, closed := strings.Cut(rest, "}")
	if !ok || !closed || depth == 2 {
		return []string{pattern}
	}
	var all []string
	for alt := range strings.SplitSeq(inside, ",") {
		if all = append(all, braces(before+alt+after, depth+1)...); len(all) > 32 {
			break
		}
	}
	return all
}

// matchSegments matches a pattern in which ** stands for any number of folders.
func matchSegments(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for len(pattern) > 1 && pattern[1] == "**" {
				pattern = pattern[1:]
			}
			if len(pattern) == 1 {
				return true
			}
			for i := range name {
				if matchSegments(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

// fetchedFolders are where packages lie that are fetched to be run once: npx's
// and pnpm dlx's caches, the folders of yarn dlx and bunx.
var fetchedFolders = regexp.MustCompile(`/_npx/|/pnpm/dlx/|/xfs-[0-9a-f]+/dlx-[0-9]+/|/\.?bunx-[0-9]+[-/][^/]+(/[^/]+)?/node_modules/`)

// fetchedPackage returns the folder and the name of the package that a program
// which was fetched to be run once belongs to; "" for any other.
func (p *projects) fetchedPackage(name string) (folder, pkg string) {
	if !fetchedFolders.MatchString(name) {
		return "", ""
	}
	name = p.resolve(name) // .bin/tool is a symlink into the package
	const nm = "/node_modules/"
	i := strings.LastIndex(name, nm)
	if i < 0 {
		return "", ""
	}
	parts := strings.Split(name[i+len(nm):], "/")
	n := 1
	if strings.HasPrefix(parts[0], "@") {
		n = 2
	}
	if len(parts) <= n || parts[0] == ".bin" {
		return "", ""
	}
	pkg = strings.Join(parts[:n], "/")
	return name[:i+len(nm)] + pkg, pkg
}

// version returns the version that the package.json in a folder states; "" if
// it cannot be read.
func (p *projects) version(folder string) string {
	b, err := p.files.Read(path.Join(folder, "package.json"), manifestMax)
	if err != nil {
		return ""
	}
	_, version := nameAndVersion(b)
	return version
}

// nameAndVersion reads a package.json. Each is "" if it is not a string or
// longer than any registry takes.
func nameAndVersion(b []byte) (name, version string) {
	m := manifestKeys(b)
	word := func(raw json.RawMessage) string {
		var s string
		if json.Unmarshal(raw, &s) != nil || len(s) > 256 {
			return ""
		}
		return s
	}
	return word(m["name"]), word(m["version"])
}

// manifestKeys splits a package.json at its top level. By name and not into a
// struct: encoding/json would take "NAME" for "name", npm does not.
func manifestKeys(b []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), &m) != nil {
		return nil
	}
	return m
}

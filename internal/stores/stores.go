// Package stores is the table of credential stores: which files hold what, how
// closely their readers are judged, and which programs they belong to. Facts
// only; a new credential is one row.
package stores

import (
	"path"
	"slices"
	"strings"
)

// Store is one kind of credential and the files it lives in.
type Store struct {
	ID      string   // "npm"
	Kind    string   // what is in it, for a person: "npm tokens"
	Paths   []string // with ~, slash-separated; a segment may hold path.Match patterns
	Strict  bool     // false: the user's own project code may read it too
	Off     bool     // guarded only when the configuration says so: its readers are not proven quiet
	Alone   bool     // only the files are marked, not their folders, in which much else is opened: one that is replaced is guarded again a moment later
	Search  bool     // its files are looked for in the folders of projects, rather than by every way that the patterns allow
	But     []string // ends of names that hold no secret: ".pub"
	Readers []string // names of the programs it belongs to, as Process.Name says them; each must also be vouched for
	Places  []string // parts of a path where such a program lives in a home, vouched for by nobody: "/.local/share/claude/"
}

// Of returns the store that the file at p, with ~, belongs to, or nil.
func Of(p string) *Store {
	for i := range All {
		if All[i].Holds(p) {
			return &All[i]
		}
	}
	return nil
}

// Holds reports whether the file at p, with ~, belongs to s.
func (s *Store) Holds(p string) bool {
	for _, pattern := range s.Paths {
		if pattern == p {
			return true
		}
		// Most patterns are plain paths, and this is asked of every read.
		if !strings.ContainsAny(pattern, `*?[\`) {
			continue
		}
		if ok, _ := path.Match(pattern, p); ok {
			return !s.Harmless(path.Base(p))
		}
	}
	return false
}

// On reports whether s is guarded by a list of settings: IDs of stores that are
// guarded besides the default ones, and with a minus those that are not. The
// last one about s counts.
func (s *Store) On(list []string) bool {
	on := !s.Off
	for _, id := range list {
		switch id {
		case s.ID:
			on = true
		case "-" + s.ID:
			on = false
		}
	}
	return on
}

// Harmless reports whether a file of this name, which one of the patterns
// means, holds no secret: the public half of a key, an example.
func (s *Store) Harmless(name string) bool {
	return slices.ContainsFunc(s.But, func(end string) bool { return strings.HasSuffix(name, end) })
}

// ByID returns the store with this ID, or nil.
func ByID(id string) *Store {
	i := slices.IndexFunc(All, func(s Store) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &All[i]
}

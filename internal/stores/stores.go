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
	Readers []string // names of the programs it belongs to, as Process.Name says them; each must also be vouched for
	Places  []string // parts of a path where such a program lives in a home, vouched for by nobody: "/.local/share/claude/"
}

// Of returns the store that the file at p, with ~, belongs to, or nil.
func Of(p string) *Store {
	for i := range All {
		for _, pattern := range All[i].Paths {
			if pattern == p {
				return &All[i]
			}
			// Most patterns are plain paths, and this is asked of every read.
			if !strings.ContainsAny(pattern, `*?[\`) {
				continue
			}
			if ok, _ := path.Match(pattern, p); ok {
				return &All[i]
			}
		}
	}
	return nil
}

// ByID returns the store with this ID, or nil.
func ByID(id string) *Store {
	i := slices.IndexFunc(All, func(s Store) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &All[i]
}

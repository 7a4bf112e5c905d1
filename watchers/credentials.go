package watchers

import (
	"path"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/stores"
)

// credentialsWatcher tells who opens a credential file for reading. It never
// reads one itself, and it never turns a reader away.
var credentialsWatcher = Watcher{
	Name:  "credentials",
	Kinds: []wormbell.Kind{wormbell.FileRead},
	Run:   runCredentials,
}

// guardPattern is one path of one store in one home.
type guardPattern struct {
	home  Home
	store *stores.Store
	path  string          // as in the table: "~/.aws/sso/cache/*.json"
	segs  []string        // the same without "~"; each may hold path.Match patterns
	decoy *wormbell.Decoy // which this is: the one file alone, wherever its name goes; nil for a credential
}

// guarded returns how a file that p stands for is listed.
func (p *guardPattern) guarded(file, state, why string) wormbell.Guarded {
	return wormbell.Guarded{Store: p.store.ID, Kind: p.store.Kind, Path: file, User: p.home.User, State: state, Why: why}
}

// planGuards spreads the table over the homes: the patterns to guard, and the
// list of those that are off.
func planGuards(homes []Home, table []stores.Store, enabled []string) (on []guardPattern, off []wormbell.Guarded) {
	for _, home := range homes {
		for i := range table {
			store := &table[i]
			for _, file := range store.Paths {
				p := guardPattern{home: home, store: store, path: file}
				var ok bool
				if p.segs, ok = segments(file); !ok {
					continue // a test of the table's own says that there is none
				}
				if !store.On(enabled) {
					off = append(off, p.guarded(file, wormbell.GuardOff, ""))
					continue
				}
				if store.Search && slices.ContainsFunc(p.segs, hasPattern) {
					continue // a search finds what there is of these
				}
				on = append(on, p)
			}
		}
	}
	return on, off
}

// segments returns the names that lead from a home to file, with ~.
func segments(file string) ([]string, bool) {
	rest, ok := strings.CutPrefix(file, "~/")
	if !ok || path.Clean(rest) != rest || strings.HasPrefix(rest, "..") {
		return nil, false
	}
	return strings.Split(rest, "/"), true
}

// hasPattern reports whether a segment of a path means more than one name.
func hasPattern(seg string) bool { return strings.ContainsAny(seg, `*?[\`) }

// matchName reports whether a file's name is the one that seg means.
func matchName(seg, name string) bool {
	if !hasPattern(seg) {
		return seg == name
	}
	ok, _ := path.Match(seg, name)
	return ok
}

// means reports whether a file's name is one that the last segment of a
// pattern of this store means.
func means(store *stores.Store, seg, name string) bool {
	return matchName(seg, name) && !(hasPattern(seg) && store.Harmless(name))
}

// sortGuarded puts a list in the order that people see.
func sortGuarded(list []wormbell.Guarded) {
	slices.SortStableFunc(list, func(a, b wormbell.Guarded) int {
		if c := strings.Compare(a.User, b.User); c != 0 {
			return c
		}
		if c := strings.Compare(a.Store, b.Store); c != 0 {
			return c
		}
		return strings.Compare(a.Path, b.Path)
	})
}

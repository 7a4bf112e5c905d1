package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/stores"
)

var decoyRead = Detector{
	ID:       "decoy-read",
	Title:    "A program opened a decoy",
	Advice:   "Freeze it now and look at what else it opened: whoever reads a decoy reads whatever is there. Of the decoy itself nothing has to be revoked.",
	Severity: wormbell.Critical,
	Kinds:    []wormbell.Kind{wormbell.FileRead},
	Who:      true,
	Follow:   true,
	Doc: `
Fires when anything opens one of the decoys that 'wormbell decoy plant' has planted: files with made-up credentials that no program has
a reason to read. It does not matter who: what is vouched for rings as well if it was given the decoy's name, also by a person.

Of low severity for what goes through whole folders and meets the decoy on its way: backups, indexers and search tools that are vouched
for, a tool that a person starts to search (grep -r, rg, tar), and a backup that somebody has allowed with a row of the trust table; each is
told once, however many decoys it meets. Below
the script of a dependency, and below a script in a JavaScript runtime that nobody vouches for, nothing is.

Of medium severity where it is not known who it was.`,
	Blind: `
A copy of a decoy: who may read it without a ring may carry it away. A decoy that was changed or replaced is none any more, and nobody rings for that.`,
	New: func() Check {
		reported := NewRecent[readKey](time.Minute, 2000)
		return func(e wormbell.Event, s *Scope) {
			if !e.Decoy || s.Announced(e) {
				return
			}
			f := wormbell.Finding{Subject: e.Path}
			if p := e.Process; p == nil || unseen(p) {
				f.Severity = wormbell.Medium
			} else if s.passing(e) {
				f.Severity = wormbell.Low
			}
			key := readKey{path: e.Path}
			if p := e.Process; p != nil {
				key = readKey{ancestry.Root(p).ID(), e.Path, p.Exe, p.Script, e.Protect}
			}
			if f.Severity == wormbell.Low {
				key.path = "" // what goes through a home meets all of them
			}
			if reported.Has(key, e.Time) && !(e.Denied() && e.Count > 0) {
				return
			}
			reported.Add(key, e)
			f.Summary = fmt.Sprintf("%s opened your decoy %s, which nothing has a reason to read", s.who(e.Process), e.Path) + letGo(e)
			if e.Denied() {
				f.Summary = fmt.Sprintf("%s was stopped as it opened your decoy %s, which nothing has a reason to read", s.who(e.Process), e.Path)
			}
			if f.Severity == wormbell.Low {
				f.Summary = fmt.Sprintf("%s opened your decoy %s on its way through a whole folder", s.who(e.Process), e.Path)
			}
			s.Report(f)
		}
	},
}

// decoyStore is what the rows of the trust table are asked of a decoy.
var decoyStore = stores.Store{ID: wormbell.DecoyStore, Kind: "decoy", Strict: true}

// passers are the classes of readers of the built-in table that go through whole
// folders. Nothing that a credential belongs to is among them: a decoy belongs
// to nobody.
var passers = []Who{AnySigned, TypedProgram, BackupTool}

// passing reports whether e, the read of a decoy, is by something that reads
// whatever lies in a folder and may: a row vouches for it, and it was not given
// the decoy's name.
func (s *Scope) passing(e wormbell.Event) bool {
	if givenName(e.Process, e.Path, s.Suspect) || atOthersBidding(e.Process) {
		return false
	}
	return s.engine.trust.passes(e, s.Suspect)
}

// passes reports whether a built-in row for what goes through whole folders, or
// a row that somebody has added for decoys, covers e.
func (t *Trust) passes(e wormbell.Event, suspect func(*wormbell.Process) bool) bool {
	r := reader{t: t, p: e.Process, store: &decoyStore, path: e.Path, suspect: suspect}
	for _, row := range Rows {
		if row.Store == "*" && slices.Contains(passers, row.Who) && r.is(row.Who) && r.under(row.Under) {
			return true
		}
	}
	rows := t.rows.Load()
	if rows == nil {
		return false
	}
	for _, row := range *rows {
		if concerns(row, e.User) && r.coveredBy(row, e.Path, e.Time) {
			if same, _ := t.unchanged(row, e.Process); same {
				return true
			}
		}
	}
	return false
}

// givenName reports whether p, or what it does its work for, was given the file at
// name, with ~, by its name: then it did not come across it.
//
// A file's own name is enough: from which folder an argument is meant is not
// known for sure. What find hands to a program, find came across; and where a
// person's shell has made many names of a pattern, the person meant none of them.
func givenName(p *wormbell.Process, name string, suspect func(*wormbell.Process) bool) bool {
	base := path.Base(name)
	for a := range p.Chain {
		if ancestry.Boundary(a) {
			return false
		}
		files, given := 0, false
		for i, arg := range a.Args {
			if i == 0 {
				continue
			}
			if !strings.HasPrefix(arg, "-") {
				files++
			}
			given = given || path.Base(arg) == base || strings.HasSuffix(arg, "="+base) || ancestry.Shell(a) && strings.Contains(arg, base)
		}
		switch {
		case !given, handedOver(a), files >= manyNames && ancestry.UnderPerson(a, suspect):
		default:
			return true
		}
	}
	return false
}

// manyNames is how many names nobody types.
const manyNames = 8

// handedOver reports whether a's arguments are what a search has found.
func handedOver(a *wormbell.Process) bool {
	return a.Parent != nil && a.Parent.Signer != "" && slices.Contains([]string{"find", "xargs", "fd", "fdfind", "parallel"}, a.Parent.Name())
}

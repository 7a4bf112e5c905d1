// Package itwasme makes the trust rows that a person means by "it was me": for
// each read of an alert one row with an identity, the narrowest scope that
// fits, one file and an end. Where a row would let in more than what the person
// did, there is none, and one sentence says why.
//
// It proposes; the person agrees and the agent decides. It reads nothing but
// the permissions and times of the files that a row would name, and knows neither the
// agent nor how a person is asked.
package itwasme

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/plain"
	"wormbell/internal/stores"
	"wormbell/internal/words"
)

// How long a row holds: by default, and at most.
const (
	Default = 30 * 24 * time.Hour
	Longest = 365 * 24 * time.Hour
)

// maxRows is how many rows one answer may make. A program of one's own reads a
// few files; what reads more is looked at one by one.
const maxRows = 8

// Suggestion is one row, and what it allows in an English sentence;
// [words.Words.Trust] says it in the person's language.
type Suggestion struct {
	Row      wormbell.TrustRow
	Sentence string
}

// Suggest returns the rows that would let the reads of a pass from now on, for
// [Default]: all of them, or none and why in one English sentence, which
// [words.Words.Why] says in the person's language.
func Suggest(a wormbell.Alert, now time.Time) (rows []Suggestion, why string) {
	return suggest(a, now, within(lookTime, looking, look))
}

// Lasting returns rows that end after d instead, which must be more than
// nothing and at most [Longest].
func Lasting(rows []Suggestion, d time.Duration, now time.Time) ([]Suggestion, error) {
	if d <= 0 || d > Longest {
		return nil, fmt.Errorf("a row lasts at most %d days, and longer than no time", int(Longest.Hours()/24))
	}
	out := slices.Clone(rows)
	for i := range out {
		out[i] = until(out[i].Row, now.Add(d), now)
	}
	return out, nil
}

func until(row wormbell.TrustRow, end, now time.Time) Suggestion {
	end = end.UTC().Truncate(time.Second)
	row.Until = &end
	return Suggestion{row, words.In(language.English).Trust(row, now)}
}

// doubt is the key of the sentence that says why there is no row; "" is none.
type doubt = words.Key

// The doubts, see package words for their sentences.
const (
	nothing     doubt = "not-me-nothing"
	other       doubt = "not-me-other"
	command     doubt = "not-me-command"
	persistence doubt = "not-me-persistence"
	decoy       doubt = "not-me-decoy"
	demo        doubt = "not-me-demo"
	many        doubt = "not-me-many"
	dependency  doubt = "not-me-dependency"
	installer   doubt = "not-me-installer"
	pretender   doubt = "not-me-pretender"
	unknown     doubt = "not-me-unknown"
	interpreter doubt = "not-me-interpreter"
	loadsCode   doubt = "not-me-code"
	tool        doubt = "not-me-tool"
	bidden      doubt = "not-me-told"
	badPlace    doubt = "not-me-place"
	writable    doubt = "not-me-writable"
	altered     doubt = "not-me-changed"
	gone        doubt = "not-me-gone"
	unseen      doubt = "not-me-unseen"
	badName     doubt = "not-me-name"
	manyNames   doubt = "not-me-names"
	badSystem   doubt = "not-me-system"
)

// looker says what speaks against a file that a row would name, and what it
// is otherwise.
type looker func(file string) (s seen, d doubt)

// seen is what is known of a file.
type seen struct {
	real    string    // where it really lies, if links lead to it
	changed time.Time // when it was last changed; zero for root's
}

func suggest(a wormbell.Alert, now time.Time, look looker) ([]Suggestion, string) {
	reads, d := readsOf(a)
	var rows []wormbell.TrustRow
	for _, e := range reads {
		if d != "" {
			break
		}
		var row wormbell.TrustRow
		if row, d = rowOf(e, look); d == "" && !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	if d == "" && len(rows) > maxRows {
		d = many
	}
	if d != "" { // some of the rows would close an alert that is not answered
		return nil, words.In(language.English).Say(d)
	}
	var out []Suggestion
	for _, row := range rows {
		what := row.Who[strings.LastIndex(row.Who, "/")+1:]
		row.Reason = plain.Cut(fmt.Sprintf("it was me: %s read %s (alert %s)", plain.Cut(what, 60), stores.ByID(row.Store).Kind, plain.Cut(a.ID, 8)), 200)
		out = append(out, until(row, now.Add(Default), now))
	}
	return out, ""
}

// readsOf returns the reads that a is about, if it is about nothing else.
func readsOf(a wormbell.Alert) (reads []wormbell.Event, d doubt) {
	if a.Demo {
		return nil, demo
	}
	for _, f := range a.Findings {
		switch f.Detector {
		case "credential-read", "credential-sweep":
		case "decoy-read":
			return nil, decoy
		case "worm-command":
			// A row would name the program, which is gh or git and everybody's, and what is
			// above it: a script that may say something else tomorrow.
			return nil, command
		case "persistence-by-install-script":
			// A row would be for a package and a place. The next version of that package
			// has both, and writes there what it likes: that is how worms come.
			return nil, persistence
		default:
			return nil, other
		}
		n := len(reads)
		for _, e := range f.Evidence {
			if e.Demo {
				return nil, demo
			}
			if e.Kind == wormbell.FileRead {
				reads = append(reads, e)
			}
		}
		if len(reads) == n {
			return nil, nothing
		}
	}
	if len(reads) == 0 {
		return nil, nothing
	}
	return reads, ""
}

// rowOf makes the row for one read.
func rowOf(e wormbell.Event, look looker) (row wormbell.TrustRow, d doubt) {
	store := stores.Of(e.Path)
	if store == nil {
		return row, nothing
	}
	if !showable(e.Path) {
		return row, badName
	}
	who, d := identity(e, look)
	if d != "" {
		return row, d
	}
	return wormbell.TrustRow{Store: store.ID, Path: e.Path, Who: who, Under: under(e.Process)}, ""
}

// under is the narrowest scope that p's read is in: see the agent's trust
// table for what each asks.
func under(p *wormbell.Process) string {
	switch {
	case ancestry.Directly(p):
		return "person"
	case inHome(p.Cwd) || inHome(p.Exe) && p.Script == "" || inHome(p.Script):
		return "project"
	}
	return "not-a-dependency-script"
}

// inHome reports whether the absolute path p is in a home where systems keep
// those. The agent knows of others as well: then the scope is a wider one.
func inHome(p string) bool {
	p = path.Clean(p)
	if p == "/root" || strings.HasPrefix(p, "/root/") {
		return true
	}
	for _, parent := range []string{"/home/", "/Users/"} {
		if rest, ok := strings.CutPrefix(p, parent); ok && rest != "" {
			return true
		}
	}
	return false
}

// showable reports whether s can be put into a row and before a person: the
// agent takes no more than 1024 bytes of who, of which two files may be part.
func showable(s string) bool {
	return s != "" && len(s) <= 480 && plain.Text(s) == s && !strings.Contains(s, " script:")
}

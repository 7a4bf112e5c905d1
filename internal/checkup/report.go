package checkup

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"wormbell/internal/mask"
	"wormbell/internal/plain"
)

// This file is what a checkup says.

// Level is how much a finding matters.
type Level string

// The levels.
const (
	Sign    Level = "sign"    // of an infection: act on it before anything else
	Risk    Level = "risk"    // nothing has happened: a worm would take it or get in there
	Note    Level = "note"    // worth knowing
	Fine    Level = "fine"    // as it should be
	Unknown Level = "unknown" // could not tell, and What says why
)

// Finding is one line of the report. No field holds a secret.
type Finding struct {
	Level  Level  `json:"level"`
	Kind   string `json:"kind"`            // what sort of thing, for programs: "autostart", "token", "install-scripts"
	What   string `json:"what"`            // a sentence without its full stop
	Where  string `json:"where,omitempty"` // with ~; "line 12" is part of it
	SoWhat string `json:"so_what,omitempty"`
	Do     string `json:"do,omitempty"`
}

// Section is what one part of the checkup found.
type Section struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	Looked    string    `json:"looked"` // at what, in a few words
	Findings  []Finding `json:"findings"`
	NotLooked []string  `json:"not_looked"` // what could not be looked at, and why: it may hide anything
	Missed    int       `json:"missed"`     // how many things that are: the last line may stand for many
	Failed    bool      `json:"failed"`     // it was not looked at to its end: nothing follows from what it does not say
}

// The verdicts, as programs read them.
const (
	NoSign = "no-sign"
	Signs  = "signs"
	Cannot = "cannot"
)

// Report is the whole checkup of one home.
type Report struct {
	Home      string    `json:"home"`
	State     string    `json:"state"`           // NoSign, Signs or Cannot
	Verdict   string    `json:"verdict"`         // one sentence
	First     string    `json:"first,omitempty"` // what to do first
	Sections  []Section `json:"sections"`
	NotLooked int       `json:"not_looked"` // how many things could not be looked at, in all sections
}

func notDone(err error) string {
	return "The home folder could not be looked at: " + plain.Cut(err.Error(), 300)
}

// NotDone is the report about a home that could not be looked at.
func NotDone(home string, why error) Report {
	return Report{Home: shown(home, maxName), State: Cannot, Verdict: notDone(why), Sections: []Section{}}
}

// Foreign is a report that somebody else has written about their home: in the
// words that they chose, but with nothing that a terminal acts on, not more of it
// than reports have, and a verdict that follows from the rest of it.
func (r Report) Foreign(home string) Report {
	if len(r.Sections) == 0 {
		if r.State == Cannot {
			return Report{Home: shown(home, maxName), State: Cannot, Verdict: shown(r.Verdict, 400), Sections: []Section{}}
		}
		return NotDone(home, errors.New("the report about it is empty"))
	}
	out := Report{Home: shown(home, maxName), Sections: []Section{}}
	for _, s := range r.Sections[:min(len(r.Sections), maxSections)] {
		s.ID, s.Title, s.Looked = shown(s.ID, 40), shown(s.Title, 80), shown(s.Looked, 400)
		lines := slices.Clone(s.NotLooked[:min(len(s.NotLooked), maxNotLooked)])
		for i := range lines {
			lines[i] = shown(lines[i], 300)
		}
		s.Missed, s.NotLooked = max(min(s.Missed, maxMissed), len(s.NotLooked)), lines
		s.Findings = slices.Clone(s.Findings)
		for i := range s.Findings {
			f := &s.Findings[i]
			if f.Kind = shown(f.Kind, 40); !slices.Contains(ranks, f.Level) {
				f.Level = Unknown
			}
		}
		s.finish()
		out.Sections = append(out.Sections, s)
	}
	out.judge()
	return out
}

const (
	maxSections  = 10
	maxName      = 300       // characters of a path
	maxFindings  = 500       // of a section, the worst first
	maxNotLooked = 30        // things that a section lists that it could not look at
	maxMissed    = 1_000_000 // of them that are counted
)

var ranks = []Level{Sign, Risk, Unknown, Note, Fine}

// finish puts what was found in order, as a person may see it.
func (s *Section) finish() {
	slices.SortStableFunc(s.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(ranks, a.Level), slices.Index(ranks, b.Level))
	})
	if n := len(s.Findings) - maxFindings; n > 0 {
		s.Findings = s.Findings[:maxFindings:maxFindings]
		s.skip("%s: there are too many", plural(n, "more finding"))
	}
	for i := range s.Findings {
		f := &s.Findings[i]
		f.What, f.Where, f.SoWhat, f.Do = shown(f.What, 400), shown(f.Where, maxName), shown(f.SoWhat, 400), shown(f.Do, 300)
	}
	if s.Findings == nil {
		s.Findings = []Finding{}
	}
	if s.NotLooked == nil {
		s.NotLooked = []string{}
	}
	if n := s.Missed - len(s.NotLooked); n > 0 {
		s.NotLooked = append(s.NotLooked, fmt.Sprintf("and %d more", n))
	}
}

// shown is s as a person may see it: even a file's name can hold a token.
func shown(s string, most int) string {
	if masked, kinds := mask.Line(s); len(kinds) > 0 {
		s = masked
	}
	return plain.Cut(s, most)
}

func (s *Section) add(f Finding) { s.Findings = append(s.Findings, f) }

// skip says what could not be looked at.
func (s *Section) skip(format string, args ...any) {
	line := shown(fmt.Sprintf(format, args...), 300)
	if slices.Contains(s.NotLooked, line) {
		return
	}
	s.Missed++
	if len(s.NotLooked) < maxNotLooked {
		s.NotLooked = append(s.NotLooked, line)
	}
}

// fail says that the section was not looked at to its end, so that nothing
// follows from what it does not say.
func (s *Section) fail(format string, args ...any) {
	s.Failed = true
	s.Missed++
	s.NotLooked = slices.Insert(s.NotLooked, 0, shown(fmt.Sprintf(format, args...), 300))
}

// count returns how many findings of a level there are.
func (r *Report) count(l Level) (n int) {
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			if f.Level == l {
				n++
			}
		}
	}
	return n
}

// judge writes the verdict, which never says more than is known.
func (r *Report) judge() {
	signs, missed, failed := r.count(Sign), 0, 0
	for _, s := range r.Sections {
		missed += s.Missed
		if s.Failed {
			failed++
		}
	}
	r.NotLooked = missed
	more := ""
	switch {
	case missed == 1:
		more = ", and 1 thing could not be looked at"
	case missed > 1:
		more = fmt.Sprintf(", and %d things could not be looked at", missed)
	}
	switch {
	case signs == 1:
		r.State = Signs
		r.Verdict = "1 sign of a worm was found" + more + "."
	case signs > 1:
		r.State = Signs
		r.Verdict = fmt.Sprintf("%d signs of a worm were found%s.", signs, more)
	case failed > 0:
		r.State = Cannot
		r.Verdict = fmt.Sprintf("It cannot be told whether there is a worm: of %d parts, %d %s not looked at to the end%s.", len(r.Sections), failed, verb(failed, "was", "were"), more)
	default:
		r.State = NoSign
		r.Verdict = "No sign of a worm was found" + more + "."
	}
	for _, level := range []Level{Sign, Risk} {
		for _, s := range r.Sections {
			for _, f := range s.Findings {
				if f.Level == level && f.Do != "" && r.First == "" {
					r.First = f.What + ": " + f.Do
				}
			}
		}
	}
	if signs > 0 {
		r.First = "Go offline, revoke nothing yet, and deal with the signs: some worms wipe the home folder when their token is refused. " + r.First
	}
}

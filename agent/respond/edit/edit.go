// Package edit changes single values in files that belong to somebody else's
// program: only the value's bytes, with comments, order, mode, owner, extended
// attributes and symbolic links kept, atomically, and not at all if the file is
// no longer what it was.
//
// A file is read by one of the parsers, which give its values as entries; an
// entry says how its value is replaced or removed; [Apply] does it. Where a name
// stands twice, both entries are given, in the order of the file; the programs
// whose files these are believe the last (netrc(5) readers the first).
//
// It knows formats of files, not services.
package edit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Span is a stretch of a file's bytes, From included, To not.
type Span struct{ From, To int }

// Change puts New in the place of a span, where Old must still stand.
type Change struct {
	Span
	Old, New string
}

// ErrChanged is wrapped by errors that say that a file is no longer what it
// was when it was read. Nothing was written.
var ErrChanged = errors.New("the file was changed meanwhile")

// ErrCannot is wrapped by errors of Entry.Replace that say that a value cannot
// be written there, whatever the quotes.
var ErrCannot = errors.New("it cannot be written there")

// Entry is one value in a file. Its other fields are for Replace and Remove, so
// entries come from the parsers only.
type Entry struct {
	// Path is how the value is named, outermost first: {section, key} of an INI
	// file, {key} outside of its sections; the keys of JSON, YAML and TOML, with
	// the index of a list's element in digits; {machine, login, "password"} in a
	// netrc file; {protocol://host, user} in a file of git's.
	Path []string
	// Value is what a program gets that reads the file.
	Value string
	// Span holds the value's bytes without its quotes.
	Span
	// Line is what is cut out to remove the entry: whole lines where it has
	// them for itself.
	Line Span

	format format
	whole  Span  // the value with its quotes, and a block scalar's header
	style  style // how it is written there
}

// format is a kind of file.
type format uint8

const (
	formatINI format = iota + 1
	formatJSON
	formatYAML
	formatTOML
	formatNetrc
	formatGit
)

// style is how a value is written.
type style uint8

const (
	plain    style = iota // as it is, or the only way there is
	single                // '…'
	double                // "…"
	raw                   // no string: a number, true, null, a date
	block                 // several lines
	literal               // INI inside of a section: no quotes, no escapes
	keyOnly               // INI: a key without "="
	nothing               // the value is not there, its key is
	tripleSi              // TOML '''…'''
	tripleDo              // TOML """…"""
)

// parse returns the entries of data.
func (f format) parse(data []byte) ([]Entry, error) {
	switch f {
	case formatINI:
		return INI(data), nil
	case formatJSON:
		return JSON(data)
	case formatYAML:
		return YAML(data)
	case formatTOML:
		return TOML(data)
	case formatNetrc:
		return Netrc(data), nil
	case formatGit:
		return GitCredentials(data), nil
	}
	return nil, errors.New("an entry that no parser made")
}

// candidates are the changes that may make new the value of e, best first.
// They need not all be right: Replace tries them.
func (e Entry) candidates(data []byte, new string) []Change {
	switch e.format {
	case formatINI:
		return e.iniCandidates(data, new)
	case formatJSON:
		return e.jsonCandidates(data, new)
	case formatYAML:
		return e.yamlCandidates(data, new)
	case formatTOML:
		return e.tomlCandidates(data, new)
	case formatNetrc:
		return e.netrcCandidates(data, new)
	case formatGit:
		return e.gitCandidates(data, new)
	}
	return nil
}

// Replace returns the change that makes new the value of e in data, written as
// it must be there: with the quotes, escapes or percent signs of the format, and
// those that are there already if they will do. It has read the result: e has
// the value new in it and every other entry is what it was. Otherwise it returns
// an error that wraps ErrCannot, or ErrChanged if e does not stand in data. No
// error holds a value.
func (e Entry) Replace(data []byte, new string) (Change, error) {
	before, at, err := e.find(data)
	if err != nil {
		return Change{}, err
	}
	if e.Value == new {
		return change(data, e.Span, string(data[e.From:e.To])), nil
	}
	for _, c := range e.candidates(data, new) {
		after, err := e.format.parse(splice(data, []Change{c}))
		if err == nil && sameBut(before, after, at, new) {
			return c, nil
		}
	}
	return Change{}, fmt.Errorf("replace the value of %q: %w", e.Path, ErrCannot)
}

// Remove returns the change that takes e out of data. Where that would take or
// break another entry, as in a file whose format makes it impossible, the value
// becomes empty instead, and if that cannot be, its bytes go. To remove several
// entries of one file use [RemoveAll]: in JSON they share commas.
func (e Entry) Remove(data []byte) Change {
	before, at, err := e.find(data)
	if err != nil {
		return Change{Span: e.Line, Old: "", New: ""} // Apply will refuse: Old does not stand there
	}
	c := change(data, e.Line, "")
	after, err := e.format.parse(splice(data, []Change{c}))
	if err == nil && sameWithout(before, after, at) {
		return c
	}
	if c, err := e.Replace(data, ""); err == nil {
		return c
	}
	return change(data, e.Span, "")
}

// RemoveAll returns the changes that take all of entries, which come from one
// parser's reading of data, out of it.
func RemoveAll(data []byte, entries []Entry) []Change {
	// From the back to the front, so that the offsets of what is left stay right.
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(b.From, a.From) })
	now := data
	for _, e := range entries {
		all, err := e.format.parse(now)
		if err != nil {
			return []Change{{Span: e.Line}}
		}
		i := slices.IndexFunc(all, func(o Entry) bool { return o.From == e.From && slices.Equal(o.Path, e.Path) })
		if i < 0 {
			continue // it went with another: two values of one netrc machine
		}
		now = splice(now, []Change{all[i].Remove(now)})
	}
	c, any := difference(data, now)
	if !any {
		return nil
	}
	return []Change{c}
}

// difference returns the one change that makes b of a.
func difference(a, b []byte) (c Change, any bool) {
	if bytes.Equal(a, b) {
		return Change{}, false
	}
	from := 0
	for from < len(a) && from < len(b) && a[from] == b[from] {
		from++
	}
	end := 0
	for end < len(a)-from && end < len(b)-from && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return change(a, Span{from, len(a) - end}, string(b[from:len(b)-end])), true
}

// find parses data and returns its entries and the index of e among them.
func (e Entry) find(data []byte) ([]Entry, int, error) {
	all, err := e.format.parse(data)
	if err != nil {
		return nil, 0, err
	}
	for i, o := range all {
		if o.Span == e.Span && o.Value == e.Value && slices.Equal(o.Path, e.Path) {
			return all, i, nil
		}
	}
	return nil, 0, fmt.Errorf("find %q: %w", e.Path, ErrChanged)
}

// sameBut reports whether after is before but for the value at index at, which is new.
func sameBut(before, after []Entry, at int, new string) bool {
	return slices.EqualFunc(before, after, func(a, b Entry) bool { return slices.Equal(a.Path, b.Path) }) &&
		after[at].Value == new && sameValues(before[:at], after[:at]) && sameValues(before[at+1:], after[at+1:])
}

// sameWithout reports whether after is before without the entry at index at.
func sameWithout(before, after []Entry, at int) bool {
	without := slices.Delete(slices.Clone(before), at, at+1)
	if before[at].format == formatNetrc { // whole machines go, with all that they hold
		without = slices.DeleteFunc(without, func(e Entry) bool { return e.Line == before[at].Line })
	}
	samePath := func(a, b Entry) bool { return slices.Equal(a.Path, b.Path) }
	return slices.EqualFunc(without, after, samePath) && sameValues(without, after)
}

func sameValues(a, b []Entry) bool {
	return slices.EqualFunc(a, b, func(a, b Entry) bool { return a.Value == b.Value })
}

// change is a Change whose Old is what data has there.
func change(data []byte, s Span, new string) Change {
	return Change{Span: s, Old: string(data[s.From:s.To]), New: new}
}

// splice returns data with the changes made, which are in order and do not overlap.
func splice(data []byte, changes []Change) []byte {
	var out []byte
	at := 0
	for _, c := range changes {
		out = append(append(out, data[at:c.From]...), c.New...)
		at = c.To
	}
	return append(out, data[at:]...)
}

// check puts changes in order and reports what is wrong with them.
func check(data []byte, changes []Change) ([]Change, error) {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	at := 0
	for _, c := range changes {
		if c.From < 0 || c.To < c.From {
			return nil, fmt.Errorf("a change of the bytes %d to %d", c.From, c.To)
		}
		if c.From < at {
			return nil, fmt.Errorf("two changes of byte %d", c.From)
		}
		if c.To > len(data) || string(data[c.From:c.To]) != c.Old {
			return nil, ErrChanged
		}
		at = c.To
	}
	return changes, nil
}

// lines gives the spans of the lines of data, each with the line break at its end,
// which is "\n", "\r\n" or "\r".
func lines(data []byte) []Span {
	var all []Span
	for from := 0; from < len(data); {
		to := len(data)
		if i := bytes.IndexAny(data[from:], "\r\n"); i >= 0 {
			to = from + i + 1
			if data[to-1] == '\r' && to < len(data) && data[to] == '\n' {
				to++
			}
		}
		all = append(all, Span{from, to})
		from = to
	}
	return all
}

// text returns s without the line break at its end.
func text(data []byte, s Span) Span {
	for s.To > s.From && (data[s.To-1] == '\n' || data[s.To-1] == '\r') {
		s.To--
	}
	return s
}

// bom is how UTF-8 files begin that Windows programs wrote.
const bom = "\xef\xbb\xbf"

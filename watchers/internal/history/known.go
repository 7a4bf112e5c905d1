package history

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"
)

// MaxKnown is how many rows of a file [Known] remembers, the newest. It is a
// hundred times what shells keep by default and takes less than a megabyte.
const MaxKnown = 50_000

// Known remembers which commands stood in one history file, to tell the new
// ones after the shell has written the file anew: trimmed, sorted, with
// duplicates taken out. It holds keyed hashes that mean nothing outside this
// process, and no text.
//
// It counts in rows: a command of bash is as many as it has lines, because
// whether they belong together may change when the file is written anew; in
// the other formats a command is one row.
type Known struct {
	format Format
	seed   maphash.Seed
	rows   []row
	before int // rows that were forgotten, or never counted
}

type row struct {
	text uint64
	when int64 // seconds since 1970, 0 if not known
}

// NewKnown returns a memory of an empty file.
func NewKnown(f Format, seed maphash.Seed) *Known { return &Known{format: f, seed: seed} }

// Next returns a memory of an empty file to compare k with.
func (k *Known) Next() *Known { return NewKnown(k.format, k.seed) }

// Len returns the number of rows remembered.
func (k *Known) Len() int { return len(k.rows) }

// Learn takes in the next command of the file.
func (k *Known) Learn(e Entry) {
	for r := range k.split(e) {
		if len(k.rows) >= MaxKnown+MaxKnown/4 {
			n := len(k.rows) - MaxKnown
			k.rows = append(k.rows[:0], k.rows[n:]...)
			k.before += n
		}
		next := row{text: maphash.String(k.seed, r)}
		if !e.When.IsZero() {
			next.when = e.When.Unix()
		}
		k.rows = append(k.rows, next)
	}
}

// split yields the rows of e.
func (k *Known) split(e Entry) func(func(string) bool) {
	if k.format != Bash {
		return func(yield func(string) bool) { yield(e.Line) }
	}
	return strings.SplitSeq(e.Line, "\n")
}

// Texts returns the set of the commands, for [Known.In].
func (k *Known) Texts() map[uint64]struct{} {
	set := make(map[uint64]struct{}, len(k.rows))
	for _, r := range k.rows {
		set[r.text] = struct{}{}
	}
	return set
}

// In reports whether every row of e is in set, which comes from memories with
// the same seed.
func (k *Known) In(set map[uint64]struct{}, e Entry) bool {
	for r := range k.split(e) {
		if _, ok := set[maphash.String(k.seed, r)]; !ok {
			return false
		}
	}
	return true
}

// News are the rows of a file that are new.
type News struct {
	next *Known
	rows []int // sorted, counted from the beginning of the file
	at   int
	left []row // what stood at the end of the file before, and does no more
}

// Len returns the number of new rows.
func (n *News) Len() int { return len(n.rows) }

// Of returns the new part of e, which must come in the order of the file; ok
// is false if nothing of it is.
func (n *News) Of(e Entry) (fresh Entry, ok bool) {
	var lines []string
	for r := range n.next.split(e) {
		if len(n.rows) > 0 && n.rows[0] == n.at {
			n.rows = n.rows[1:]
			// Unless the file has changed again in between.
			if n.next.rows[n.at-n.next.before].text == maphash.String(n.next.seed, r) {
				lines = append(lines, r)
			}
		}
		n.at++
	}
	return Entry{strings.Join(lines, "\n"), e.When}, len(lines) > 0
}

// Left returns what stood behind the last known command and is gone. A file
// that is just being written anew may get it back.
func (n *News) Left() *Left { return &Left{rows: n.left} }

// Left is a sequence of commands that may be appended again.
type Left struct{ rows []row }

// Next reports whether e is the next command of l, which is then passed. The
// first that is not ends it.
func (l *Left) Next(k *Known, e Entry) bool {
	if l == nil || len(l.rows) == 0 {
		return false
	}
	for r := range k.split(e) {
		if len(l.rows) == 0 || l.rows[0].text != maphash.String(k.seed, r) {
			l.rows = nil
			return false
		}
		l.rows = l.rows[1:]
	}
	return true
}

// Compare tells what is new in next, the same file as it is now. ok is false
// if the two have too little in common to be one history: then nothing is
// known to be new. since is when k began to be learned: what was inserted in
// front of known commands is new only if it was typed later.
func (k *Known) Compare(next *Known, since time.Time) (news *News, ok bool) {
	fresh, last, ok := k.byTime(next, since.Unix())
	if !ok {
		fresh, last, ok = k.byText(next)
	}
	if !ok {
		return &News{next: next}, false
	}
	for i := range fresh {
		fresh[i] += next.before
	}
	return &News{next: next, rows: fresh, left: slices.Clone(k.rows[last+1:])}, true
}

// byTime compares files whose commands carry their time: that makes each of
// them one of a kind, wherever it was moved to. It is not for bash, whose
// plain rows may come to stand under the time of another.
// Like byText it also says which row of k is the last that is still there.
func (k *Known) byTime(next *Known, since int64) (fresh []int, kept int, ok bool) {
	if k.format == Bash || mostlyPlain(k.rows) || mostlyPlain(next.rows) {
		return nil, -1, false
	}
	have := make(map[row]int, len(k.rows))
	place := make(map[row]int, len(k.rows))
	for i, r := range k.rows {
		have[r]++
		place[r] = i
	}
	kept = -1
	first, last, matched := -1, -1, 0
	for i, r := range next.rows {
		if have[r] == 0 {
			fresh = append(fresh, i)
			continue
		}
		have[r]--
		if first < 0 {
			first = i
		}
		last, kept = i, max(kept, place[r])
		matched++
	}
	if matched == 0 || matched*2 < last+1-first {
		return nil, -1, false
	}
	return slices.DeleteFunc(fresh, func(i int) bool {
		// Before the first one that is known stands what was forgotten.
		return i < first || i < last && next.rows[i].when <= since
	}), kept, true
}

func mostlyPlain(rows []row) bool {
	n := 0
	for _, r := range rows {
		if r.when == 0 {
			n++
		}
	}
	return n*2 >= len(rows)
}

// byText compares by what the commands say, in the manner of a patience diff:
// what stands once in both files pins them together, and what follows the last
// pin and was not there before is new.
func (k *Known) byText(next *Known) (fresh []int, kept int, ok bool) {
	type place struct{ k, n, nk, nn int }
	places := make(map[uint64]place, len(k.rows))
	for i, r := range k.rows {
		p := places[r.text]
		p.k, p.nk = i, p.nk+1
		places[r.text] = p
	}
	known := 0 // rows of next up to the last pin that k has, too
	for i, r := range next.rows {
		if p, ok := places[r.text]; ok {
			p.n, p.nn = i, p.nn+1
			places[r.text] = p
		}
	}
	var pins [][2]int // in the order of next
	for i, r := range next.rows {
		if p := places[r.text]; p.nk == 1 && p.nn == 1 {
			pins = append(pins, [2]int{p.k, i})
		}
	}
	ki, ni, ok := lastPin(pins)
	if !ok {
		return k.overlap(next)
	}
	for ki+1 < len(k.rows) && ni+1 < len(next.rows) && k.rows[ki+1].text == next.rows[ni+1].text {
		ki, ni = ki+1, ni+1
	}
	for _, r := range next.rows[:ni+1] {
		if places[r.text].nk > 0 {
			known++
		}
	}
	if known*2 < ni+1 {
		return nil, -1, false // another history that has a few commands in common
	}
	gone := make(map[uint64]int) // was behind the pin, and may be still
	for _, r := range k.rows[ki+1:] {
		gone[r.text]++
	}
	for i := ni + 1; i < len(next.rows); i++ {
		if t := next.rows[i].text; gone[t] > 0 {
			gone[t]--
		} else {
			fresh = append(fresh, i)
		}
	}
	return fresh, ki, true
}

// lastPin returns the last of the longest sequence of pins that rises in both
// files.
func lastPin(pins [][2]int) (ki, ni int, ok bool) {
	if len(pins) == 0 {
		return 0, 0, false
	}
	var tails [][2]int // tails[n] ends a rising sequence of n+1, with the smallest k
	for _, p := range pins {
		n, _ := slices.BinarySearchFunc(tails, p[0], func(t [2]int, k int) int { return t[0] - k })
		if n == len(tails) {
			tails = append(tails, p)
		} else {
			tails[n] = p
		}
	}
	last := tails[len(tails)-1]
	return last[0], last[1], true
}

// overlap is for short histories in which everything stands twice: the longest
// end of k that next begins with was there before.
func (k *Known) overlap(next *Known) (fresh []int, kept int, ok bool) {
	if len(k.rows) == 0 || len(next.rows) == 0 {
		return nil, -1, len(next.rows) == 0
	}
	// The prefix function of Knuth, Morris and Pratt, of next, run over k.
	fail := make([]int, len(next.rows))
	n := 0
	for i := 1; i < len(fail); i++ {
		for n > 0 && next.rows[i].text != next.rows[n].text {
			n = fail[n-1]
		}
		if next.rows[i].text == next.rows[n].text {
			n++
		}
		fail[i] = n
	}
	n = 0
	for _, r := range k.rows {
		for n > 0 && (n == len(fail) || r.text != next.rows[n].text) {
			n = fail[n-1]
		}
		if r.text == next.rows[n].text {
			n++
		}
	}
	if n == 0 {
		return nil, -1, false
	}
	for i := n; i < len(next.rows); i++ {
		fresh = append(fresh, i)
	}
	return fresh, len(k.rows) - 1, true
}

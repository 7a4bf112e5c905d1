// Package mask takes secrets out of command lines.
//
// Two decisions are kept apart. What is hidden is decided generously: whatever
// looks like the value of a secret goes, and only the public prefix of a
// token's format may stay. What is reported, so that a person is told "there is
// an npm access token in your history", is decided strictly: the format must
// fit, its checksum must be right where it has one, and placeholders are not
// reported. References such as $TOKEN or $(cmd) are no secrets and stay.
//
// It knows shells' quoting and token formats and nothing else: no files, no
// events. It remembers nothing.
package mask

import (
	"slices"
	"strings"
)

// Gone stands where a secret was.
const Gone = "***"

// Line returns a command line, as a person types it into a shell, with its
// secrets replaced by [Gone], and the kinds of those that are certain, such as
// "npm access token", each once. Masking a masked line changes nothing. The
// line may have several rows. Valid UTF-8 stays valid.
func Line(s string) (masked string, kinds []string) { return text(s, false) }

// Args does the same for the arguments of a process, the first one being its
// name. It returns args itself when there is nothing to mask; it never changes
// the slice that it was given.
func Args(args []string) []string {
	out := args
	for i, a := range args {
		m := argument(args, i)
		if m == a {
			continue
		}
		if &out[0] == &args[0] {
			out = slices.Clone(args)
		}
		out[i] = m
	}
	return out
}

// argument returns args[i] masked.
func argument(args []string, i int) string {
	a := args[i]
	from, what := before(args, i)
	switch what {
	case valueFollows:
		var f found
		f.value(a, from, len(a), "")
		a = f.apply(a)
	case codeFollows:
		m, _ := text(a, false)
		return m
	}
	m, _ := text(a, true)
	return m
}

// text masks s until masking changes nothing more: what remains after one
// round may read differently from what was there before it.
func text(s string, arg bool) (string, []string) {
	f := scan(s, arg)
	if len(f.spans) == 0 {
		return s, f.kinds
	}
	kinds := f.kinds
	for range 16 {
		s = f.apply(s)
		if f = scan(s, arg); len(f.spans) == 0 {
			return s, kinds
		}
	}
	return Gone, kinds // it keeps looking like a secret: better nothing than part of one
}

// found is what one look at a text brought up.
type found struct {
	spans []span   // to be masked; may overlap
	kinds []string // to be reported
	until int      // where the last value ends: no name of another one is looked for before
}

// span is s[from:to].
type span struct{ from, to int }

func (f *found) hide(from, to int) { f.spans = append(f.spans, span{from, to}) }

func (f *found) report(kind string) {
	if kind != "" && !slices.Contains(f.kinds, kind) {
		f.kinds = append(f.kinds, kind)
	}
}

// apply returns s with each span replaced, spans that touch or overlap as one.
func (f *found) apply(s string) string {
	if len(f.spans) == 0 {
		return s
	}
	slices.SortFunc(f.spans, func(a, b span) int { return a.from - b.from })
	var out strings.Builder
	end := 0
	for i, p := range f.spans {
		if i == 0 || p.from > end {
			out.WriteString(s[end:p.from])
			out.WriteString(Gone)
		}
		end = max(end, p.to)
	}
	out.WriteString(s[end:])
	return out.String()
}

// place is where in a command line the scanner is.
type place struct {
	arg    bool // s is one argument of a process, not a line: quotes in it mean nothing
	quote  byte // the quote that is open, or 0
	opened int  // where it was opened
}

// scan looks at each byte of s once; whatever needs a closer look begins with
// a character of few.
func scan(s string, arg bool) (f found) {
	at := place{arg: arg, opened: -1}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if mayStart(s, i) {
			if t, from, to, report := tokenAt(s, i); t != nil {
				f.token(s, t, from, to, report)
				i = to - 1
				continue
			}
		}
		if classOf[c]&(alnum|dot) != 0 {
			continue
		}
		switch c {
		case '\\':
			if !arg && at.quote != '\'' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\'' || s[i+1] == '\\') {
				i++
			}
		case '"', '\'':
			switch {
			case arg:
			case at.quote == 0:
				at.quote, at.opened = c, i
			case at.quote == c:
				at.quote = 0
			}
		case '=', ':':
			if i >= f.until {
				f.assignment(s, i, at)
			}
		case '-':
			if strings.HasPrefix(s[i:], "-----BEGIN ") {
				i = max(i, f.privateKey(s, i))
			} else if i >= f.until && !arg && wordStart(s, i) {
				f.option(s, i, at)
			}
		case ' ', '\t':
			if i >= f.until && !arg {
				f.setting(s, i, at)
			}
		}
	}
	return f
}

// wordStart reports whether a word begins at s[i].
func wordStart(s string, i int) bool {
	return i == 0 || s[i-1] == ' ' || s[i-1] == '\t' || s[i-1] == '\n' || s[i-1] == '"' || s[i-1] == '\''
}

// token takes down one token and what belongs to it.
func (f *found) token(s string, t *token, from, to int, report bool) {
	f.hide(from, to)
	if report {
		f.report(t.kind)
	}
	if !t.pair {
		return
	}
	// The secret of an AWS key is forty characters without a mark of their
	// own: only beside an ID can they be told from a digest.
	const near = 200
	for i := max(0, from-near); i < min(len(s), to+near); {
		end := run(s, i, base64c)
		if end-i == 40 && (i == 0 || classOf[s[i-1]]&base64c == 0) {
			f.hide(i, end)
			if random(s[i:end]) {
				f.report("AWS secret key")
			}
		}
		i = end + 1
	}
}

// privateKey hides what stands between the lines that begin and end a private
// key at s[i:], and returns where it ends.
func (f *found) privateKey(s string, i int) int {
	const mark, tail = "PRIVATE KEY-----", "-----END "
	from := strings.Index(s[i:min(len(s), i+64)], mark)
	if from < 0 {
		return i
	}
	from += i + len(mark)
	to := strings.Index(s[from:], tail)
	if to < 0 {
		to = len(s)
	} else {
		to += from
	}
	if body := s[from:to]; body != Gone && body != "" {
		f.hide(from, to)
		if end := strings.TrimLeft(body, "\\nr \r\n"); run(end, 0, base64c) >= 48 && random(end[:48]) {
			f.report("private key")
		}
	}
	return to
}

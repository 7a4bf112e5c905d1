package words

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"wormbell/internal/stores"
)

// This file says in the person's language what other packages make in English.
//
// A response is put together in many places: by the services, by what looks for
// traps, by the agent, which is another user's process, and by journals that an
// earlier run has written. All of that is English, on the disk and in JSON, and
// is turned here, where a person is shown it, and nowhere else.
//
// A sentence is turned only if it can be read in one way: as one form of the
// table, with one choice of what stands at each verb. What a thief may write
// into it, the name of a file say, can make it stay English and can not make it
// say something else.

// Part is a piece of a sentence.
type Part struct {
	Text    string
	English bool // it could not be said in the person's language, which is another one
}

// Parts are a sentence in the person's language, as far as it can be said so.
type Parts []Part

// String is the whole of it.
func (t Parts) String() string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.Text)
	}
	return b.String()
}

// form is a sentence that another package makes. In En stand what it gives to
// fmt, with indexes, and %[1]w for what has no white space in it, %[1]d for a
// number, %[1]q for what is quoted, %[1]t for a time, %[1]i for numbers with
// commas, %[1]c for a command, %[1]l for a
// list with commas of what may have forms of its own, %[1]n for names with commas, %[1]p for a path and %[1]e for the part of
// a file; the others, %[1]s, are said in the person's language themselves, as
// %[1]n and %[1]e are, if they can be. Page is how an
// English page says it, "" for as it is: a page has buttons and no flags. Ja is
// Japanese, for a page.
type form struct{ En, Page, Ja string }

// forms are all of them.
var forms = [][]form{respondForms, rotationForms, trapForms, keychainForms, causeForms, serviceForms, grantForms, pageForms, agentForms}

const (
	longestSentence = 2 << 10 // bytes; what is longer is no sentence
	deepestSentence = 12      // sentences within each other
	mostTried       = 4 << 10 // bytes of sentences within one that are tried
	mostTold        = 2000    // that are remembered: a page shows the same again and again
)

// reader is a form that is ready to be matched.
type reader struct {
	form
	literals    []string // what stands between the verbs, in their order
	kinds       []byte   // of the verbs: s, w, d, q, t
	sample      string   // a sentence of this form
	lazy, eager func() *regexp.Regexp
}

var (
	anyVerb  = regexp.MustCompile(`%\[(\d)\]([a-z])`)
	verbText = map[byte]string{'s': `.*`, 'w': `\S+`, 'd': `-?\d+`, 'q': `"(?:[^"\\]|\\.)*"`, 't': `[0-9][0-9A-Z:. -]*[0-9Z]`,
		'i': `\d[\d, ]*`, 'n': `[^;]+`, 'c': `.*`, 'l': `.*`, 'p': `[^:,]+`, 'e': `[^:]+`}
	verbLike = map[byte]string{'s': "\x00", 'w': "\x00", 'd': "0", 'q': `""`, 't': "00", 'i': "0", 'n': "\x00", 'c': "\x00", 'l': "\x00", 'p': "\x00", 'e': "\x00"}
)

// shortest makes of what matches as much as it can what matches as little.
var shortest = strings.NewReplacer("*", "*?", "+", "+?")

func read(f form) *reader {
	r := &reader{form: f}
	var lazy, eager, sample strings.Builder
	at := 0
	literal := func(s string) {
		s = strings.ReplaceAll(s, "%%", "%")
		r.literals = append(r.literals, s)
		lazy.WriteString(regexp.QuoteMeta(s))
		eager.WriteString(regexp.QuoteMeta(s))
		sample.WriteString(s)
	}
	for _, m := range anyVerb.FindAllStringSubmatchIndex(f.En, -1) {
		literal(f.En[at:m[0]])
		kind := f.En[m[4]]
		r.kinds = append(r.kinds, kind)
		like := verbText[kind]
		eager.WriteString("(" + like + ")")
		lazy.WriteString("(" + shortest.Replace(like) + ")")
		sample.WriteString(verbLike[kind])
		at = m[1]
	}
	literal(f.En[at:])
	r.sample = sample.String()
	compile := func(b *strings.Builder) func() *regexp.Regexp {
		return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)\A` + b.String() + `\z`) })
	}
	r.lazy, r.eager = compile(&lazy), compile(&eager)
	return r
}

// fits reports whether s may be of this form, without much ado.
func (r *reader) fits(s string) bool {
	if !strings.HasPrefix(s, r.literals[0]) || !strings.HasSuffix(s, r.literals[len(r.literals)-1]) {
		return false
	}
	for _, l := range r.literals {
		i := strings.Index(s, l)
		if i < 0 {
			return false
		}
		s = s[i+len(l):]
	}
	return true
}

// match returns what stands at the verbs of s. sure is false if that could be
// read in more than one way.
func (r *reader) match(s string) (data []string, sure, ok bool) {
	if !r.fits(s) {
		return nil, false, false
	}
	data = r.lazy().FindStringSubmatch(s)
	if data == nil {
		return nil, false, false
	}
	for i, d := range r.eager().FindStringSubmatch(s) {
		if d != data[i] { // the first choice is not the last one
			return nil, false, true
		}
	}
	return data[1:], true, true
}

// readers are the forms as they are matched: those without verbs by their text.
type readers struct {
	whole map[string]form
	parts []*reader
}

var allReaders = sync.OnceValue(func() *readers {
	all := &readers{whole: map[string]form{}}
	for _, s := range stores.All {
		all.whole[s.Kind] = form{En: s.Kind, Ja: storeNames[s.ID]}
		all.parts = append(all.parts, read(form{En: s.Kind + " (%[1]c)", Ja: storeNames[s.ID] + "（%[1]s）"}))
	}
	for _, table := range forms {
		for _, f := range table {
			if anyVerb.MatchString(f.En) {
				all.parts = append(all.parts, read(f))
			} else {
				all.whole[f.En] = f
			}
		}
	}
	return all
})

// find returns the form that s is of, and what stands at its verbs; of several
// the one that says most.
func (all *readers) find(s string) (form, []string, []byte, bool) {
	if f, ok := all.whole[s]; ok {
		return f, nil, nil, true
	}
	type hit struct {
		r    *reader
		data []string
		sure bool
	}
	var hits []hit
	for _, r := range all.parts {
		if data, sure, ok := r.match(s); ok {
			hits = append(hits, hit{r, data, sure})
		}
	}
	// Of those that begin with words of ours and those that begin with what
	// another made the first are the outer ones.
	if slices.ContainsFunc(hits, func(h hit) bool { return h.r.literals[0] != "" }) {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return h.r.literals[0] == "" })
	}
	for _, h := range hits {
		best := h.sure
		for _, o := range hits {
			if _, _, ok := o.r.match(h.r.sample); !ok {
				best = false // o says something that h does not
			}
		}
		if best {
			return h.r.form, h.data, h.r.kinds, true
		}
	}
	return form{}, nil, nil, false
}

// Translate says english, which another package made, in the person's language.
func (w *Words) Translate(english string) Parts {
	if len(english) > longestSentence {
		return Parts{{Text: english, English: !w.english()}}
	}
	w.mu.Lock()
	t, ok := w.said[english]
	w.mu.Unlock()
	if ok {
		return slices.Clone(t)
	}
	t, _ = w.told(english)
	t = t.joined()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.said) >= mostTold {
		w.forget()
	}
	w.said[english] = t
	return slices.Clone(t)
}

// forget makes room for what is told next. Half is left, whichever: who makes up
// sentences without end can not have every page begin anew.
func (w *Words) forget() {
	for s := range w.said {
		if len(w.said) <= mostTold/2 {
			return
		}
		delete(w.said, s)
	}
}

// told says s; whole tells whether there is a form of it.
func (w *Words) told(s string) (t Parts, whole bool) {
	return (&telling{Words: w, known: map[string]turned{}}).told(s, 0)
}

// telling is one sentence that is being said, with those within it.
type telling struct {
	*Words
	known map[string]turned
	tried int // bytes
}

type turned struct {
	parts Parts
	whole bool
}

func (w *Words) english() bool { return w.tag == languages[0] }

// either chooses a mark.
func (w *Words) either(en, ja string) string {
	if w.english() {
		return en
	}
	return ja
}

// told says s, which stands that deep in others. What was looked at once is not
// looked at again, and not without end: somebody may have made it up.
func (w *telling) told(s string, depth int) (t Parts, whole bool) {
	if s == "" {
		return nil, true
	}
	if known, ok := w.known[s]; ok {
		return slices.Clone(known.parts), known.whole
	}
	if depth > deepestSentence || w.tried+len(s) > mostTried {
		return w.rest(s), false
	}
	w.tried += len(s)
	w.known[s] = turned{w.rest(s), false}
	t, whole = w.turn(s, depth)
	w.known[s] = turned{slices.Clone(t), whole}
	return t, whole
}

func (w *telling) turn(s string, depth int) (t Parts, whole bool) {
	if f, data, kinds, ok := allReaders().find(s); ok {
		return w.fill(f, data, kinds, depth), true
	}
	// What is put together of several: lines, clauses, a cause after a colon, sentences.
	for _, j := range []struct{ en, ja string }{{"\n", "\n"}, {"; ", "。"}, {": ", "："}} {
		for at := 0; ; {
			i := strings.Index(s[at:], j.en)
			if i < 0 {
				break
			}
			i += at
			at = i + len(j.en)
			first, ok := w.told(s[:i], depth+1)
			named := j.en == ": " && !strings.ContainsAny(s[:i], " \n") // a name and what is said of it
			if !ok && !named {
				continue
			}
			second, known := w.told(s[at:], depth+1)
			if !ok && !known {
				continue
			}
			return append(append(first, Part{Text: w.either(j.en, j.ja)}), second...), true
		}
	}
	for at := 0; ; {
		i := strings.Index(s[at:], ". ")
		if i < 0 {
			break
		}
		i += at
		at = i + 2
		first, ok := w.told(s[:i+1], depth+1)
		if !ok {
			continue
		}
		if w.english() {
			first = append(first, Part{Text: " "})
		}
		second, _ := w.told(s[at:], depth+1)
		return append(first, second...), true
	}
	if body, ok := strings.CutSuffix(s, "."); ok && body != "" {
		if t, ok := w.told(body, depth+1); ok {
			return append(t, Part{Text: w.either(".", "。")}), true
		}
	}
	return w.rest(s), false
}

// fill says f with data.
func (w *telling) fill(f form, data []string, kinds []byte, depth int) Parts {
	text := f.Ja
	if w.english() {
		if text = f.Page; text == "" {
			text = f.En
		}
	}
	var out Parts
	at := 0
	add := func(s string) { out = append(out, Part{Text: strings.ReplaceAll(s, "%%", "%")}) }
	for _, m := range anyVerb.FindAllStringSubmatchIndex(text, -1) {
		add(text[at:m[0]])
		at = m[1]
		n, err := strconv.Atoi(text[m[2]:m[3]])
		if err != nil || n < 1 || n > len(data) {
			continue // TestForms reads them all
		}
		if kinds[n-1] == 'l' {
			for i, item := range strings.Split(data[n-1], ", ") {
				if t, _ := w.told(item, depth+1); i == 0 {
					out = append(out, t...)
				} else {
					out = append(append(out, Part{Text: w.either(", ", "、")}), t...)
				}
			}
			continue
		}
		if strings.IndexByte("sne", kinds[n-1]) < 0 {
			add(data[n-1])
			continue
		}
		t, whole := w.told(data[n-1], depth+1)
		if !whole && kinds[n-1] == 'e' {
			t = Parts{{Text: data[n-1]}} // a name, of several words
		}
		out = append(out, t...)
	}
	add(text[at:])
	return out
}

// prose is what is more than a name.
var prose = regexp.MustCompile(`[A-Za-z]{2,}[,;:]? [a-z]{2,}|[a-z]{2,}[,;:]? [A-Za-z]{2,}`)

// rest is what there is no form of: a name, or a sentence that stays English.
func (w *Words) rest(s string) Parts {
	return Parts{{Text: s, English: !w.english() && prose.MatchString(s) && !strings.ContainsFunc(s, japanese)}}
}

// joined puts pieces of one language together. A full stop that a form brings
// along is not doubled, and between Japanese and other letters stands a space
// where two pieces meet, and none between Japanese and Japanese.
func (t Parts) joined() Parts {
	var out Parts
	for _, p := range t {
		if p.Text == "" {
			continue
		}
		if n := len(out); n > 0 {
			last := &out[n-1]
			if strings.HasSuffix(last.Text, "。") {
				p.Text = strings.TrimPrefix(p.Text, "。")
			}
			last.Text, p.Text = meet(last.Text, p.Text)
			if last.English == p.English || strings.TrimSpace(p.Text) == "" {
				last.Text += p.Text
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// meet sees to the space between two pieces.
func meet(a, b string) (string, string) {
	left, right := strings.TrimRight(a, " "), strings.TrimLeft(b, " ")
	x, _ := utf8.DecodeLastRuneInString(left)
	y, _ := utf8.DecodeRuneInString(right)
	switch {
	case left == "" || right == "":
	case japanese(x) && japanese(y), wide(x) || wide(y):
		return left, right
	case japanese(x) != japanese(y) && left == a && right == b && x != '\n' && y != '\n':
		return a + " ", b
	}
	return a, b
}

func japanese(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r == 'ー' || wide(r)
}

// wide reports whether r is a mark that brings its own space along.
func wide(r rune) bool { return strings.ContainsRune("、。：（）「」【】？！", r) }

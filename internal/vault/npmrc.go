package vault

import (
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// mark begins the comment that a moved token leaves in its place. The rest of
// the line is what it was, with stars for the value.
const mark = "; kept by 'wormbell vault': "

// stars stand for a value.
const stars = "***"

// token is an entry of an .npmrc that holds a secret.
type token struct{ edit.Entry }

// tokens returns those in data.
func tokens(data []byte) []token {
	var all []token
	for _, e := range edit.INI(data) {
		// What stands in a section is none of npm's settings. A reference to a variable
		// is no secret.
		if len(e.Path) == 1 && e.Value != "" && isSecret(e.Path[0]) && !strings.Contains(e.Value, "${") {
			all = append(all, token{e})
		}
	}
	return all
}

// isSecret reports whether a key's value is a secret: one of a registry
// ("//registry.example.com/:_authToken") or, as npm wrote it once, of all.
func isSecret(key string) bool {
	name := key[strings.LastIndexByte(key, ':')+1:]
	return name == "_authToken" || name == "_auth" || name == "_password"
}

// standing returns the value that a key has in data: the last one.
func standing(data []byte, key string) (string, bool) {
	for _, t := range slices.Backward(tokens(data)) {
		if t.Path[0] == key {
			return t.Value, true
		}
	}
	return "", false
}

// unmovable says why the token cannot be moved so that it can be put back; "" if
// it can.
func (t token) unmovable(data []byte) string {
	for _, o := range tokens(data) {
		if o.Path[0] == t.Path[0] && o.Value != t.Value {
			return "it stands in the file twice, with different values: remove the one that is not used, which is the first"
		}
	}
	var changes []edit.Change
	for _, o := range tokens(data) {
		if o.Path[0] == t.Path[0] {
			changes = append(changes, o.hide(data)...)
		}
	}
	hidden := applied(data, changes)
	changes, err := show(hidden, map[string]secret.Value{t.Path[0]: secret.Of(t.Value)})
	if err != nil || string(applied(hidden, changes)) != string(data) {
		return "it is written in an unusual way: write it as " + t.Path[0] + "=VALUE first"
	}
	return ""
}

// hide returns the changes that make a comment of the token's line.
func (t token) hide(data []byte) []edit.Change {
	at := edit.Span{From: t.Line.From, To: t.Line.From}
	return []edit.Change{{Span: at, New: mark}, {Span: t.Span, Old: string(data[t.From:t.To]), New: stars}}
}

// marked is a line that a token has left.
type marked struct {
	edit.Entry // within the file, with stars for its value
	mark       edit.Span
}

// marks returns the lines that stand for tokens.
func marks(data []byte) []marked {
	var all []marked
	text := string(data)
	for from := 0; from < len(text); {
		line := text[from:]
		if i := strings.IndexAny(line, "\r\n"); i >= 0 {
			line = line[:i+1]
		}
		begin := from
		from += len(line)
		if begin == 0 {
			begin = start(data)
			line = text[begin:from]
		}
		rest, ok := strings.CutPrefix(line, mark)
		if !ok {
			continue
		}
		// Read as if it were the first line of a file: the dialect is npm's there.
		for _, e := range edit.INI([]byte(rest)) {
			if e.Value == stars && len(e.Path) == 1 {
				at := begin + len(mark)
				e.Line = edit.Span{From: begin, To: from}
				e.Span = edit.Span{From: e.From + at, To: e.To + at}
				all = append(all, marked{e, edit.Span{From: begin, To: at}})
			}
		}
	}
	return all
}

// show returns the changes that put values back where they were taken from. Keys
// that stand in the file otherwise are left alone.
func show(data []byte, values map[string]secret.Value) ([]edit.Change, error) {
	var changes []edit.Change
	for _, m := range marks(data) {
		value, ok := values[m.Path[0]]
		if _, other := standing(data, m.Path[0]); !ok || other {
			continue
		}
		rest := data[m.mark.To:m.Line.To]
		e := edit.INI(rest)[0]
		c, err := e.Replace(rest, value.Reveal())
		if err != nil {
			return nil, err
		}
		c.From, c.To = c.From+m.mark.To, c.To+m.mark.To
		changes = append(changes, edit.Change{Span: m.mark, Old: mark}, c)
	}
	return changes, nil
}

// unmark returns the changes that take what a token has left out of a file.
func unmark(data []byte, key string) []edit.Change {
	var changes []edit.Change
	for _, m := range marks(data) {
		if m.Path[0] == key {
			line := m.Line
			if line.To < len(data) && data[line.To-1] == '\r' && data[line.To] == '\n' {
				line.To++
			}
			changes = append(changes, edit.Change{Span: line, Old: string(data[line.From:line.To])})
		}
	}
	return changes
}

// line is how a token is written.
func line(key string, value secret.Value) string {
	text := []byte(key + "=" + stars + "\n")
	c, err := edit.INI(text)[0].Replace(text, value.Reveal())
	if err != nil { // a line break, which no token that stood in a file has
		return ""
	}
	return string(applied(text, []edit.Change{c}))
}

// start is where the text of a file begins: after the mark of UTF-8.
func start(data []byte) int {
	if strings.HasPrefix(string(data), "\xef\xbb\xbf") {
		return 3
	}
	return 0
}

// applied returns data with changes made, which are in order.
func applied(data []byte, changes []edit.Change) []byte {
	var out []byte
	at := 0
	for _, c := range changes {
		out = append(append(out, data[at:c.From]...), c.New...)
		at = c.To
	}
	return append(out, data[at:]...)
}

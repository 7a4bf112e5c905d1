package edit

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// INI reads .npmrc, pnpm's auth.ini, AWS's credentials and .pypirc. It finds an
// entry in every line that has a key; a line that makes no sense is skipped, as
// the programs do.
//
// The dialect changes at the first section. Before it the file is npm's (the npm
// package ini): a value may stand in quotes, ";" and "#" begin a comment unless
// a backslash is before them, and ${VAR} is left as it is. In a section it is
// Python's (configparser) and AWS's: there are neither quotes nor escapes, a
// comment inside of a line needs a blank before it, ":" may stand for "=", and
// lines that are indented more than the key belong to its value.
func INI(data []byte) []Entry {
	var all []Entry
	section, inSection := "", false
	last, indent := -1, 0 // the entry that a line may continue, and how far it is indented
	for i, line := range lines(data) {
		s := text(data, line)
		if i == 0 && strings.HasPrefix(string(data), bom) {
			s.From += len(bom)
		}
		at := s.From
		s = trim(data, s)
		if s.From == s.To || data[s.From] == ';' || data[s.From] == '#' {
			continue
		}
		if inSection && last >= 0 && s.From-at > indent {
			all[last].extend(data, s, line)
			continue
		}
		if name, ok := header(string(data[s.From:s.To])); ok {
			section, inSection, last = name, true, -1
			continue
		}
		var e Entry
		ok := false
		if inSection {
			e, ok = configLine(data, s)
			e.Path = append([]string{section}, e.Path...)
		} else {
			e, ok = npmLine(data, s)
		}
		if !ok {
			last = -1
			continue
		}
		e.format, e.Line = formatINI, line
		if i == 0 && at > line.From {
			e.Line.From = at // the mark at the beginning stays
		}
		all = append(all, e)
		last, indent = len(all)-1, s.From-at
	}
	return all
}

// header returns the name of a section: what is between the first "[" of a line
// and its last "]".
func header(line string) (string, bool) {
	if line[0] != '[' {
		return "", false
	}
	end := strings.LastIndexByte(line, ']')
	if end < 0 {
		return "", false
	}
	rest := strings.TrimSpace(line[end+1:])
	return strings.TrimSpace(line[1:end]), rest == "" || rest[0] == '#' || rest[0] == ';'
}

// npmLine reads a line as the npm package ini does.
func npmLine(data []byte, s Span) (Entry, bool) {
	line := string(data[s.From:s.To])
	eq := strings.IndexByte(line, '=')
	switch {
	case eq == 0:
		return Entry{}, false
	case eq < 0:
		key, _, _ := npmValue(line)
		return Entry{Path: []string{key}, Value: "true", Span: Span{s.To, s.To}, whole: Span{s.To, s.To}, style: keyOnly}, true
	}
	key, _, _ := npmValue(line[:eq])
	v := trim(data, Span{s.From + eq + 1, s.To})
	value, inner, how := npmValue(string(data[v.From:v.To]))
	return Entry{
		Path:  []string{key},
		Value: value,
		Span:  Span{v.From + inner.From, v.From + inner.To},
		whole: v, style: how,
	}, true
}

// npmValue decodes what stands beside a "=" and says where in text the value is.
func npmValue(text string) (value string, inner Span, how style) {
	trimmed := trim([]byte(text), Span{0, len(text)})
	v := text[trimmed.From:trimmed.To]
	within := Span{trimmed.From, trimmed.To}
	if len(v) > 0 && (v[0] == '"' && v[len(v)-1] == '"' || v[0] == '\'' && v[len(v)-1] == '\'') {
		if v == "'" {
			return "", Span{within.To, within.To}, single
		}
		body, how := v, double
		if v[0] == '\'' {
			body, how = v[1:len(v)-1], single
		}
		var decoded string
		if json.Unmarshal([]byte(body), &decoded) == nil && strings.HasPrefix(body, `"`) {
			if how == double {
				return decoded, Span{within.From + 1, within.To - 1}, double
			}
			return decoded, Span{within.From + 2, within.To - 2}, single // '"…"'
		}
		if how == single {
			return body, Span{within.From + 1, within.To - 1}, single
		}
		return v, within, plain // a broken string stays as it is, with its quotes
	}
	var b strings.Builder
	escaped, end := false, len(v)
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case escaped:
			if c != '\\' && c != ';' && c != '#' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
			escaped = false
			continue
		case c == '\\':
			escaped = true
			continue
		case c == ';' || c == '#':
			end = i
		default:
			b.WriteByte(c)
			continue
		}
		break
	}
	if escaped {
		b.WriteByte('\\')
	}
	span := trim([]byte(v[:end]), Span{0, end})
	decoded := b.String()
	t := trim([]byte(decoded), Span{0, len(decoded)})
	return decoded[t.From:t.To], Span{within.From + span.From, within.From + span.To}, plain
}

// configLine reads a line as Python's configparser does.
func configLine(data []byte, s Span) (Entry, bool) {
	line := string(data[s.From:s.To])
	at := strings.IndexAny(line, "=:")
	if at == 0 {
		return Entry{}, false
	}
	if at < 0 {
		key := strings.TrimSpace(line)
		return Entry{Path: []string{key}, Span: Span{s.To, s.To}, whole: Span{s.To, s.To}, style: keyOnly}, true
	}
	v := trim(data, Span{s.From + at + 1, s.To})
	for i := v.From; i < v.To; i++ {
		if (data[i] == ';' || data[i] == '#') && (i == v.From && i > s.From+at+1 || i > v.From && (data[i-1] == ' ' || data[i-1] == '\t')) {
			v = trim(data, Span{v.From, i})
			break
		}
	}
	return Entry{Path: []string{strings.TrimSpace(line[:at])}, Value: string(data[v.From:v.To]), Span: v, whole: v, style: literal}, true
}

// extend adds a line to the value of e.
func (e *Entry) extend(data []byte, s, line Span) {
	e.Value += "\n" + string(data[s.From:s.To])
	e.Span.To, e.whole.To, e.Line.To = s.To, s.To, line.To
	e.style = block
}

// trim takes away the white space around s that JavaScript's trim does, which is
// a little more than Python's: also marks and blanks outside of ASCII.
func trim(data []byte, s Span) Span {
	for s.From < s.To {
		r, n := utf8.DecodeRune(data[s.From:s.To])
		if !blank(r) {
			break
		}
		s.From += n
	}
	for s.To > s.From {
		r, n := utf8.DecodeLastRune(data[s.From:s.To])
		if !blank(r) {
			break
		}
		s.To -= n
	}
	return s
}

// blank is ECMAScript's WhiteSpace and LineTerminator.
func blank(r rune) bool {
	switch {
	case r == ' ', r >= '\t' && r <= '\r', r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a, r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000, r == 0xfeff:
		return true
	}
	return false
}

func (e Entry) iniCandidates(data []byte, new string) []Change {
	if strings.ContainsAny(new, "\r\n") {
		return nil // no dialect has an escape that all readers know
	}
	escaped := strings.NewReplacer(`\`, `\\`, `;`, `\;`, `#`, `\#`).Replace(new)
	quoted := jsonQuote(new)
	switch e.style {
	case keyOnly:
		eq := "="
		if len(e.Path) > 1 {
			eq = " = "
			return []Change{change(data, e.Span, eq+new)}
		}
		return []Change{change(data, e.Span, eq+new), change(data, e.Span, eq+quoted)}
	case literal, block:
		pad := ""
		if e.From == e.To && e.From > 0 && data[e.From-1] == '=' && strings.HasPrefix(new, "#") {
			pad = " "
		}
		return []Change{change(data, e.Span, pad+new)}
	case double:
		return []Change{change(data, e.Span, quoted[1:len(quoted)-1]), change(data, e.whole, quoted)}
	case single:
		return []Change{change(data, e.Span, new), change(data, e.whole, quoted)}
	}
	return []Change{change(data, e.Span, new), change(data, e.Span, escaped), change(data, e.whole, quoted)}
}

// jsonQuote writes s as a JSON string without escaping what HTML would mind.
func jsonQuote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

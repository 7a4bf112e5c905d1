package edit

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// TOML reads every value of the file. What the values are, BurntSushi/toml says;
// where they stand, a scanner that need not understand what is wrong with a file.
func TOML(data []byte) ([]Entry, error) {
	text := strings.TrimPrefix(string(data), bom)
	s := tomlScanner{data: data, at: len(data) - len(text), tables: map[string]int{}}
	if tomlDeep(text) {
		return nil, fmt.Errorf("read TOML: it is nested deeper than %d", deepest)
	}
	if _, err := toml.Decode(text, &s.tree); err != nil {
		return nil, errors.New("read TOML: it is not valid") // the library's error quotes the line
	}
	if err := s.document(); err != nil {
		return nil, fmt.Errorf("read TOML: %w", err)
	}
	return s.all, nil
}

// tomlDeep reports whether lists and tables are nested too deeply, or keys too
// long. The library goes down as far as a file does, and a stack that is used up
// ends the program. What is no TOML need not be understood: the library gives up
// where it begins.
func tomlDeep(text string) bool {
	depth, dots := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '[', '{':
			if depth++; depth > deepest {
				return true
			}
		case ']', '}':
			depth = max(depth-1, 0)
		case '.':
			if dots++; dots > deepest {
				return true
			}
		case '\n':
			dots = 0
		case '#':
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				return false
			}
			i += n - 1
		case '"', '\'':
			i = tomlString(text, i) - 1
		}
	}
	return false
}

// tomlString returns where the string that begins at i ends.
func tomlString(text string, i int) int {
	quote, escapes := text[i:i+1], text[i] == '"'
	if long := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], long) {
		quote = long
	}
	for i += len(quote); i < len(text); i++ {
		switch {
		case escapes && text[i] == '\\':
			i++
		case len(quote) == 1 && text[i] == '\n': // no string goes on after it
			return i
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		}
	}
	return len(text)
}

// tomlScanner walks through TOML that is known to be valid.
type tomlScanner struct {
	data   []byte
	at     int
	tree   map[string]any // as BurntSushi/toml decoded it
	tables map[string]int // how many tables each list of tables has so far
	all    []Entry
}

var errTOML = errors.New("its lines could not be told apart")

func (s *tomlScanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *tomlScanner) has(text string) bool {
	return strings.HasPrefix(string(s.data[s.at:min(len(s.data), s.at+len(text))]), text)
}

// blanks skips blanks, and with breaks also line breaks and comments.
func (s *tomlScanner) blanks(breaks bool) {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == ' ' || c == '\t':
			s.at++
		case breaks && (c == '\r' || c == '\n'):
			s.at++
		case breaks && c == '#':
			for s.at < len(s.data) && s.data[s.at] != '\n' {
				s.at++
			}
		default:
			return
		}
	}
}

func (s *tomlScanner) document() error {
	var table []string
	for {
		s.blanks(true)
		if s.at >= len(s.data) {
			return nil
		}
		if s.peek() != '[' {
			if err := s.pair(table, true); err != nil {
				return err
			}
			continue
		}
		list := s.has("[[")
		s.at++
		if list {
			s.at++
		}
		keys, err := s.key()
		if err != nil {
			return err
		}
		s.at++
		if list {
			s.at++
		}
		table = s.absolute(keys, list)
	}
}

// absolute puts the indexes of lists of tables into the name of a table.
func (s *tomlScanner) absolute(keys []string, list bool) []string {
	var path []string
	for i, k := range keys {
		path = append(path, k)
		id := strings.Join(path, "\x00")
		if i == len(keys)-1 && list {
			s.tables[id]++
		}
		if n := s.tables[id]; n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
	}
	return path
}

// key reads a dotted key up to what ends it.
func (s *tomlScanner) key() ([]string, error) {
	var keys []string
	for {
		s.blanks(false)
		from := s.at
		switch s.peek() {
		case '"', '\'':
			if _, err := s.quoted(s.peek()); err != nil {
				return nil, err
			}
			var v struct{ K string }
			if _, err := toml.Decode("K = "+string(s.data[from:s.at]), &v); err != nil {
				return nil, errTOML
			}
			keys = append(keys, v.K)
		default:
			for s.at < len(s.data) && strings.IndexByte(" \t.=]\r\n", s.data[s.at]) < 0 {
				s.at++
			}
			if s.at == from {
				return nil, errTOML
			}
			keys = append(keys, string(s.data[from:s.at]))
		}
		s.blanks(false)
		if s.peek() != '.' {
			return keys, nil
		}
		s.at++
	}
}

// pair reads "key = value". line says that it may have its lines for itself.
func (s *tomlScanner) pair(table []string, line bool) error {
	from := s.at
	keys, err := s.key()
	if err != nil {
		return err
	}
	if s.peek() != '=' {
		return errTOML
	}
	s.at++
	first := len(s.all)
	if err := s.value(append(slices.Clone(table), keys...)); err != nil {
		return err
	}
	if !line || len(s.all) != first+1 || s.all[first].whole.To != s.at {
		return nil
	}
	for from > 0 && (s.data[from-1] == ' ' || s.data[from-1] == '\t') {
		from--
	}
	end := s.at
	for end < len(s.data) && s.data[end] != '\n' {
		end++ // with the comment behind it
	}
	s.all[first].Line = Span{from, min(end+1, len(s.data))}
	return nil
}

// value reads a value and what is in it.
func (s *tomlScanner) value(path []string) error {
	if len(path) > deepest {
		return fmt.Errorf("it is nested deeper than %d", deepest)
	}
	s.blanks(false)
	from := s.at
	e := Entry{Path: path, format: formatTOML}
	switch c := s.peek(); c {
	case '[':
		return s.list(path)
	case '{':
		return s.inline(path)
	case '"', '\'':
		how, err := s.quoted(c)
		if err != nil {
			return err
		}
		v, ok := lookup(s.tree, path).(string)
		if !ok {
			return errTOML
		}
		quotes := 1
		if how == tripleDo || how == tripleSi {
			quotes = 3
		}
		e.Value, e.style, e.Span = v, how, Span{from + quotes, s.at - quotes}
	default:
		for s.at < len(s.data) && strings.IndexByte(",]}#\r\n", s.data[s.at]) < 0 {
			s.at++
		}
		end := s.at
		for end > from && (s.data[end-1] == ' ' || s.data[end-1] == '\t') {
			end--
		}
		if end == from {
			return errTOML
		}
		e.Value, e.style, e.Span = string(s.data[from:end]), raw, Span{from, end}
		s.at = end
	}
	e.whole = Span{from, s.at}
	e.Line = e.whole
	s.all = append(s.all, e)
	return nil
}

// quoted skips a string.
func (s *tomlScanner) quoted(quote byte) (style, error) {
	end, how := string(quote), double
	if quote == '\'' {
		how = single
	}
	if s.has(strings.Repeat(end, 3)) {
		end = strings.Repeat(end, 3)
		how = map[byte]style{'"': tripleDo, '\'': tripleSi}[quote]
	}
	for s.at += len(end); s.at < len(s.data); s.at++ {
		if quote == '"' && s.peek() == '\\' {
			s.at++
			continue
		}
		if s.has(end) {
			s.at += len(end)
			for n := 0; len(end) == 3 && n < 2 && s.peek() == quote; n++ {
				s.at++ // up to two quotes may stand before the three
			}
			return how, nil
		}
	}
	return 0, errTOML
}

func (s *tomlScanner) list(path []string) error {
	s.at++
	for n := 0; ; n++ {
		s.blanks(true)
		if s.peek() == ']' {
			s.at++
			return nil
		}
		if err := s.value(append(slices.Clone(path), strconv.Itoa(n))); err != nil {
			return err
		}
		if err := s.comma(); err != nil {
			return err
		}
	}
}

func (s *tomlScanner) inline(path []string) error {
	s.at++
	for {
		s.blanks(true)
		if s.peek() == '}' {
			s.at++
			return nil
		}
		if err := s.pair(path, false); err != nil {
			return err
		}
		if err := s.comma(); err != nil {
			return err
		}
	}
}

// comma skips a comma if there is one; what ends the list is left.
func (s *tomlScanner) comma() error {
	s.blanks(true)
	switch s.peek() {
	case ',':
		s.at++
	case ']', '}':
	default:
		return errTOML
	}
	return nil
}

// lookup returns what stands at path in a decoded tree, nil if nothing.
func lookup(v any, path []string) any {
	for _, k := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[k]
		case []map[string]any:
			n, err := strconv.Atoi(k)
			if err != nil || n < 0 || n >= len(x) {
				return nil
			}
			v = x[n]
		case []any:
			n, err := strconv.Atoi(k)
			if err != nil || n < 0 || n >= len(x) {
				return nil
			}
			v = x[n]
		default:
			return nil
		}
	}
	return v
}

func (e Entry) tomlCandidates(data []byte, new string) []Change {
	basic := tomlQuote(new)
	var all []Change
	switch e.style {
	case raw:
		all = append(all, change(data, e.Span, new))
	case double:
		all = append(all, change(data, e.Span, basic[1:len(basic)-1]))
	case single:
		if !strings.ContainsAny(new, "'\r\n") {
			all = append(all, change(data, e.Span, new))
		}
	}
	all = append(all, change(data, e.whole, basic))
	return slices.DeleteFunc(all, func(c Change) bool { return !tomlSameBut(data, splice(data, []Change{c}), e.Path, new) })
}

// tomlSameBut lets the library judge: after is before but for one value.
func tomlSameBut(before, after []byte, path []string, new string) bool {
	var a, b map[string]any
	if _, err := toml.Decode(strings.TrimPrefix(string(before), bom), &a); err != nil {
		return false
	}
	if _, err := toml.Decode(strings.TrimPrefix(string(after), bom), &b); err != nil {
		return false
	}
	if v, ok := lookup(b, path).(string); ok && v != new {
		return false
	}
	parent, last := path[:len(path)-1], path[len(path)-1]
	switch x := lookup(b, parent).(type) {
	case map[string]any:
		x[last] = lookup(a, path)
	case []any:
		n, err := strconv.Atoi(last)
		if err != nil || n >= len(x) {
			return false
		}
		x[n] = lookup(a, path)
	}
	return reflect.DeepEqual(a, b)
}

// tomlQuote writes s as a basic string.
func tomlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// YAML reads every scalar of all documents. Values that are not there ("key:")
// and aliases are no entries.
func YAML(data []byte) (all []Entry, err error) {
	defer func() {
		if recover() != nil { // the library has panicked on hostile files before
			all, err = nil, errors.New("read YAML: the library gave up")
		}
	}()
	if !utf8.Valid(data) {
		return nil, errors.New("read YAML: it is not UTF-8") // the library also takes UTF-16, whose places it tells otherwise
	}
	s := yamlScanner{data: data}
	s.start()
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return s.all, nil
		} else if err != nil {
			return nil, errors.New("read YAML: it is not valid") // the library's error may quote it
		}
		if err := s.node(&doc, nil, nil); err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
	}
}

type yamlScanner struct {
	data  []byte
	begin []int // offsets of the lines' beginnings
	all   []Entry
	long  map[int][]int // of long lines: the offset of each thousandth character
}

// yamlBreak returns how long the line break at i is, 0 if there is none.
func yamlBreak(data []byte, i int) int {
	switch {
	case bytes.HasPrefix(data[i:], []byte("\r\n")), bytes.HasPrefix(data[i:], []byte("\u0085")):
		return 2
	case data[i] == '\n', data[i] == '\r':
		return 1
	case bytes.HasPrefix(data[i:], []byte("\u2028")), bytes.HasPrefix(data[i:], []byte("\u2029")):
		return 3
	}
	return 0
}

// start notes where the lines begin.
func (s *yamlScanner) start() {
	from := 0
	if bytes.HasPrefix(s.data, []byte(bom)) {
		from = len(bom)
	}
	s.begin = []int{from}
	for i := from; i < len(s.data); {
		n := yamlBreak(s.data, i)
		if n > 0 {
			s.begin = append(s.begin, i+n)
		}
		i += max(n, 1)
	}
}

// offset returns where a node begins. Columns count characters.
func (s *yamlScanner) offset(n *yaml.Node) (int, bool) {
	if n.Line < 1 || n.Line > len(s.begin) || n.Column < 1 {
		return 0, false
	}
	at, rest := s.begin[n.Line-1], n.Column-1
	if rest >= stride {
		marks := s.marks(n.Line)
		i := rest / stride
		if i > len(marks) {
			return 0, false
		}
		at, rest = marks[i-1], rest%stride
	}
	for range rest {
		if at >= len(s.data) {
			return 0, false
		}
		_, size := utf8.DecodeRune(s.data[at:])
		at += size
	}
	return at, true
}

// stride is how many characters lie between two marks of a long line.
const stride = 1000

// marks returns where the characters of a line stand that are a multiple of
// stride, but for the first. Without them a long line would be walked through
// for each of its nodes.
func (s *yamlScanner) marks(line int) []int {
	if marks, ok := s.long[line]; ok {
		return marks
	}
	end := len(s.data)
	if line < len(s.begin) {
		end = s.begin[line]
	}
	var marks []int
	for at, n := s.begin[line-1], 0; at < end; n++ {
		if n > 0 && n%stride == 0 {
			marks = append(marks, at)
		}
		_, size := utf8.DecodeRune(s.data[at:])
		at += size
	}
	if s.long == nil {
		s.long = map[int][]int{}
	}
	s.long[line] = marks
	return marks
}

// node reads a node and what is in it. first is what stands before a scalar and
// goes with it: its key, or nil.
func (s *yamlScanner) node(n *yaml.Node, path []string, key *yaml.Node) error {
	if len(path) > deepest {
		return fmt.Errorf("it is nested deeper than %d", deepest)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			if err := s.node(c, path, nil); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if err := s.node(n.Content[i+1], append(slices.Clone(path), n.Content[i].Value), n.Content[i]); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			if err := s.node(c, append(slices.Clone(path), strconv.Itoa(i)), nil); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		return s.scalar(n, path, key)
	}
	return nil
}

var errYAML = errors.New("its values could not be found in the text")

// scalar notes one value.
func (s *yamlScanner) scalar(n *yaml.Node, path []string, key *yaml.Node) error {
	at, ok := s.offset(n)
	if !ok {
		return errYAML
	}
	at = s.properties(at)
	e := Entry{Path: path, Value: n.Value, format: formatYAML}
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		e.style = block
		e.whole, e.Span = s.block(at)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		e.style = double
		e.whole, ok = s.quoted(at, '"')
		e.Span = Span{e.whole.From + 1, e.whole.To - 1}
	case n.Style&yaml.SingleQuotedStyle != 0:
		e.style = single
		e.whole, ok = s.quoted(at, '\'')
		e.Span = Span{e.whole.From + 1, e.whole.To - 1}
	case n.Value == "":
		return nil
	default:
		e.whole, ok = s.plain(at, n.Value)
		e.Span = e.whole
		if n.ShortTag() != "!!str" {
			e.style = raw
		}
	}
	if !ok {
		return errYAML
	}
	e.Line = s.ownLines(e.whole, key)
	s.all = append(s.all, e)
	return nil
}

// properties skips the anchor and the tag before a value.
func (s *yamlScanner) properties(at int) int {
	for at < len(s.data) && (s.data[at] == '&' || s.data[at] == '!') {
		for at < len(s.data) && !yamlSpace(s.data[at]) {
			at++
		}
		for at < len(s.data) && yamlSpace(s.data[at]) {
			at++
		}
	}
	return at
}

func yamlSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// quoted finds the end of a scalar in quotes.
func (s *yamlScanner) quoted(at int, quote byte) (Span, bool) {
	if at >= len(s.data) || s.data[at] != quote {
		return Span{}, false
	}
	for i := at + 1; i < len(s.data); i++ {
		switch {
		case s.data[i] == '\\' && quote == '"':
			i++
		case s.data[i] == quote && quote == '\'' && i+1 < len(s.data) && s.data[i+1] == quote:
			i++
		case s.data[i] == quote:
			return Span{at, i + 1}, true
		}
	}
	return Span{}, false
}

// plain finds the end of a scalar without quotes: its text is the value's, except
// for how its lines are broken.
func (s *yamlScanner) plain(at int, value string) (Span, bool) {
	i := at
	for _, r := range value {
		if folded(r) {
			continue
		}
		for i < len(s.data) {
			c, size := utf8.DecodeRune(s.data[i:])
			i += size
			if !folded(c) {
				if c != r {
					return Span{}, false
				}
				break
			}
			if i == len(s.data) {
				return Span{}, false
			}
		}
	}
	return Span{at, i}, i > at && i <= len(s.data)
}

// folded reports whether line folding may have made or taken r.
func folded(r rune) bool {
	return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029
}

// block finds the lines of a block scalar, whose header ("|", ">-") is at at:
// all that follow and are empty or indented as the first.
func (s *yamlScanner) block(at int) (whole, inner Span) {
	line, _ := slices.BinarySearch(s.begin, at+1) // the lines after the header's
	whole = Span{at, at}
	for whole.To < len(s.data) && yamlBreak(s.data, whole.To) == 0 {
		whole.To++
	}
	indent := -1
	for ; line < len(s.begin); line++ {
		from := s.begin[line]
		i := from
		for i < len(s.data) && s.data[i] == ' ' {
			i++
		}
		if i == len(s.data) || yamlBreak(s.data, i) > 0 {
			continue
		}
		if indent < 0 {
			indent = i - from
			inner.From = i
		}
		if i-from < indent {
			break
		}
		for i < len(s.data) && yamlBreak(s.data, i) == 0 {
			i++
		}
		inner.To, whole.To = i, i
	}
	if indent < 0 {
		inner = Span{whole.To, whole.To}
	}
	return whole, inner
}

// ownLines returns the lines of a value and its key if nothing else is on them.
func (s *yamlScanner) ownLines(whole Span, key *yaml.Node) Span {
	from := whole.From
	if key != nil {
		at, ok := s.offset(key)
		if !ok {
			return whole
		}
		from = at
	}
	for from > s.begin[0] && s.data[from-1] == ' ' {
		from--
	}
	if key == nil && from > s.begin[0] && s.data[from-1] == '-' {
		for from--; from > s.begin[0] && s.data[from-1] == ' '; {
			from--
		}
	}
	if _, begins := slices.BinarySearch(s.begin, from); !begins {
		return whole
	}
	to := whole.To
	for to < len(s.data) && (s.data[to] == ' ' || s.data[to] == '\t') {
		to++
	}
	if to < len(s.data) && s.data[to] == '#' && to > whole.To {
		for to < len(s.data) && yamlBreak(s.data, to) == 0 {
			to++
		}
	}
	if to == len(s.data) {
		return Span{from, to}
	}
	if n := yamlBreak(s.data, to); n > 0 {
		return Span{from, to + n}
	}
	return whole
}

func (e Entry) yamlCandidates(data []byte, new string) []Change {
	quoted := yamlQuote(new)
	var all []Change
	scalar := yaml.Node{Kind: yaml.ScalarNode, Value: new}
	oneLine := !strings.ContainsFunc(new, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 })
	switch e.style {
	case plain, raw:
		// A text that looks like a number or a date must not become one.
		if new != "" && oneLine && scalar.ShortTag() == "!!str" {
			all = append(all, change(data, e.whole, new))
		}
	case single:
		if oneLine {
			all = append(all, change(data, e.Span, strings.ReplaceAll(new, "'", "''")))
		}
	case double:
		all = append(all, change(data, e.Span, quoted[1:len(quoted)-1]))
	}
	if e.style == raw {
		all = append(all, change(data, e.whole, new))
	}
	return append(all, change(data, e.whole, quoted))
}

// yamlQuote writes s as a scalar in double quotes.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r >= 0x7f && r <= 0x9f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

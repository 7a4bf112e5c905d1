package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// deepest is how far lists and objects may be nested. encoding/json has a limit
// of its own, which is larger.
const deepest = 200

// JSON reads every string, number, true, false and null.
func JSON(data []byte) ([]Entry, error) {
	s := jsonScanner{data: data}
	if strings.HasPrefix(string(data), bom) {
		s.at = len(bom)
	}
	if !json.Valid(data[s.at:]) {
		return nil, errors.New("read JSON: it is not valid") // the error of encoding/json quotes bytes of it
	}
	if err := s.value(nil, Span{}); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return s.all, nil
}

// jsonScanner walks through JSON that is known to be valid.
type jsonScanner struct {
	data []byte
	at   int
	all  []Entry
}

func (s *jsonScanner) blanks() {
	for s.at < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.at]) >= 0 {
		s.at++
	}
}

// value reads one value. member is where its key begins, or it itself in a list.
func (s *jsonScanner) value(path []string, member Span) error {
	if len(path) > deepest {
		return fmt.Errorf("it is nested deeper than %d", deepest)
	}
	s.blanks()
	from := s.at
	switch s.data[s.at] {
	case '{':
		return s.list(path, '}')
	case '[':
		return s.list(path, ']')
	case '"':
		s.skipString()
		var v string
		if err := json.Unmarshal(s.data[from:s.at], &v); err != nil {
			return err
		}
		s.add(Entry{Path: path, Value: v, Span: Span{from + 1, s.at - 1}, whole: Span{from, s.at}, style: double}, member)
	default:
		for s.at < len(s.data) && strings.IndexByte(" \t\r\n,]}", s.data[s.at]) < 0 {
			s.at++
		}
		here := Span{from, s.at}
		s.add(Entry{Path: path, Value: string(s.data[from:s.at]), Span: here, whole: here, style: raw}, member)
	}
	return nil
}

func (s *jsonScanner) skipString() {
	for s.at++; s.data[s.at] != '"'; s.at++ {
		if s.data[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}

// list reads the members of an object or a list.
func (s *jsonScanner) list(path []string, end byte) error {
	s.at++
	before := s.at // where the member's surroundings begin: after the "{" or at the ","
	for n := 0; ; n++ {
		s.blanks()
		if s.data[s.at] == end {
			s.at++
			return nil
		}
		if s.data[s.at] == ',' {
			before = s.at
			s.at++
			s.blanks()
		}
		member := Span{From: s.at, To: before}
		key := strconv.Itoa(n)
		if end == '}' {
			from := s.at
			s.skipString()
			if err := json.Unmarshal(s.data[from:s.at], &key); err != nil {
				return err
			}
			s.blanks()
			s.at++ // :
		}
		if err := s.value(append(slices.Clone(path), key), member); err != nil {
			return err
		}
	}
}

// add keeps an entry. A member goes with the comma after it, or if there is none,
// with the one before it. member.From is where it begins, member.To where its
// surroundings do.
func (s *jsonScanner) add(e Entry, member Span) {
	e.format = formatJSON
	e.Line = e.whole
	if len(e.Path) > 0 {
		end := s.at
		for end < len(s.data) && strings.IndexByte(" \t\r\n", s.data[end]) >= 0 {
			end++
		}
		switch {
		case s.data[end] == ',':
			end++
			// With the blanks after it, so that the next one stands where it did.
			for strings.IndexByte(" \t\r\n", s.data[end]) >= 0 {
				end++
			}
			e.Line = Span{member.From, end}
		default:
			e.Line = Span{member.To, s.at}
		}
	}
	s.all = append(s.all, e)
}

func (e Entry) jsonCandidates(data []byte, new string) []Change {
	if e.style == raw && json.Valid([]byte(new)) && !strings.ContainsAny(new, "\"[{ \t\r\n") {
		return []Change{change(data, e.Span, new)}
	}
	return []Change{change(data, e.whole, jsonQuote(new))}
}

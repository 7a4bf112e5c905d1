package edit

import (
	"strings"
)

// Netrc reads the passwords of a netrc file (ftp(1), curl's netrc.html): words
// between blanks and line breaks, which may stand in double quotes with
// backslashes; "#" begins a comment where a word is expected that is not a value;
// a macro ends at an empty line. The machine "default" is called so.
//
// Its entries' Line is all of the machine, with its login and what else it has.
func Netrc(data []byte) []Entry {
	var all []Entry
	s := netrcScanner{data: data}
	if strings.HasPrefix(string(data), bom) {
		s.at = len(bom)
	}
	machine, login, inside := "", "", false
	first := 0 // of the entries of the machine
	from, to := 0, 0
	finish := func() {
		for i := range all[first:] {
			all[first+i].Path[1] = login
			all[first+i].Line = s.wholeLines(Span{from, to})
		}
		first = len(all)
	}
	for {
		word, ok := s.next(true)
		if !ok {
			break
		}
		switch word.Value {
		case "machine", "default":
			finish()
			from, to, login, inside = word.whole.From, word.whole.To, "", true
			machine = "default"
			if word.Value == "machine" {
				name, ok := s.next(false)
				if !ok {
					finish()
					return all
				}
				machine, to = name.Value, name.whole.To
			}
		case "login", "user", "account", "password", "passwd":
			value, ok := s.next(false)
			if !ok {
				finish()
				return all
			}
			if !inside {
				continue
			}
			to = value.whole.To
			switch word.Value {
			case "login", "user":
				login = value.Value
			case "password", "passwd":
				value.Path = []string{machine, "", "password"}
				value.format = formatNetrc
				all = append(all, value)
			}
		case "macdef":
			s.macro()
			if inside {
				to = s.at
			}
		}
	}
	finish()
	return all
}

type netrcScanner struct {
	data []byte
	at   int
}

const netrcBlanks = " \t\r\n"

// next returns the next word. Where a keyword is expected, comments are skipped.
func (s *netrcScanner) next(keyword bool) (Entry, bool) {
	for {
		for s.at < len(s.data) && strings.IndexByte(netrcBlanks, s.data[s.at]) >= 0 {
			s.at++
		}
		if s.at == len(s.data) {
			return Entry{}, false
		}
		if !keyword || s.data[s.at] != '#' {
			break
		}
		for s.at < len(s.data) && s.data[s.at] != '\n' && s.data[s.at] != '\r' {
			s.at++
		}
	}
	from := s.at
	if s.data[s.at] == '"' {
		if e, ok := s.quoted(); ok {
			return e, true
		}
		s.at = from
	}
	for s.at < len(s.data) && strings.IndexByte(netrcBlanks, s.data[s.at]) < 0 {
		s.at++
	}
	here := Span{from, s.at}
	return Entry{Value: string(s.data[from:s.at]), Span: here, whole: here, style: plain}, true
}

// quoted reads a word in quotes as curl does: \n, \r and \t are what they are in
// C, every other character after a backslash is itself.
func (s *netrcScanner) quoted() (Entry, bool) {
	from := s.at
	var b strings.Builder
	for i := from + 1; i < len(s.data); i++ {
		switch c := s.data[i]; c {
		case '"':
			s.at = i + 1
			return Entry{Value: b.String(), Span: Span{from + 1, i}, whole: Span{from, i + 1}, style: double}, true
		case '\r', '\n':
			return Entry{}, false
		case '\\':
			if i++; i == len(s.data) {
				return Entry{}, false
			}
			c = s.data[i]
			if n := strings.IndexByte("nrt", c); n >= 0 {
				c = "\n\r\t"[n]
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return Entry{}, false
}

// macro skips to the empty line that ends a macro.
func (s *netrcScanner) macro() {
	for _, line := range lines(s.data[s.at:]) {
		t := text(s.data[s.at:], line)
		if line.From > 0 && t.From == t.To {
			s.at += line.To
			return
		}
	}
	s.at = len(s.data)
}

// wholeLines widens s to the lines it is on if nothing else is on them.
func (s *netrcScanner) wholeLines(span Span) Span {
	wide := span
	for wide.From > 0 && strings.IndexByte(" \t", s.data[wide.From-1]) >= 0 {
		wide.From--
	}
	if wide.From > 0 && s.data[wide.From-1] != '\n' && s.data[wide.From-1] != '\r' {
		return span
	}
	for wide.To < len(s.data) && strings.IndexByte(" \t", s.data[wide.To]) >= 0 {
		wide.To++
	}
	if wide.To > 0 && (s.data[wide.To-1] == '\n' || s.data[wide.To-1] == '\r') {
		return wide // a macro took the line break along
	}
	if wide.To < len(s.data) && s.data[wide.To] == '\r' {
		wide.To++
	} else if wide.To < len(s.data) && s.data[wide.To] != '\n' {
		return span
	}
	if wide.To < len(s.data) && s.data[wide.To] == '\n' {
		wide.To++
	}
	return wide
}

func (e Entry) netrcCandidates(data []byte, new string) []Change {
	if e.style == double {
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(new) + `"`
		return []Change{change(data, e.whole, quoted)}
	}
	// Not every program knows quotes, so none are begun.
	return []Change{change(data, e.Span, new)}
}

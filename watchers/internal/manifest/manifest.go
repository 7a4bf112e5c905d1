// Package manifest reads what matters of a package.json the way npm does: the
// same bytes are accepted, and `private` is what JavaScript holds for true.
//
// It does no I/O and keeps nothing.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"wormbell"
)

// File is the name of a manifest.
const File = "package.json"

// MaxSize is the most that is read of a manifest, in bytes. The largest of
// 27,000 installed ones has 240 kB.
const MaxSize = 1 << 20

// maxText bounds a name or version: npm allows 214 and 256 characters.
const maxText = 256

// mark may begin a file: npm passes over it (json-parse-even-better-errors).
var mark = []byte("\xef\xbb\xbf")

// ErrSyntax is returned for what JSON.parse would not accept.
var ErrSyntax = errors.New("not JSON")

// ErrNotObject is returned for JSON that is no object.
var ErrNotObject = errors.New("not a manifest")

// Parse reads the manifest in b. It takes time in proportion to len(b), at any
// depth: an enemy may choose b.
func Parse(b []byte) (*wormbell.Manifest, error) {
	b = bytes.TrimPrefix(b, mark)
	p := parser{b: b}
	p.space()
	if p.peek() != '{' {
		if err := p.value(); err != nil {
			return nil, err
		}
		if err := p.end(); err != nil {
			return nil, err
		}
		return nil, ErrNotObject
	}
	var name, version, private []byte
	err := p.object(func(key, value []byte) {
		switch { // of equal keys the last one counts
		case is(key, `"name"`):
			name = value
		case is(key, `"version"`):
			version = value
		case is(key, `"private"`):
			private = value
		}
	})
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return &wormbell.Manifest{Name: text(name), Version: text(version), Private: truthy(private)}, nil
}

// is reports whether a key, still quoted, is want. Case matters to npm, unlike
// to encoding/json.
func is(key []byte, want string) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key) == want
	}
	return strconv.Quote(unquote(key)) == want
}

// unquote decodes a string that is known to be well formed.
func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) {
		return string(b[1 : len(b)-1])
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return ""
	}
	return s
}

// text returns the string b, trimmed as npm does and cut to what may be shown;
// "" for anything else.
func text(b []byte) string {
	if len(b) == 0 || b[0] != '"' {
		return ""
	}
	return cut(strings.TrimSpace(unquote(b)), maxText)
}

// cut returns a copy of s, of so many bytes at most.
func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
		for len(s) > 0 {
			if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n > 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	return strings.Clone(s)
}

// truthy reports whether JavaScript holds b, well formed or empty for
// undefined, for true.
func truthy(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch b[0] {
	case 't', '{', '[':
		return true
	case 'f', 'n':
		return false
	case '"':
		return len(b) > 2
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return err != nil || f != 0 // an error means out of range: infinite
}

// Root reports whether path, of a package.json, is the root of a package in a
// node_modules folder, and returns that folder and the package's name.
func Root(path string) (modules, name string, ok bool) {
	dir, file := filepath.Split(path)
	if file != File {
		return "", "", false
	}
	return Folder(filepath.Clean(dir))
}

// Folder is [Root] for the package's folder.
func Folder(dir string) (modules, name string, ok bool) {
	up, name := filepath.Split(dir)
	up = filepath.Clean(up)
	if scope := filepath.Base(up); strings.HasPrefix(scope, "@") {
		up, name = filepath.Dir(up), scope+"/"+name
	}
	// Names that begin with a dot are npm's and pnpm's own business.
	if filepath.Base(up) != "node_modules" || name == "" || name[0] == '.' || name[0] == '@' && !strings.Contains(name, "/") {
		return "", "", false
	}
	return up, name, true
}

// Installed reports whether path is below a node_modules folder.
func Installed(path string) bool {
	return strings.Contains(filepath.ToSlash(path), "/node_modules/")
}

// parser accepts what ECMA-262's JSON.parse accepts. It has no recursion, so no
// depth is too deep.
type parser struct {
	b     []byte
	i     int
	stack []byte // open brackets of a nested value
}

func (p *parser) fail() error { return fmt.Errorf("%w at byte %d", ErrSyntax, p.i) }

// peek returns the next byte, 0 at the end; a NUL is nowhere allowed.
func (p *parser) peek() byte {
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

func (p *parser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// end accepts nothing but space.
func (p *parser) end() error {
	if p.space(); p.i != len(p.b) {
		return p.fail()
	}
	return nil
}

// object reads the outermost object and hands out its members, undecoded.
func (p *parser) object(member func(key, value []byte)) error {
	p.i++ // the bracket
	if p.space(); p.peek() == '}' {
		p.i++
		return nil
	}
	for {
		key, err := p.key()
		if err != nil {
			return err
		}
		p.space()
		start := p.i
		if err := p.value(); err != nil {
			return err
		}
		member(key, p.b[start:p.i])
		p.space()
		switch p.peek() {
		case ',':
			p.i++
		case '}':
			p.i++
			return nil
		default:
			return p.fail()
		}
	}
}

// key reads a member's name and the colon.
func (p *parser) key() ([]byte, error) {
	p.space()
	start := p.i
	if err := p.str(); err != nil {
		return nil, err
	}
	key := p.b[start:p.i]
	if p.space(); p.peek() != ':' {
		return nil, p.fail()
	}
	p.i++
	return key, nil
}

// value passes over one value of any kind.
func (p *parser) value() error {
	p.stack = p.stack[:0]
	for {
		open, err := p.scalar()
		if err != nil {
			return err
		}
		if open {
			continue
		}
		for more := false; !more; { // what follows a value
			if len(p.stack) == 0 {
				return nil
			}
			in := p.stack[len(p.stack)-1]
			p.space()
			switch c := p.peek(); {
			case c == ',':
				p.i++
				if in == '{' {
					if _, err := p.key(); err != nil {
						return err
					}
				}
				more = true
			case c == in+2: // '{' and '}' are two apart, '[' and ']' too
				p.i++
				p.stack = p.stack[:len(p.stack)-1]
			default:
				return p.fail()
			}
		}
	}
}

// scalar reads a scalar or an empty object or array, or what opens another
// one up to where its first value begins.
func (p *parser) scalar() (open bool, err error) {
	p.space()
	switch c := p.peek(); c {
	case '{', '[':
		p.i++
		if p.space(); p.peek() == c+2 {
			p.i++
			return false, nil
		}
		p.stack = append(p.stack, c)
		if c == '{' {
			_, err = p.key()
		}
		return true, err
	case '"':
		return false, p.str()
	case 't':
		return false, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return false, p.word("null")
	}
	return false, p.number()
}

func (p *parser) word(w string) error {
	if !bytes.HasPrefix(p.b[p.i:], []byte(w)) {
		return p.fail()
	}
	p.i += len(w)
	return nil
}

// str passes over a string. Bytes that are not UTF-8 are no error: node
// replaces them before it parses.
func (p *parser) str() error {
	if p.peek() != '"' {
		return p.fail()
	}
	for p.i++; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			return nil
		case c < 0x20:
			return p.fail()
		case c == '\\':
			p.i++
			switch p.peek() {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					p.i++
					if c := p.peek(); !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
						return p.fail()
					}
				}
			default:
				return p.fail()
			}
		}
	}
	return p.fail()
}

func (p *parser) number() error {
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
	} else if !p.digits() {
		return p.fail()
	}
	if p.peek() == '.' {
		p.i++
		if !p.digits() {
			return p.fail()
		}
	}
	if p.peek()|0x20 == 'e' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		if !p.digits() {
			return p.fail()
		}
	}
	return nil
}

// digits passes over at least one digit.
func (p *parser) digits() bool {
	start := p.i
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.i++
	}
	return p.i > start
}

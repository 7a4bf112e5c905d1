package persistence

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// node is one value of a JSON file, as editors write them: with remarks and
// commas too many. It knows where it stands.
type node struct {
	key      string // in its object
	str      string // if it is a string
	kids     []node // of an object or a list
	object   bool
	list     bool
	from, to int    // its bytes, without the key
	keyFrom  int    // where its key begins, else from
	src      string // the whole file
}

// get returns the member with this key, or nil.
func (n *node) get(keys ...string) *node {
	for _, k := range keys {
		if n == nil {
			return nil
		}
		var next *node
		for i := range n.kids {
			if n.object && n.kids[i].key == k {
				next = &n.kids[i] // the last one counts
			}
		}
		n = next
	}
	return n
}

// text returns the string at keys, or "".
func (n *node) text(keys ...string) string {
	if m := n.get(keys...); m != nil {
		return m.str
	}
	return ""
}

// strings returns the strings of a list.
func (n *node) texts(keys ...string) []string {
	var out []string
	if m := n.get(keys...); m != nil {
		for _, k := range m.kids {
			out = append(out, k.str)
		}
	}
	return out
}

var errJSON = errors.New("it is not JSON")

// parseJSON reads JSON with // and /* */ remarks and trailing commas.
func parseJSON(b []byte) (*node, error) {
	p := &jsonParser{s: string(b)}
	if strings.HasPrefix(p.s, "\ufeff") {
		p.at = len("\ufeff")
	}
	n, ok := p.value(0)
	if p.space(); !ok || p.at != len(p.s) {
		return nil, errJSON
	}
	return &n, nil
}

type jsonParser struct {
	s     string
	at    int
	nodes int
}

// space skips spaces and remarks.
func (p *jsonParser) space() {
	for p.at < len(p.s) {
		rest := p.s[p.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			p.at++
		case strings.HasPrefix(rest, "//"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				p.at += end
			} else {
				p.at = len(p.s)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return
			}
			p.at += end + 4
		default:
			return
		}
	}
}

const (
	maxNodes = 100_000
	maxNest  = 200
)

func (p *jsonParser) value(depth int) (node, bool) {
	p.space()
	n := node{from: p.at, keyFrom: p.at, src: p.s}
	if p.nodes++; p.at >= len(p.s) || depth > maxNest || p.nodes > maxNodes {
		return n, false
	}
	ok := true
	switch p.s[p.at] {
	case '{', '[':
		ok = p.members(&n, depth)
	case '"':
		n.str, ok = p.string()
	default:
		end := strings.IndexAny(p.s[p.at:], ",]} \t\r\n/")
		if end < 0 {
			end = len(p.s) - p.at
		}
		ok = json.Valid([]byte(p.s[p.at : p.at+end]))
		p.at += end
	}
	n.to = p.at
	return n, ok
}

// members reads an object or a list.
func (p *jsonParser) members(n *node, depth int) bool {
	n.object = p.s[p.at] == '{'
	n.list = !n.object
	end := map[bool]byte{true: '}', false: ']'}[n.object]
	p.at++
	for {
		if p.space(); p.at >= len(p.s) {
			return false
		}
		if p.s[p.at] == end {
			p.at++
			return true
		}
		keyFrom, key := p.at, ""
		if n.object {
			var ok bool
			if p.s[p.at] != '"' {
				return false
			}
			if key, ok = p.string(); !ok {
				return false
			}
			if p.space(); p.at >= len(p.s) || p.s[p.at] != ':' {
				return false
			}
			p.at++
		}
		kid, ok := p.value(depth + 1)
		if !ok {
			return false
		}
		if kid.key = key; n.object {
			kid.keyFrom = keyFrom
		}
		n.kids = append(n.kids, kid)
		if p.space(); p.at < len(p.s) && p.s[p.at] == ',' {
			p.at++
		} else if p.at >= len(p.s) || p.s[p.at] != end {
			return false
		}
	}
}

func (p *jsonParser) string() (string, bool) {
	for i := p.at + 1; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
		case '"':
			var out string
			err := json.Unmarshal([]byte(strings.ReplaceAll(p.s[p.at:i+1], "\t", `\t`)), &out)
			p.at = i + 1
			return out, err == nil
		}
	}
	return "", false
}

// source is the node's own text, with its key.
func (n *node) source() string { return n.src[n.keyFrom:n.to] }

// way is the keys and indices that lead from n to what stands at from, nil if
// nothing begins there.
func (n *node) way(from int) []string {
	for i := range n.kids {
		k := &n.kids[i]
		step := k.key
		if n.list {
			step = itoa(i)
		}
		if k.keyFrom == from {
			return []string{step}
		}
		if k.keyFrom < from && from < k.to {
			if rest := k.way(from); rest != nil {
				return append([]string{step}, rest...)
			}
		}
	}
	return nil
}

// at follows a way, nil if it ends nowhere.
func (n *node) at(way []string) *node {
	for _, step := range way {
		if n == nil {
			return nil
		}
		if n.object {
			n = n.get(step)
			continue
		}
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(n.kids) {
			return nil
		}
		n = &n.kids[i]
	}
	return n
}

// without is the stretch of s to cut out so that the member n of its parent is
// gone and what remains is as good JSON as before: with the comma after it, or
// else the one before.
func without(s string, n *node) (from, to int) {
	from, to = n.keyFrom, n.to
	p := &jsonParser{s: s, at: to}
	if p.space(); p.at < len(s) && s[p.at] == ',' {
		return from, p.at + 1
	}
	// The last one: the comma before goes too, unless remarks stand between.
	before := strings.TrimRight(s[:from], " \t\r\n")
	if strings.HasSuffix(before, ",") {
		return len(before) - 1, to
	}
	return from, to
}

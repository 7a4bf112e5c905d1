package settings

import (
	"errors"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// Limits of what a file may be made of, far above what settings and rows need.
// For a key of very many parts, and for values within values, the decoder takes
// time and memory that grow with their square.
const (
	maxParts = 32 // of a dotted key
	maxDepth = 32 // of arrays and tables within each other
)

var (
	errParts = errors.New("a key in it has more parts than any that there is")
	errDepth = errors.New("its arrays and tables lie deeper within each other than any that there are")
)

// tame returns nil unless text passes the limits. It knows as much of TOML as is
// needed to skip strings and comments; what is wrong besides, the decoder says.
func tame(text []byte) error {
	parts, depth := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'':
			i = afterString(text, i) - 1
		case '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case '\n', '=', ',':
			parts = 0
		case '.':
			if parts++; parts > maxParts {
				return errParts
			}
		case '[', '{':
			parts = 0
			if depth++; depth > maxDepth {
				return errDepth
			}
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return nil
}

// afterString returns where the string ends whose first quote is text[i].
func afterString(text []byte, i int) int {
	quote, long := text[i], false
	if i+2 < len(text) && text[i+1] == quote && text[i+2] == quote {
		i, long = i+2, true
	}
	for i++; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == '\n' && !long:
			return i // the decoder goes no further
		case text[i] != quote:
		case !long:
			return i + 1
		case i+2 < len(text) && text[i+1] == quote && text[i+2] == quote:
			for i += 3; i < len(text) && text[i] == quote; i++ { // quotes before the last three are the string's
			}
			return i
		}
	}
	return len(text)
}

// shown cuts what somebody wrote to what a sentence can show.
func shown(s string) string { return cut(s, 64) }

func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// parse decodes text into v, if it is tame.
func parse(text []byte, v any) (meta toml.MetaData, err error) {
	if err := tame(text); err != nil {
		return meta, err
	}
	if meta, err = toml.Decode(string(text), v); err != nil {
		return meta, errors.New(cut(err.Error(), 512)) // it may have a key, as long as the file
	}
	return meta, nil
}

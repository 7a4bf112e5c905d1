package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"wormbell/internal/plain"
)

// arg is plain.Text for one argument of a command line: quoted when it would not
// read as one word.
func arg(s string) string {
	c := plain.Text(s)
	if s != "" && !strings.ContainsAny(c, " \"'`$&|;<>()*?!#\\") {
		return c
	}
	return "'" + strings.ReplaceAll(c, "'", `'\''`) + "'"
}

// shorten cuts s to at most n columns, in the middle, where paths and command
// lines say least.
func shorten(s string, n int) string {
	if width(s) <= n || n < 5 {
		return s
	}
	runes := []rune(s)
	head, tail := 0, len(runes)
	for w := 1; ; { // 1 for the ellipsis
		// a little more is kept of the end, where a file's name is
		if w += runeWidth(runes[tail-1]); w > n {
			break
		}
		tail--
		if w += runeWidth(runes[head]); w > n {
			break
		}
		head++
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}

// width is how many columns s takes on a terminal.
func width(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// wide are the ranges that take two columns (Unicode's East Asian Wide and the
// emoji), coarsely: a wrong guess costs a ragged line, nothing more.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1faff, 1}, {0x20000, 0x3fffd, 1}},
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// wrap breaks s at spaces into lines of at most n columns; a longer word is
// broken where the line ends.
func wrap(s string, n int) []string {
	if n < 10 {
		n = 10
	}
	var lines []string
	line, used := "", 0
	flush := func() {
		lines = append(lines, line)
		line, used = "", 0
	}
	for word := range strings.FieldsSeq(s) {
		w := width(word)
		if used > 0 && used+1+w > n {
			flush()
		}
		for used == 0 && w > n {
			cut, cw := 0, 0
			for i, r := range word {
				if cw+runeWidth(r) > n {
					break
				}
				cw += runeWidth(r)
				cut = i + utf8.RuneLen(r)
			}
			lines = append(lines, word[:cut])
			word, w = word[cut:], w-cw
		}
		if used > 0 {
			line += " "
			used++
		}
		line += word
		used += w
	}
	if line != "" || len(lines) == 0 {
		flush()
	}
	return lines
}

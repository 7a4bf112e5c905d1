// Package plain makes text from outside fit to be seen by a person: what a
// terminal would act on, what would break a line and what nobody can see is
// spelled out. It knows nothing of HTML or of other markups: those escape on
// their own.
package plain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s with everything spelled out that is not printable: control
// characters, bidirectional overrides (a package may be called so), zero-width
// and blank characters, bytes that are no UTF-8. The result is one line.
func Text(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !hidden(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// hidden reports whether nobody sees r as what it is. unicode.IsPrint knows the
// format characters (Cf) as not printable; some letters and marks have no ink
// either: those that Unicode lets a font ignore (UAX #44, section 5.7.1,
// Default_Ignorable_Code_Point) and the empty Braille pattern.
func hidden(r rune) bool {
	const emptyBraille = '\u2800'
	return r == utf8.RuneError || r == emptyBraille || !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Cut is Text of at most n characters, ended by an ellipsis if it was longer.
func Cut(s string, n int) string {
	s = Text(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(0, n-1)]) + "…"
}

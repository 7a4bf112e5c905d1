package cli

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/plain"
)

func FuzzLayout(f *testing.F) {
	f.Add("\x1b[31mred\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{plain.Text(s), arg(s)} {
			if !utf8.ValidString(out) {
				t.Fatalf("%q is not valid UTF-8", out)
			}
			if i := strings.IndexFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Fatalf("%q holds what a terminal acts on at %d", out, i)
			}
			for _, line := range wrap(out, 20) {
				if width(line) > 20 {
					t.Fatalf("%q is %d wide", line, width(line))
				}
			}
			if got := shorten(out, 20); width(got) > 20 {
				t.Fatalf("%q is %d wide", got, width(got))
			}
		}
	})
}

func TestArg(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"install", "install"},
		{"", "''"},
		{"two words", "'two words'"},
		{"it's", `'it'\''s'`},
		{"a;b", "'a;b'"},
		{"line\nbreak", `'line\nbreak'`},
		{"@scope/x@^1.0", "@scope/x@^1.0"},
	} {
		if got := arg(tt.in); got != tt.want {
			t.Errorf("arg(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		n    int
		want []string
	}{
		{"", 10, []string{""}},
		{"one two three", 10, []string{"one two", "three"}},
		{"  spaces   between  ", 20, []string{"spaces between"}},
		{"abcdefghijklmno pq", 10, []string{"abcdefghij", "klmno pq"}},
		{"日本語日本語日本語", 10, []string{"日本語日本", "語日本語"}},
		{"exactly ten", 3, []string{"exactly", "ten"}}, // never narrower than ten
	} {
		if diff := cmp.Diff(tt.want, wrap(tt.in, tt.n)); diff != "" {
			t.Errorf("wrap(%q, %d) (-want +got): %s", tt.in, tt.n, diff)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"/home/alice/projects/app/index.js", 15, "/home/a…ndex.js"},
		{"日本語日本語", 7, "日…本語"},
	} {
		if got := shorten(tt.in, tt.n); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

package cli

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"~/.npmrc", "~/.npmrc"},
		{"naïve 日本 🐛", "naïve 日本 🐛"},
		{"a\nb\tc\rd", `a\nb\tc\rd`},
		{"\x1b[2Jgone", `\x1b[2Jgone`},
		{"\x1b]0;title\x07", `\x1b]0;title\x07`},
		{"\u009b31m", `\u009b31m`},                           // C1 CSI
		{"\x9b31m", `\x9b31m`},                               // the same, as a bare byte
		{"gnp\u202etxt.exe", `gnp\u202etxt.exe`},             // right-to-left override
		{"a\u200bb\ufeffc\u2066d", `a\u200bb\ufeffc\u2066d`}, // not seen
		{"bad\xff\xfeutf8", `bad\xff\xfeutf8`},
		{"tag\U000e0041", `tag\U000e0041`},
		{"nbsp\u00a0x", `nbsp\u00a0x`},
		{"\x00\x7f", `\x00\x7f`},
	} {
		if diff := cmp.Diff(tt.want, clean(tt.in)); diff != "" {
			t.Errorf("clean(%q) (-want +got): %s", tt.in, diff)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{clean(s), arg(s)} {
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

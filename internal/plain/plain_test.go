package plain_test

import (
	"testing"
	"unicode/utf8"

	"wormbell/internal/plain"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                 "",
		"evil@1.0.0":       "evil@1.0.0",
		"naïve 日本 🐛":       "naïve 日本 🐛",
		"日本語":              "日本語",
		"a\x1b]0;x\x07":    `a\x1b]0;x\x07`,
		"\u009b31m":        `\u009b31m`, // C1 CSI
		"\x9b31m":          `\x9b31m`,   // the same, as a bare byte
		"b\ufeffc\u2066d":  `b\ufeffc\u2066d`,
		"nbsp\u00a0x":      `nbsp\u00a0x`,
		"a\u202eb":         `a\u202eb`,
		"a\u200bb":         `a\u200bb`,
		"a\U000e0041b":     `a\U000e0041b`,
		"a\xffb":           `a\xffb`,
		"a\u3164\u115f":    `a\u3164\u115f`, // Hangul fillers: letters without ink
		"a\u1160\uffa0":    `a\u1160\uffa0`,
		"a\u2800b":         `a\u2800b`,
		"a\u034fb\ufe0f":   `a\u034fb\ufe0f`,
		"a\U000e0100b":     `a\U000e0100b`,
		"e\u0301":          "e\u0301", // a mark that is seen
		"two\nlines\t\r":   `two\nlines\t\r`,
		"<b>&amp;</b>":     "<b>&amp;</b>",
		"a\u2028b\u0085c":  `a\u2028b\u0085c`,
		string(rune(0x7f)): `\x7f`,
	} {
		if got := plain.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := plain.Cut("日本語テスト", 4); got != "日本語…" {
		t.Error(got)
	}
	if got := plain.Cut("abc", 3); got != "abc" {
		t.Error(got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[31mb\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := plain.Text(s)
		if !utf8.ValidString(got) || plain.Text(got) != got {
			t.Errorf("%q: %q", s, got)
		}
	})
}

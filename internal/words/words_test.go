package words

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/language"
)

var verb = regexp.MustCompile(`%(\[\d+\])?[+#-]?[a-zA-Z%]`)

// TestComplete: every sentence in every language, with the same data in each.
func TestComplete(t *testing.T) {
	t.Parallel()
	seen := map[Key]bool{}
	for _, table := range tables {
		for key, text := range table {
			if seen[key] {
				t.Errorf("%s: twice", key)
			}
			seen[key] = true
			if text.En == "" || text.Ja == "" {
				t.Errorf("%s: not in every language: %+v", key, text)
			}
			if rest := strings.ReplaceAll(verb.ReplaceAllString(text.Ja, ""), "Wormbell", ""); strings.ContainsAny(rest, "aeiou") && !strings.ContainsFunc(text.Ja, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }) {
				t.Errorf("%s: not Japanese: %q", key, text.Ja)
			}
			want := verbs(t, key, text.En)
			if got := verbs(t, key, text.Ja); !slices.Equal(got, want) {
				t.Errorf("%s: the data in Japanese are %v, in English %v", key, got, want)
			}
			for _, v := range verbs(t, key, text.One) { // "one alert" need not say 1
				if !slices.Contains(want, v) {
					t.Errorf("%s: for one: %s", key, v)
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d sentences", len(seen))
	}
}

func verbs(t *testing.T, key Key, s string) []string {
	var out []string
	for _, v := range verb.FindAllString(s, -1) {
		if v == "%%" {
			continue
		}
		if !strings.HasPrefix(v, "%[") {
			t.Errorf("%s: %s has no index", key, v)
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

func TestLocale(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{"": "en", "LANG=ja_JP.UTF-8": "ja", "LANG=C": "en", "LANG=C.UTF-8": "en", "LANG=de_DE@euro": "en",
		"LANG=ja_JP.UTF-8 LC_ALL=en_US.UTF-8": "en", "LANG=en_US LC_MESSAGES=ja": "ja", "LANG=../../etc": "en"} {
		get := func(name string) string {
			for _, f := range strings.Fields(env) {
				if k, v, _ := strings.Cut(f, "="); k == name {
					return v
				}
			}
			return ""
		}
		if got := For(get).Tag(); got != want {
			t.Errorf("%q: %s, want %s", env, got, want)
		}
	}
}

func TestSay(t *testing.T) {
	t.Parallel()
	for _, tag := range languages {
		w := In(tag)
		for _, table := range tables {
			for key, text := range table {
				n := 0
				for _, v := range verb.FindAllString(text.En, -1) {
					fmt.Sscanf(v, "%%[%d]", &n)
				}
				_ = n
				if got := w.Say(key, 2, 2, 2, 2, 2, 2); got == string(key) || got == "" {
					t.Errorf("%v %s: %q", tag, key, got)
				}
			}
		}
	}
	if got := In(language.Japanese).Say("no such %[1]s", "a\x1b[2J"); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
}

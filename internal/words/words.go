// Package words holds every sentence that the tray, the notifications and the
// dashboard show to a person, in English and in Japanese, and tells what an
// alert says in either.
//
// A sentence says what happened, to what, by whom, and what to do next. The
// package knows the dictionary, the stores and how an ancestry is read, and
// nothing of menus, pages or D-Bus.
package words

import (
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"

	"wormbell/internal/plain"
)

// Key names a sentence.
type Key string

// text is a sentence in every language there is. Verbs are those of fmt with
// explicit indexes ("%[2]s of %[1]s"), as languages differ in their order. One
// is the English sentence for a count of one, its first argument; Japanese
// makes no difference.
type text struct{ En, Ja, One string }

// tables are the sentences, a table for each part of the program; see the
// files of their names.
var tables = []map[Key]text{alertTexts, whoTexts, storeTexts, timeTexts, trustTexts, trayTexts, noticeTexts, dashboardTexts, detectorTexts, alertPageTexts, respondTexts}

// Words says sentences in one language. It is safe for concurrent use.
type Words struct {
	tag     language.Tag
	printer *message.Printer

	mu   sync.Mutex       // guards what follows
	said map[string]Parts // what was translated lately
}

// Languages are those that there are; the first is the one for everybody else.
var languages = []language.Tag{language.English, language.Japanese}

// In returns the words of the language that fits best.
func In(tag language.Tag) *Words {
	_, i, _ := language.NewMatcher(languages).Match(tag)
	tag = languages[i]
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	for _, table := range tables {
		for key, t := range table {
			// Errors are of formats that a test reads all of.
			b.SetString(language.Japanese, string(key), t.Ja)
			if t.One == "" {
				b.SetString(language.English, string(key), t.En)
			} else {
				b.Set(language.English, string(key), plural.Selectf(1, "", plural.One, t.One, plural.Other, t.En))
			}
		}
	}
	return &Words{tag: tag, printer: message.NewPrinter(tag, message.Catalog(b)), said: map[string]Parts{}}
}

// For returns the words of the person's locale, which environment variables
// tell (POSIX.1-2017, 8.2). getenv is os.Getenv, or a test's.
func For(getenv func(string) string) *Words {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return In(localeTag(v))
		}
	}
	return In(language.English)
}

// localeTag reads "ja_JP.UTF-8"; "C" and what it cannot read are English.
func localeTag(locale string) language.Tag {
	for i, r := range locale {
		if r == '.' || r == '@' {
			locale = locale[:i]
			break
		}
	}
	tag, err := language.Parse(locale)
	if err != nil {
		return language.English
	}
	return tag
}

// Tag is the language, "en" or "ja".
func (w *Words) Tag() string { return w.tag.String() }

// Say says a sentence. Strings among data are made fit to be seen with
// [plain.Text]; markup is for the caller to escape.
func (w *Words) Say(key Key, data ...any) string {
	for i, d := range data {
		if s, ok := d.(string); ok {
			data[i] = plain.Text(s)
		}
	}
	return w.printer.Sprintf(string(key), data...)
}

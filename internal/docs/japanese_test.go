package docs

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// behind says in what the Japanese page does not follow the English one.
func behind(english, japanese Page) (faults []string) {
	text := strings.Join(english.Lines, "\n") + "\n"
	stamp := fmt.Sprintf("<!-- README.md sha256:%x -->", sha256.Sum256([]byte(text)))
	stamp = stamp[:len("<!-- README.md sha256:")+16] + " -->"
	if japanese.Lines[0] != stamp {
		faults = append(faults, fmt.Sprintf("it begins with %q: README.md has changed; translate that, then write %q", japanese.Lines[0], stamp))
	}
	level := func(p Page) (marks []string) {
		for _, h := range p.Headings() {
			marks = append(marks, strings.Fields(h)[0])
		}
		return marks
	}
	if got, want := level(japanese), level(english); !slices.Equal(got, want) {
		faults = append(faults, fmt.Sprintf("its headings are %v, those of README.md %v", got, want))
	}
	typed := func(p Page) (lines []string) {
		for _, c := range p.Commands() {
			lines = append(lines, c.Text+"\n"+strings.Join(c.Output, "\n"))
		}
		return lines
	}
	if got, want := typed(japanese), typed(english); !slices.Equal(got, want) {
		faults = append(faults, fmt.Sprintf("what it says to type is\n%s\nin README.md it is\n%s", strings.Join(got, "\n"), strings.Join(want, "\n")))
	}
	leads := func(p Page) (to []string) {
		for _, l := range p.Links() {
			if !strings.HasPrefix(l.Target, "README") {
				to = append(to, l.Target)
			}
		}
		slices.Sort(to)
		return to
	}
	if got, want := leads(japanese), leads(english); !slices.Equal(got, want) {
		faults = append(faults, fmt.Sprintf("its links are %q, those of README.md %q", got, want))
	}
	spaced := regexp.MustCompile(`[\p{Han}\p{Hiragana}\p{Katakana}][A-Za-z0-9]|[A-Za-z0-9][\p{Han}\p{Hiragana}\p{Katakana}]`)
	japanese.prose(func(n int, line string) {
		if m := spaced.FindString(line); m != "" {
			faults = append(faults, fmt.Sprintf("line %d: %q stands without a space between", n, m))
		}
	})
	return faults
}

// TestJapanese: README.ja.md follows README.md.
func TestJapanese(t *testing.T) {
	t.Parallel()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) Page {
		i := slices.IndexFunc(pages, func(p Page) bool { return p.Path == name })
		if i < 0 {
			t.Fatalf("there is no %s", name)
		}
		return pages[i]
	}
	english, japanese := find("README.md"), find("README.ja.md")
	for _, f := range behind(english, japanese) {
		t.Errorf("README.ja.md: %s", f)
	}

	// What is behind is seen.
	for _, change := range [][2]string{{"Wormbell is", "Wormbell was"}, {"## Everyday", "### Everyday"}, {"wormbell tokens ", "wormbell calls "}, {"docs/limits.md", "docs/privacy.md"}, {"bash  pid", "zsh  pid"}} {
		text := strings.Join(english.Lines, "\n")
		changed, err := Parse("README.md", strings.Replace(text, change[0], change[1], 1))
		if err != nil || !strings.Contains(text, change[0]) {
			t.Fatalf("%q: %v", change[0], err)
		}
		if got := len(behind(changed, japanese)); got == 0 || change[0] != "Wormbell is" && got < 2 {
			t.Errorf("%q instead of %q: %d faults", change[1], change[0], got)
		}
	}
}

package dashboard_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStyle: what the style sheet speaks of is on some page, or made by a script.
func TestStyle(t *testing.T) {
	t.Parallel()
	read := func(like string) (all string) {
		names, err := filepath.Glob(like)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", like, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all += string(b)
		}
		return all
	}
	made := read("pages/*.html") + read("static/*.js") + read("*.go")
	style := regexp.MustCompile(`(?s)/\*.*?\*/|\{[^{}]*\}`).ReplaceAllString(read("static/style.css"), " ")
	n := 0
	for _, m := range regexp.MustCompile(`\[(type)=["']?([a-z]+)["']?\]`).FindAllStringSubmatch(style, -1) {
		if n++; !strings.Contains(made, m[1]+`="`+m[2]+`"`) {
			t.Errorf("nothing has %s", m[0])
		}
	}
	for _, m := range regexp.MustCompile(`\.([a-z][\w-]*)`).FindAllStringSubmatch(style, -1) {
		n++
		if whole, composed := strings.CutPrefix(m[1], "s-"); !strings.Contains(made, m[1]) && !(composed && strings.Contains(made, "s-{{.") && strings.Contains("none low medium high critical", whole)) {
			t.Errorf("nothing has the class %s", m[1])
		}
	}
	if n < 50 {
		t.Errorf("only %d selectors: are they read?", n)
	}
}

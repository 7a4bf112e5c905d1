package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	inRepository = regexp.MustCompile(`^(?:\.ci|agent|cmd|docs|installer|internal|packaging|tray|watchers)/[\w./{},*-]+$`)
	target       = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// unnamed says which names in pages are not there: files and folders of the
// repository, targets of make. exists says whether there is such a file.
func unnamed(pages []Page, makefile string, exists func(string) bool) (faults []string) {
	var targets []string
	for _, m := range target.FindAllStringSubmatch(makefile, -1) {
		targets = append(targets, m[1])
	}
	for _, p := range pages {
		if strings.HasPrefix(p.Path, "docs/write-a-detector") { // it makes what it names; TestWriteADetector follows it
			continue
		}
		for _, c := range append(p.Spans(), p.Commands()...) {
			words := strings.Fields(c.Text)
			switch {
			case len(words) == 1 && inRepository.MatchString(c.Text):
				for _, name := range braces(strings.TrimSuffix(c.Text, "/")) {
					if !exists(name) {
						faults = append(faults, c.Page+": there is no "+name)
					}
				}
			case len(words) > 1 && (words[0] == "make" || words[0] == "sudo" && words[1] == "make"):
				for _, w := range words[slices.Index(words, "make")+1:] {
					if !strings.Contains(w, "=") && !slices.Contains(targets, w) {
						faults = append(faults, c.Page+": make has no target "+w)
					}
				}
			}
		}
	}
	return faults
}

// braces spells a{b,c} out.
func braces(name string) []string {
	before, rest, ok := strings.Cut(name, "{")
	list, after, ends := strings.Cut(rest, "}")
	if !ok || !ends {
		return []string{name}
	}
	var names []string
	for _, one := range strings.Split(list, ",") {
		names = append(names, before+one+after)
	}
	return names
}

func TestNames(t *testing.T) {
	t.Parallel()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	faults := unnamed(pages, string(makefile), func(name string) bool {
		found++
		list, err := filepath.Glob(filepath.Join(root, name))
		return err == nil && len(list) > 0
	})
	for _, f := range faults {
		t.Error(f)
	}
	if found < 20 {
		t.Errorf("%d files were looked for", found)
	}

	// What is not there is seen.
	p, err := Parse("docs/a.md", "`agent/detect/{all,nothing}.go` `make nothing` `make test` `agent/none/` `/agent/none` `sudo make none`")
	if err != nil {
		t.Fatal(err)
	}
	if got := unnamed([]Page{p}, "test:\n", func(name string) bool { return name == "agent/detect/all.go" }); len(got) != 4 {
		t.Errorf("%q", got)
	}
}

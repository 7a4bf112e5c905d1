package cli

import (
	"strings"
	"testing"

	"wormbell/internal/docs"
)

// TestDocsCommands: every command line of the documentation, in a block or in
// the text, is one that this program takes. Blocks are run by internal/e2e;
// this holds where that cannot run, and for the text.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	top, err := docs.Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := docs.Pages(top)
	if err != nil {
		t.Fatal(err)
	}
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	seen := 0
	for _, p := range pages {
		for _, c := range append(p.Spans(), p.Commands()...) {
			for line := range strings.Lines(c.Text) {
				for part := range strings.SplitSeq(line, "|| ") {
					words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(part), "sudo "))
					if len(words) < 2 || strings.TrimPrefix(words[0], "bin/") != "wormbell" {
						continue
					}
					seen++
					if _, fault := follow(root, words[1:]); fault != "" {
						t.Errorf("%s:%d: %q: %s", c.Page, c.Line, strings.TrimSpace(part), fault)
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d command lines were found", seen)
	}
}

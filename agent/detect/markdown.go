package detect

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"wormbell/internal/stores"
)

//go:embed testdata/*.txtar
var scenes embed.FS

// Markdown writes docs/detectors.md: every detector with an example from its
// scene, the trust table and the table of stores.
func Markdown() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from agent/detect and internal/stores by go generate. Do not edit. -->\n# Detectors\n\n" +
		"What Wormbell looks for, when it rings and when it stays quiet. Each detector has a scene in `agent/detect/testdata` that shows both;\n" +
		"`wormbell replay FILE` plays one.\n\n| detector | severity | what happened |\n|---|---|---|\n")
	for _, d := range All {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", d.ID, d.ID, d.Severity, d.Title)
	}
	for _, d := range All {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s)\n\n%s\n\n*What to do:* %s\n", d.ID, d.Title, d.Severity, strings.TrimSpace(d.Doc), d.Advice)
		data, err := scenes.ReadFile(path.Join("testdata", d.ID+".txtar"))
		if err != nil {
			continue // the tests insist on a scene
		}
		prose, findings := parts(string(data))
		fmt.Fprintf(&b, "\n*Its scene:* %s\n", prose)
		lines := strings.SplitAfterN(findings, "\n", 4)
		fmt.Fprintf(&b, "\n```text\n%s```\n", strings.Join(lines[:min(3, len(lines))], ""))
	}
	b.WriteString("\n## Who may read credentials\n\nA read that one of these rows covers is no finding. Nothing but the first row holds below the install script of a dependency. " +
		"A row for a person's own tool is added with `wormbell trust add`.\n\n| row | store | who | below | why |\n|---|---|---|---|---|\n")
	for _, r := range Rows {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.ID, strings.ReplaceAll(r.Store, "*", "every"), strings.ReplaceAll(string(r.Who), "*", "any"), r.Under, r.Reason)
	}
	b.WriteString("\n## Guarded files\n\nA *strict* store may be read by its own programs and by a person; a *project* store by the code of the user's own projects as well. " +
		"Stores that are off are guarded when the configuration says so.\n\n| store | what is in it | kind | files |\n|---|---|---|---|\n")
	for _, s := range stores.All {
		kind := "project"
		if s.Strict {
			kind = "strict"
		}
		if s.Off {
			kind += ", off"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` |\n", s.ID, s.Kind, kind, strings.Join(s.Paths, "` `"))
	}
	return b.String()
}

// parts returns a scene's prose and its findings. It does not use the parser of
// scenes: the agent, which links this package, has no need of one.
func parts(text string) (prose, findings string) {
	prose, _, _ = strings.Cut(text, "\n-- ")
	_, findings, _ = strings.Cut(text, "\n-- findings --\n")
	return strings.TrimSpace(prose), findings
}

package detect

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/stores"
)

//go:embed testdata/*.txtar
var scenes embed.FS

const generated = "<!-- Generated from agent/detect and internal/stores by go generate. Do not edit. -->\n"

// Markdown writes docs/detectors.md: a list of the detectors, the trust table and
// the table of stores.
func Markdown() string {
	var b strings.Builder
	b.WriteString(generated + "# Detectors\n\n" +
		"What Wormbell looks for. Each detector has a page, which says when it rings, when it stays quiet and what it cannot see. The example and\n" +
		"what is quiet are from its scene in `agent/detect/testdata`, which the tests play; `wormbell replay FILE` plays one.\n\n" +
		"| detector | severity | what happened | goes by |\n|---|---|---|---|\n")
	for _, d := range All {
		fmt.Fprintf(&b, "| [`%s`](detectors/%s.md) | %s | %s | %s |\n", d.ID, d.ID, d.Severity, d.Title, d.by())
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

// Pages writes the page of each detector, by its file name within docs/detectors.
func Pages() map[string]string {
	pages := map[string]string{}
	for _, d := range All {
		pages[d.ID+".md"] = d.page()
	}
	return pages
}

// by says in a word what d goes by.
func (d Detector) by() string {
	if d.Named {
		return "names"
	}
	return "behaviour"
}

// arrives says what the events of a kind tell of.
var arrives = map[wormbell.Kind]string{
	wormbell.FileRead: "opens of guarded files", wormbell.FileWrite: "writes of files from which programs start", wormbell.ManifestChange: "changes of package.json",
	wormbell.PackageAdd: "packages that come into node_modules", wormbell.ProcessStart: "process starts", wormbell.ShellCommand: "commands in shell histories",
	wormbell.AgentCall: "calls to the agent",
}

// page is the page of d.
func (d Detector) page() string {
	var b strings.Builder
	var fires, quiet []string
	for p := range strings.SplitSeq(strings.TrimSpace(d.Doc), "\n\n") {
		if strings.HasPrefix(p, "Quiet ") {
			quiet = append(quiet, p)
		} else {
			fires = append(fires, p)
		}
	}
	fmt.Fprintf(&b, "%s# %s\n\n**%s** (%s) · [all detectors](../detectors.md)\n\n## When it rings\n\n%s\n", generated, d.ID, d.Title, d.Severity, strings.Join(fires, "\n\n"))
	data, err := scenes.ReadFile(path.Join("testdata", d.ID+".txtar"))
	s := sceneOf(string(data))
	if err == nil && s.findings != "" { // the tests insist on a scene
		lines := strings.SplitAfterN(s.findings, "\n", 4)
		fmt.Fprintf(&b, "\n## What it says\n\nOf its scene: %s\n\n```text\n%s```\n", s.prose, strings.Join(lines[:min(3, len(lines))], ""))
	}
	b.WriteString("\n## When it stays quiet\n")
	for _, p := range quiet {
		b.WriteString("\n" + p + "\n")
	}
	if len(s.quiet) > 0 {
		fmt.Fprintf(&b, "\nIn its scene these ring for nobody%s:\n\n```text\n%s\n```\n", s.some(), strings.Join(s.quiet, "\n"))
	}
	b.WriteString("\n## What it goes by\n\n")
	if d.Named {
		b.WriteString("Names: of programs, and of what they are told. Whoever writes a worm can change them, so it is never the only one that catches a campaign.\n")
	} else {
		b.WriteString("What is done, and by whom. No name and no digest of a known worm is in it.\n")
	}
	var kinds []string
	for _, k := range d.Kinds {
		kinds = append(kinds, arrives[k])
	}
	fmt.Fprintf(&b, "\nIt is shown %s.", strings.Join(kinds, ", and "))
	if d.Who {
		b.WriteString(" It needs to know which process did it; where the system does not tell, `wormbell status` says so.")
	}
	b.WriteString("\n\n## What it cannot see\n\n")
	if d.Blind != "" {
		b.WriteString(strings.TrimSpace(d.Blind) + "\n\n")
	}
	fmt.Fprintf(&b, "What no detector sees, by system and privilege, stands in [limits](../limits.md).\n\n## What to do\n\n%s\n", d.Advice)
	return b.String()
}

// maxQuiet is how many of a scene's quiet events a page lists.
const maxQuiet = 15

// parts are those of a scene that a page shows.
type parts struct {
	prose, findings string
	quiet           []string
	more            bool // there are more of them
}

func (p parts) some() string {
	if p.more {
		return ", among others"
	}
	return ""
}

// sceneOf reads a scene's parts. It does not use the parser of scenes: the agent,
// which links this package, has no need of one.
func sceneOf(text string) (p parts) {
	p.prose, _, _ = strings.Cut(text, "\n-- ")
	p.prose = strings.TrimSpace(p.prose)
	_, p.findings, _ = strings.Cut(text, "\n-- findings --\n")
	section := func(name string) string {
		_, s, _ := strings.Cut(text, "\n-- "+name+" --\n")
		s, _, _ = strings.Cut(s, "\n-- ")
		return s
	}
	commands, parents := map[string]string{}, map[string]string{}
	for line := range strings.Lines(section("processes")) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if f := strings.Fields(rest); len(f) > 1 && f[0] == "<" {
			parents[id] = f[1]
		}
		for _, start := range []string{" /", " ~"} { // attributes have a name before their path
			if i := strings.Index(line, start); i >= 0 && len(line)-i > len(commands[id]) {
				commands[id] = strings.TrimSpace(line[i:])
			}
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(section("quiet")) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "#" {
			continue
		}
		said := f[3:]
		if c := commands[f[2]]; c != "" {
			said = slices.DeleteFunc(said, func(s string) bool { return strings.HasPrefix(s, "pkg=") }) // it says so itself
			said = append(said, "by", c)
		}
		if c := commands[parents[f[2]]]; c != "" {
			said = append(said, " ← "+c)
		}
		what := f[1] + " " + strings.ReplaceAll(strings.Join(said, " "), "https://", "") // a page leads to nobody's host
		if seen[what] {
			continue
		}
		seen[what] = true
		if len(p.quiet) == maxQuiet {
			p.more = true
			break
		}
		p.quiet = append(p.quiet, what)
	}
	return p
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// change is one version's entry in packaging/changelog.yaml.
type change struct {
	Version string    `yaml:"version"`
	Date    time.Time `yaml:"date"`
	Changes []string  `yaml:"changes"`
}

// changes reads the changelog of the commit. A version that is not in it gets
// an entry that says what it was built from.
func (b *build) changes() ([]change, error) {
	file := filepath.Join(b.src, "packaging/changelog.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the changelog: %w", err)
	}
	var all []change
	if err := yaml.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	for _, c := range all {
		if _, err := ParseVersion(c.Version); err != nil || len(c.Changes) == 0 || c.Date.IsZero() {
			return nil, fmt.Errorf("read %q: the entry of version %q has no good version, no date or no changes (%v)", file, c.Version, err)
		}
		if c.Version == b.version.String() {
			return all, nil
		}
	}
	what, at := "Built from commit "+b.commit[:12]+".", b.time
	if len(all) > 0 && !all[0].Date.Before(at) { // a changelog goes forward in time
		at = all[0].Date.Add(time.Second)
	}
	return append([]change{{b.version.String(), at, []string{what}}}, all...), nil
}

// debianChangelog is what deb-changelog(5) says, with the packages' versions.
func debianChangelog(name string, all []change) (string, error) {
	var s strings.Builder
	for _, c := range all {
		v, err := ParseVersion(c.Version)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&s, "%s (%s-%s) stable; urgency=medium\n\n", name, v.In(deb), release)
		for _, line := range c.Changes {
			fmt.Fprintf(&s, "  * %s\n", strings.Join(wrapWords(line, 74), "\n    "))
		}
		fmt.Fprintf(&s, "\n -- %s  %s\n\n", maintainer, c.Date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	return strings.TrimRight(s.String(), "\n") + "\n", nil
}

// changelog writes the changelog as nfpm reads it, for rpm, and returns the
// file; "" for the formats whose changelog is one of the package's files, or
// that have none.
func (b *build) changelog(p pkg, stage string) (string, error) {
	if p.format != rpm {
		return "", nil
	}
	all, err := b.changes()
	if err != nil {
		return "", err
	}
	type note struct {
		Note string `json:"note"`
	}
	var entries []object
	for _, c := range all {
		var notes []note
		for _, line := range c.Changes {
			notes = append(notes, note{line})
		}
		v, err := ParseVersion(c.Version)
		if err != nil {
			return "", err
		}
		entries = append(entries, object{"semver": v.In(rpm) + "-" + release, "date": c.Date.UTC(), "packager": maintainer, "changes": notes})
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return "", fmt.Errorf("write the changelog: %w", err)
	}
	file := filepath.Join(stage, "changelog.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return "", fmt.Errorf("write the changelog: %w", err)
	}
	return file, nil
}

// wrapWords breaks s into lines of at most width letters where it can.
func wrapWords(s string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(s) {
		switch {
		case line == "":
			line = w
		case len(line)+1+len(w) > width:
			lines = append(lines, line)
			line = w
		default:
			line += " " + w
		}
	}
	return append(lines, line)
}

package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"strings"
	"time"
)

// bom is a list of what is in programs, as CycloneDX 1.5 has it in JSON
// (https://cyclonedx.org/docs/1.5/json/). It says what the programs say of
// themselves: the linker wrote into each which modules it holds.
type bom struct {
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licenses   []license  `json:"licenses,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// sboms writes the list of each target's programs.
func (b *build) sboms(context.Context) error {
	for _, t := range b.Targets {
		var files []string
		for _, p := range t.programs() {
			files = append(files, filepath.Join(b.bin(t), t.file(p)))
		}
		list, err := newBOM(b.version, b.time, files)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			return fmt.Errorf("write the list for %s: %w", t, err)
		}
		if err := os.WriteFile(filepath.Join(b.Out, b.folderName(t)+".cdx.json"), append(text, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the list for %s: %w", t, err)
		}
	}
	return nil
}

// newBOM reads programs and lists what is in them.
func newBOM(v Version, at time.Time, files []string) (bom, error) {
	l := bom{Format: "CycloneDX", SpecVersion: "1.5", Version: 1}
	l.Metadata = metadata{at.Format(time.RFC3339), component{Ref: "wormbell", Type: "application", Name: "wormbell", Version: v.String(), PURL: "pkg:generic/wormbell@" + v.String()}}
	modules := map[string]component{}
	top := dependency{Ref: "wormbell"}
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return bom{}, fmt.Errorf("read the build info of %q: %w", file, err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return bom{}, fmt.Errorf("read %q: %w", file, err)
		}
		sum := sha256.Sum256(data)
		name := strings.TrimSuffix(filepath.Base(file), ".exe")
		program := component{Ref: name + "-program", Type: "file", Name: filepath.Base(file), Version: v.String(), Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}}
		for _, s := range info.Settings {
			program.Properties = append(program.Properties, property{"go:" + s.Key, s.Value})
		}
		var own license
		own.License.ID = "Apache-2.0"
		program.Licenses = []license{own}
		l.Components = append(l.Components, program)
		top.DependsOn = append(top.DependsOn, program.Ref)
		needs := dependency{Ref: program.Ref}
		std := component{Type: "library", Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")}
		std.Ref = std.PURL
		for _, c := range append(moduleComponents(info.Deps), std) {
			modules[c.Ref] = c
			needs.DependsOn = append(needs.DependsOn, c.Ref)
		}
		sort.Strings(needs.DependsOn)
		l.Dependencies = append(l.Dependencies, needs)
	}
	l.Dependencies = append([]dependency{top}, l.Dependencies...)
	start := len(l.Components)
	for _, m := range modules {
		l.Components = append(l.Components, m)
	}
	sort.Slice(l.Components[start:], func(i, j int) bool { return l.Components[start+i].Ref < l.Components[start+j].Ref })
	return l, nil
}

// moduleComponents lists modules, those that others replace as what they are.
// Their sums (go.sum's h1) are sums of a list of files, not of one file, so
// they are properties and no hashes.
func moduleComponents(deps []*debug.Module) []component {
	var found []component
	for _, d := range deps {
		m := d
		for m.Replace != nil {
			m = m.Replace
		}
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
		c.Ref = c.PURL
		if m.Sum != "" {
			c.Properties = []property{{"go:sum", m.Sum}}
		}
		found = append(found, c)
	}
	return found
}

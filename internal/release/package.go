package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// formats are what a package is written in.
var formats = []string{deb, rpm, apk, arch}

// release is the number of the package of one version, where there is one.
const release = "1"

// maintainer is whom the packages name.
const maintainer = "Wormbell maintainers <maintainers@wormbell.example>"

var descriptions = map[string]string{
	agentPackage: `alarm bell for npm worms on a developer's machine
Wormbell watches the credentials, npm packages and processes of a machine and
rings when a package steals, spreads or farms. It helps to answer: to freeze
what runs, and to rotate what was within reach.
.
This package holds the agent and the command line.`,
	trayPackage: `alarm bell for npm worms, in the desktop's panel
Wormbell watches the credentials, npm packages and processes of a machine and
rings when a package steals, spreads or farms.
.
This package holds the icon in the panel, the notifications, and the entry
in the desktop's menu.`,
}

// packages writes every package into the output folder.
func (b *build) packages(ctx context.Context) error {
	for _, t := range b.Targets {
		if t.OS != "linux" {
			continue
		}
		for _, name := range []string{agentPackage, trayPackage} {
			for _, format := range formats {
				if err := b.pack(ctx, pkg{name, format, t}); err != nil {
					return fmt.Errorf("%s for %s as %s: %w", name, t, format, err)
				}
			}
		}
	}
	return nil
}

// fileName is what a package's file is called, as its format has it.
func (b *build) fileName(p pkg) string {
	v := b.version.In(p.format)
	switch p.format {
	case deb:
		return fmt.Sprintf("%s_%s-%s_%s.deb", p.name, v, release, p.target.Arch)
	case rpm:
		return fmt.Sprintf("%s-%s-%s.%s.rpm", p.name, v, release, machine(p.target.Arch))
	case apk: // every machine's in one folder, so with the machine
		return fmt.Sprintf("%s-%s-r%s.%s.apk", p.name, v, release, machine(p.target.Arch))
	}
	return fmt.Sprintf("%s-%s-%s-%s.pkg.tar.zst", p.name, v, release, machine(p.target.Arch))
}

// machine is an architecture as everybody but Debian and Go calls it.
func machine(arch string) string {
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
}

// pack writes one package: its files into a folder, what nfpm is to do with
// them into another, and has nfpm do it.
func (b *build) pack(ctx context.Context, p pkg) error {
	entries, err := b.contents(p)
	if err != nil {
		return err
	}
	stage := filepath.Join(b.work, "stage", p.target.dash(), p.format, p.name)
	config, err := b.config(p, entries, stage)
	if err != nil {
		return err
	}
	out := filepath.Join(abs(b.Out), b.fileName(p))
	if b.signIn(config, p) { // what a rebuild is compared with
		unsigned := filepath.Join(b.work, "unsigned")
		if err := os.MkdirAll(unsigned, 0o755); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		plain, err := b.config(p, entries, stage)
		if err != nil {
			return err
		}
		if err := b.nfpmPackage(ctx, plain, p.format, stage, filepath.Join(unsigned, b.fileName(p))); err != nil {
			return err
		}
	}
	if err := b.nfpmPackage(ctx, config, p.format, stage, out); err != nil {
		return err
	}
	if p.format == arch {
		return b.signer.pgp(ctx, out, out+".sig", "binary")
	}
	return nil
}

// nfpmPackage has nfpm write one file.
func (b *build) nfpmPackage(ctx context.Context, config object, format, stage, out string) error {
	text, err := json.MarshalIndent(config, "", "  ") // which is YAML, too
	if err != nil {
		return fmt.Errorf("write the package's settings: %w", err)
	}
	file := filepath.Join(stage, "nfpm.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write the package's settings: %w", err)
	}
	_, err = b.output(ctx, stage, b.nfpm, "package", "--config", file, "--packager", format, "--target", out)
	return err
}

// object is a JSON object.
type object = map[string]any

// config says in nfpm's words what a package is.
func (b *build) config(p pkg, entries []entry, stage string) (object, error) {
	if err := os.MkdirAll(filepath.Join(stage, "files"), 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for the package: %w", err)
	}
	var contents []object
	for i, e := range entries {
		info := object{"mode": e.mode.Perm(), "owner": "root", "group": "root", "mtime": b.time}
		switch {
		case e.dir:
			contents = append(contents, object{"dst": e.path, "type": "dir", "file_info": info})
			continue
		case e.source == "":
			e.source = filepath.Join(stage, "files", fmt.Sprint(i))
			if err := os.WriteFile(e.source, e.data, 0o644); err != nil {
				return nil, fmt.Errorf("stage %q: %w", e.path, err)
			}
		}
		contents = append(contents, object{"src": e.source, "dst": e.path, "type": fileType(p.format, e.path), "file_info": info})
	}
	changelog, err := b.changelog(p, stage)
	if err != nil {
		return nil, err
	}
	summary, text, _ := strings.Cut(descriptions[p.name], "\n")
	c := object{
		"name": p.name, "arch": p.target.Arch, "platform": "linux", "version": b.version.In(p.format), "version_schema": "none", "release": release,
		"section": "utils", "priority": "optional", "maintainer": maintainer,
		"description": summary + "\n" + text, "mtime": b.time, "contents": contents, "disable_globbing": true, "umask": 0o022,
		"changelog": changelog,
		"deb":       object{"compression": "gzip"},
		"archlinux": object{"packager": maintainer},
	}
	if p.format != deb { // whose copyright file says it, and which has no such field
		c["license"] = "Apache-2.0"
		c["description"] = summary
	}
	if p.format == rpm { // where a description is no markup of its own
		c["description"] = strings.ReplaceAll(text, "\n.\n", "\n\n")
		c["rpm"] = object{"summary": strings.ToUpper(summary[:1]) + summary[1:], "buildhost": "localhost", "group": "Applications/System", "compression": "gzip:9"}
	}
	b.relations(c, p)
	scripts, err := b.scripts(p, stage)
	if err != nil {
		return nil, err
	}
	for key, value := range scripts {
		if own, ok := c[key].(object); ok {
			own["scripts"] = value
		} else if key == "scripts" {
			c[key] = value
		} else {
			c[key] = object{"scripts": value}
		}
	}
	return c, nil
}

// fileType is what nfpm calls the kind of a file: settings are kept when an
// administrator changed them.
func fileType(format, path string) string {
	switch {
	case strings.HasPrefix(path, "/etc/") && format == rpm:
		return "config|noreplace"
	case strings.HasPrefix(path, "/etc/"):
		return "config"
	case format == rpm && (strings.HasPrefix(path, "/usr/share/doc/") || strings.HasPrefix(path, "/usr/share/man/")):
		return "doc"
	case format == rpm && strings.HasPrefix(path, "/usr/share/licenses/"):
		return "license"
	}
	return "file"
}

// relations says what a package needs and suggests. The programs are static:
// they need no library.
func (b *build) relations(c object, p pkg) {
	v := b.version.In(p.format)
	if p.name == agentPackage {
		if p.format == deb {
			c["depends"] = []string{"init-system-helpers (>= 1.54~)"}
			c["recommends"] = []string{trayPackage}
		}
		return
	}
	switch p.format {
	case deb:
		c["depends"] = []string{fmt.Sprintf("%s (= %s-%s)", agentPackage, v, release), "init-system-helpers (>= 1.58)"}
		c["recommends"] = []string{"gnome-shell-extension-appindicator", "xdg-utils"}
	case rpm:
		c["depends"] = []string{fmt.Sprintf("%s = %s-%s", agentPackage, v, release)}
		c["recommends"] = []string{"gnome-shell-extension-appindicator", "xdg-utils"}
	case apk:
		c["depends"] = []string{fmt.Sprintf("%s=%s-r%s", agentPackage, v, release)}
	case arch:
		c["depends"] = []string{fmt.Sprintf("%s=%s-%s", agentPackage, v, release)}
	}
}

// scripts writes a package's scripts into stage and returns where nfpm wants
// each: below "scripts", or below the format's own key.
func (b *build) scripts(p pkg, stage string) (map[string]object, error) {
	kinds := map[string]map[string]string{ // ours → nfpm's
		deb:  {"postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"},
		rpm:  {"post": "postinstall", "preun": "preremove", "postun": "postremove"},
		apk:  {"post_install": "postinstall", "pre_remove": "preremove", "post_remove": "postremove", "post_upgrade": "apk postupgrade"},
		arch: {"post_install": "postinstall", "pre_remove": "preremove", "post_remove": "postremove", "post_upgrade": "archlinux postupgrade"},
	}[p.format]
	found := map[string]object{}
	for ours, theirs := range kinds {
		text, err := b.script(p, ours)
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		file := filepath.Join(stage, ours)
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			return nil, fmt.Errorf("write the script %s: %w", ours, err)
		}
		if err := os.Chtimes(file, b.time, b.time); err != nil { // apk packages hold it
			return nil, fmt.Errorf("date the script %s: %w", ours, err)
		}
		section, name, own := strings.Cut(theirs, " ")
		if !own {
			section, name = "scripts", theirs
		}
		if found[section] == nil {
			found[section] = object{}
		}
		found[section][name] = file
	}
	return found, nil
}

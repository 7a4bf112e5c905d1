package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// entry is a file or folder of a package, as it will lie on a machine.
type entry struct {
	path   string
	mode   fs.FileMode
	dir    bool
	data   []byte
	source string // the file that holds the data, for programs; "": data does
}

// The packages.
const (
	agentPackage = "wormbell"
	trayPackage  = "wormbell-tray"
)

// pkg is one package in one format.
type pkg struct {
	name, format string
	target       Target
}

// userOnly is the mode of the programs that act for a person: nobody but root
// may read them, and the kernel then hides their memory from the user's other
// programs (docs/threat-model.md).
const userOnly = 0o711

// contents lists what a package holds.
func (b *build) contents(p pkg) ([]entry, error) {
	var l list
	l.src, l.pages, l.time = b.src, b.pages, b.time
	bin := b.bin(p.target)
	doc := "/usr/share/doc/" + p.name
	switch p.name {
	case agentPackage:
		l.program("/usr/bin/wormbelld", filepath.Join(bin, "wormbelld"), 0o755)
		l.program("/usr/bin/wormbell", filepath.Join(bin, "wormbell"), userOnly)
		if p.format == apk {
			l.file("/etc/init.d/wormbelld", "packaging/openrc/wormbelld", 0o755)
		}
		l.file("/usr/lib/systemd/system/wormbelld.service", "packaging/systemd/wormbelld.service", 0o644)
		l.folder("/etc/wormbell", 0o755)
		l.folder("/etc/wormbell/conf.d", 0o755)
		l.folder("/etc/wormbell/trust.d", 0o755)
		l.page("/usr/share/bash-completion/completions/wormbell", bashFile)
		l.page("/usr/share/zsh/"+zshFolder(p.format)+"/_wormbell", zshFile)
		l.page("/usr/share/fish/vendor_completions.d/wormbell.fish", fishFile)
		l.manPages(func(name string) bool { return name != "wormbell-tray.1" })
		l.file(doc+"/examples/config.toml", "packaging/share/config.toml", 0o644)
		l.file(doc+"/README.md", "README.md", 0o644)
		if p.format == rpm {
			l.preset("/usr/lib/systemd/system-preset/80-wormbell.preset", "wormbelld.service")
		}
	case trayPackage:
		l.program("/usr/bin/wormbell-tray", filepath.Join(bin, "wormbell-tray"), userOnly)
		l.file("/usr/lib/systemd/user/wormbell-tray.service", "packaging/systemd/wormbell-tray.service", 0o644)
		l.file("/etc/xdg/autostart/org.wormbell.Tray.desktop", "packaging/xdg/org.wormbell.Tray.desktop", 0o644)
		l.file("/usr/share/applications/org.wormbell.Dashboard.desktop", "packaging/xdg/org.wormbell.Dashboard.desktop", 0o644)
		l.file("/usr/share/icons/hicolor/scalable/apps/wormbell.svg", "packaging/icons/wormbell.svg", 0o644)
		l.manPages(func(name string) bool { return name == "wormbell-tray.1" })
		if p.format == rpm {
			l.preset("/usr/lib/systemd/user-preset/80-wormbell-tray.preset", "wormbell-tray.service")
		}
	}
	switch p.format {
	case deb:
		l.changelog(b, doc+"/changelog.Debian.gz", p.name)
		l.file(doc+"/copyright", "packaging/share/copyright", 0o644)
		l.file("/usr/share/lintian/overrides/"+p.name, "packaging/lintian/"+p.name, 0o644)
	case rpm, arch:
		if p.format == rpm { // which removes only the folders that it is told to be the package's
			l.folder("/usr/share/licenses/"+p.name, 0o755)
			if p.name == agentPackage {
				l.folder(doc, 0o755)
				l.folder(doc+"/examples", 0o755)
			}
		}
		l.file("/usr/share/licenses/"+p.name+"/LICENSE", "LICENSE", 0o644)
	default:
		l.file(doc+"/LICENSE", "LICENSE", 0o644)
	}
	sort.Slice(l.entries, func(i, j int) bool { return l.entries[i].path < l.entries[j].path })
	return l.entries, errors.Join(l.errs...)
}

// zshFolder is where a distribution's zsh looks for what packages bring.
func zshFolder(format string) string {
	if format == deb {
		return "vendor-completions"
	}
	return "site-functions"
}

// list collects entries and what went wrong on the way.
type list struct {
	src, pages string
	time       time.Time
	entries    []entry
	errs       []error
}

func (l *list) read(file string) []byte {
	data, err := os.ReadFile(file)
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("read %q: %w", file, err))
	}
	return data
}

func (l *list) program(to, source string, mode fs.FileMode) {
	if _, err := os.Stat(source); err != nil {
		l.errs = append(l.errs, fmt.Errorf("a program of the package: %w", err))
	}
	l.entries = append(l.entries, entry{path: to, mode: mode, source: source})
}

func (l *list) file(to, from string, mode fs.FileMode) {
	l.entries = append(l.entries, entry{path: to, mode: mode, data: l.read(filepath.Join(l.src, from))})
}

func (l *list) page(to, from string) {
	l.entries = append(l.entries, entry{path: to, mode: 0o644, data: l.read(filepath.Join(l.pages, from))})
}

func (l *list) folder(to string, mode fs.FileMode) {
	l.entries = append(l.entries, entry{path: to, mode: mode, dir: true})
}

func (l *list) preset(to, unit string) {
	l.entries = append(l.entries, entry{path: to, mode: 0o644, data: []byte("# An administrator's preset with a lower number, or in /etc, comes first.\nenable " + unit + "\n")})
}

func (l *list) changelog(b *build, to, name string) {
	all, err := b.changes()
	if err == nil {
		var text string
		if text, err = debianChangelog(name, all); err == nil {
			var z []byte
			if z, err = compress([]byte(text)); err == nil {
				l.entries = append(l.entries, entry{path: to, mode: 0o644, data: z})
				return
			}
		}
	}
	l.errs = append(l.errs, err)
}

func (l *list) manPages(which func(name string) bool) {
	names, err := os.ReadDir(filepath.Join(l.pages, manFolder))
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("list the man pages: %w", err))
	}
	for _, n := range names {
		if !which(n.Name()) {
			continue
		}
		z, err := compress(l.read(filepath.Join(l.pages, manFolder, n.Name())))
		if err != nil {
			l.errs = append(l.errs, err)
		}
		l.entries = append(l.entries, entry{path: path.Join("/usr/share/man/man1", n.Name()+".gz"), mode: 0o644, data: z})
	}
}

// compress is gzip -9n: neither a name nor a time in it.
func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

// script puts a script of a package together: the functions it uses, and what
// it does with them. "" if the package has none of that kind in that format.
func (b *build) script(p pkg, kind string) (string, error) {
	format := map[string]string{deb: "deb", rpm: "rpm", apk: "apk", arch: "arch"}[p.format]
	if p.format == apk && (p.name == trayPackage || kind == "post_remove") {
		format = "arch" // the same is to be done
	}
	does, err := os.ReadFile(filepath.Join(b.src, "packaging/scripts", format, p.name+"."+kind))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read a script: %w", err)
	}
	functions := map[string]string{agentPackage: "agent.sh", trayPackage: "tray.sh"}[p.name]
	common, err := os.ReadFile(filepath.Join(b.src, "packaging/scripts", functions))
	if err != nil {
		return "", fmt.Errorf("read the functions of the scripts: %w", err)
	}
	text := "#!/bin/sh\nset -e\n" + string(common) + "\n" + string(does)
	if p.format == arch {
		text = strings.TrimPrefix(text, "#!/bin/sh\nset -e\n") // pacman makes functions of them, in a shell of its own
	}
	return text, nil
}

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sort"
)

// archives writes one archive for each target: what a machine without our
// packages takes. Everything lies in one folder in it.
func (b *build) archives(context.Context) error {
	for _, t := range b.Targets {
		entries, err := b.archiveContents(t)
		if err != nil {
			return fmt.Errorf("for %s: %w", t, err)
		}
		write := b.tarGz
		if t.OS == "windows" {
			write = b.zip
		}
		data, err := write(entries)
		if err != nil {
			return fmt.Errorf("for %s: %w", t, err)
		}
		if err := os.WriteFile(filepath.Join(b.Out, b.archiveName(t)), data, 0o644); err != nil {
			return fmt.Errorf("write the archive for %s: %w", t, err)
		}
	}
	return nil
}

// folderName is the folder in an archive, and what its name begins with.
func (b *build) folderName(t Target) string {
	return fmt.Sprintf("wormbell-%s-%s", b.version, t.dash())
}

func (b *build) archiveName(t Target) string {
	if t.OS == "windows" {
		return b.folderName(t) + ".zip"
	}
	return b.folderName(t) + ".tar.gz"
}

// archiveContents lists an archive, by paths below its folder, sorted. The
// programs lie side by side, as the agent vouches only for those beside it.
func (b *build) archiveContents(t Target) ([]entry, error) {
	l := list{src: b.src, pages: b.pages, time: b.time}
	for _, p := range t.programs() {
		mode := os.FileMode(userOnly)
		if p == "wormbelld" {
			mode = 0o755
		}
		// Who unpacks an archive is not root yet, and must be able to read what is to be installed.
		l.program(t.file(p), filepath.Join(b.bin(t), t.file(p)), mode|0o444)
	}
	l.file("LICENSE", "LICENSE", 0o644)
	l.file("README.md", "README.md", 0o644)
	l.page("completions/wormbell.bash", bashFile)
	l.page("completions/_wormbell", zshFile)
	l.page("completions/wormbell.fish", fishFile)
	l.file("examples/config.toml", "packaging/share/config.toml", 0o644)
	l.manPages(func(name string) bool { return name != "wormbell-tray.1" || t.OS != "darwin" })
	for i := range l.entries {
		if ok, _ := path.Match("/usr/share/man/man1/*", l.entries[i].path); ok {
			l.entries[i].path = "man/" + path.Base(l.entries[i].path)
		}
	}
	if t.OS == "linux" {
		for _, unit := range []string{"wormbelld.service", "wormbell-tray.service"} {
			l.file("systemd/"+unit, "packaging/systemd/"+unit, 0o644)
		}
		for _, file := range []string{"org.wormbell.Tray.desktop", "org.wormbell.Dashboard.desktop"} {
			l.file("xdg/"+file, "packaging/xdg/"+file, 0o644)
		}
		l.file("icons/wormbell.svg", "packaging/icons/wormbell.svg", 0o644)
	}
	for i := range l.entries {
		e := &l.entries[i]
		if e.source != "" {
			e.data = l.read(e.source)
		}
		e.path = b.folderName(t) + "/" + e.path
	}
	sort.Slice(l.entries, func(i, j int) bool { return l.entries[i].path < l.entries[j].path })
	if len(l.errs) > 0 {
		return nil, l.errs[0]
	}
	return l.entries, nil
}

func (b *build) tarGz(entries []entry) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.path, Mode: int64(e.mode.Perm()), Size: int64(len(e.data)),
			ModTime: b.time, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("write %q: %w", e.path, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, fmt.Errorf("write %q: %w", e.path, err)
		}
	}
	for _, c := range []io.Closer{w, z} {
		if err := c.Close(); err != nil {
			return nil, fmt.Errorf("end the archive: %w", err)
		}
	}
	return out.Bytes(), nil
}

func (b *build) zip(entries []entry) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.path, Method: zip.Deflate, Modified: b.time}
		h.SetMode(e.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			return nil, fmt.Errorf("write %q: %w", e.path, err)
		}
		if _, err := f.Write(e.data); err != nil {
			return nil, fmt.Errorf("write %q: %w", e.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("end the archive: %w", err)
	}
	return out.Bytes(), nil
}

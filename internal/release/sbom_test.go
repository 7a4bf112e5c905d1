package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestBOM compares the list with what `go version -m` says of the programs in
// the archive that it is published with.
func TestBOM(t *testing.T) {
	m := releases(t)
	var list bom
	if err := json.Unmarshal(read(t, filepath.Join(m.out[newer], "wormbell-1.1.0-linux-amd64.cdx.json")), &list); err != nil {
		t.Fatal(err)
	}
	if list.Format != "CycloneDX" || list.SpecVersion != "1.5" || list.Metadata.Component.Version != newer || list.Metadata.Timestamp != "2026-01-02T03:04:05Z" {
		t.Errorf("the list's head is %+v", list.Metadata)
	}
	byRef := map[string]component{}
	for _, c := range list.Components {
		if _, twice := byRef[c.Ref]; twice {
			t.Errorf("%s is in the list twice", c.Ref)
		}
		byRef[c.Ref] = c
	}
	needs := map[string][]string{}
	for _, d := range list.Dependencies {
		needs[d.Ref] = d.DependsOn
	}
	used := map[string]bool{"wormbell-program": true, "wormbelld-program": true, "wormbell-tray-program": true}
	for name, data := range archivePrograms(t, filepath.Join(m.out[newer], goodTar)) {
		sum := sha256.Sum256(data)
		program := byRef[name+"-program"]
		if len(program.Hashes) != 1 || program.Hashes[0].Content != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the sum in the list is %v, not that of the file in the archive", name, program.Hashes)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("go", "version", "-m", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		n := 1 // std
		for _, line := range lines(string(out)) {
			f := strings.Fields(line)
			if len(f) < 3 || f[0] != "dep" {
				continue
			}
			n++
			ref := "pkg:golang/" + f[1] + "@" + f[2]
			used[ref] = true
			if _, ok := byRef[ref]; !ok || !strings.Contains(" "+strings.Join(needs[name+"-program"], " ")+" ", " "+ref+" ") {
				t.Errorf("%s holds %s, and the list does not say so", name, ref)
			}
		}
		if n < 5 || len(needs[name+"-program"]) != n {
			t.Errorf("%s holds %d modules, the list says %d", name, n, len(needs[name+"-program"]))
		}
	}
	for ref := range byRef {
		if !used[ref] && !strings.HasPrefix(ref, "pkg:golang/std@") {
			t.Errorf("the list names %s, which no program holds", ref)
		}
	}
}

// archivePrograms returns the programs in an archive, by name.
func archivePrograms(t *testing.T, file string) map[string][]byte {
	t.Helper()
	data, err := gunzip(read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || path.Dir(path.Clean(h.Name)) == "." {
			t.Errorf("the archive holds %q of type %c", h.Name, h.Typeflag)
		}
		if strings.Contains(path.Base(h.Name), ".") || path.Base(path.Dir(h.Name)) != strings.TrimSuffix(filepath.Base(file), ".tar.gz") || !strings.HasPrefix(path.Base(h.Name), "wormbell") {
			continue
		}
		if h.Mode&0o111 == 0 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		if programs[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(programs) != 3 {
		t.Errorf("the archive holds %d programs, want 3", len(programs))
	}
	return programs
}

// gunzip returns what is in compressed data.
func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func census(t *testing.T, dir string) (files, manifests int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
			if d.Name() == "package.json" {
				manifests++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, manifests
}

// TestPlant: the project is as large as the figure says, and its twin too.
func TestPlant(t *testing.T) {
	dir := t.TempDir()
	list := parcels(410)
	count, err := plant(filepath.Join(dir, "a"), list)
	if err != nil {
		t.Fatal(err)
	}
	files, manifests := census(t, filepath.Join(dir, "a"))
	if files != count || manifests != 410+innerManifests+1 {
		t.Errorf("%d files, %d of them manifests; want %d and %d", files, manifests, count, 410+innerManifests+1)
	}
	if files < 7000 || files > 9000 {
		t.Errorf("%d files in 410 packages, want some 8,000", files)
	}
	if err := twin(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if f, m := census(t, filepath.Join(dir, "b")); f != files || m != manifests {
		t.Errorf("the twin has %d files and %d manifests, want %d and %d", f, m, files, manifests)
	}
	edited := filepath.Join(dir, "b", "node_modules", list[0].name, "package.json")
	if err := os.WriteFile(edited, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "a", "node_modules", list[0].name, "package.json")); len(b) < 10 {
		t.Error("an edit of the twin's manifest changed the first tree's")
	}
}

func TestRemoveAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if _, err := plant(dir, parcels(30)); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := removeAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the tree is still there: %v", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("what a link in the tree leads to went with it: %v", err)
	}
}

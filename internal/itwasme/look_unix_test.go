//go:build unix

package itwasme

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLook: who else may change a file, or what leads to it.
func TestLook(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The folders above are the machine's: a temporary folder is open to all.
	above := func(file string) doubt {
		for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
			if info, err := os.Lstat(d); err != nil || othersChange(info) {
				return writable
			}
			if d == "/" {
				return ""
			}
		}
	}(dir)
	write := func(name string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	own, open, inOpen := write("own", 0o755), write("open", 0o757), write("all/x", 0o755)
	if err := os.Chmod(filepath.Join(dir, "all"), 0o777); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(inOpen, link); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]doubt{filepath.Join(dir, "none"): gone, open: writable, inOpen: writable, link: writable, own: above} {
		if _, got := look(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	for file, want := range map[string]bool{own: false, open: true, filepath.Join(dir, "all"): true, link: false} {
		info, err := os.Lstat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := othersChange(info); got != want {
			t.Errorf("others change %s: %v", file, got)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(own, 12345, 0); err != nil {
			t.Fatal(err)
		}
		if _, got := look(own); got != writable {
			t.Errorf("another's file: %q", got)
		}
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	if real, got := look("/bin/sh"); got != "" || real != sh {
		t.Errorf("/bin/sh: %q, %q", real, got)
	}
	if _, got := look("/"); got != unseen && got != writable {
		t.Errorf("a folder: %q", got)
	}
}

//go:build unix

package itwasme

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLook: who else may change a file, or what leads to it.
func TestLook(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, mode os.FileMode) string {
		file := filepath.Join(root, name)
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
	own, open := write("me/own", 0o755), write("me/open", 0o757)
	write("me/all/x", 0o755)
	all := filepath.Join(root, "me/all")
	if err := os.Chmod(all, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(write("me/.npmrc", 0o600), filepath.Join(root, "me/names")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(root, "link")
	for name, to := range map[string]string{
		"link":       "/me/own",
		"me/up":      "../me/./own",
		"me/twice":   "../link",
		"me/open-to": "all/x",
		// From a folder of one's own to a file of one's own, but by way of a link
		// that anybody may turn elsewhere, or a folder that anybody may replace.
		"me/all/turn":  "/me/own",
		"me/by-link":   "all/turn",
		"me/all/sub":   "/me",
		"me/by-folder": "all/sub/own",
		"me/round":     "round",
		"me/to-gone":   "gone",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]doubt{"/me/own": "", "/link": "", "/me/up": "", "/me/twice": "",
		"/me/gone": gone, "/me/to-gone": gone, "/me/own/x": unseen, "/me/round": unseen, "/me": unseen, "/": unseen,
		"/me/open": writable, "/me/all/x": writable, "/me/all/gone": writable, "/me/open-to": writable, "/me/by-link": writable, "/me/by-folder": writable} {
		s, got := lookIn(root, file)
		if got != want || got == "" && s.real != "/me/own" || got == "" && os.Geteuid() != 0 && s.changed.IsZero() {
			t.Errorf("%s: %+v, %q, want %q", file, s, got, want)
		}
	}
	for file, want := range map[string]bool{own: false, open: true, all: true, link: false} {
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
		if _, got := lookIn(root, "/me/own"); got != writable {
			t.Errorf("another's file: %q", got)
		}
	}
	many := manyNames
	if os.Geteuid() == 0 {
		many = "" // root's own
	}
	if _, got := lookIn(root, "/me/names"); got != many {
		t.Errorf("a file of two names: %q, want %q", got, many)
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	if s, got := look("/bin/sh"); got != "" || s.real != sh || !s.changed.IsZero() {
		t.Errorf("/bin/sh: %+v, %q", s, got)
	}
}

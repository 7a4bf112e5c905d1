//go:build unix

package edit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWritable sees that what Apply could not do is told beforehand, by a look
// and by the rehearsal, that neither leaves anything behind, and that what they
// allow Apply does.
func TestWritable(t *testing.T) {
	root := os.Geteuid() == 0
	for _, c := range []struct {
		name  string
		make  func(t *testing.T, dir string) string // returns the path
		why   string                                // "" if it can be written
		plain bool                                  // for a user that the kernel keeps out, which root is not
		gone  bool
	}{
		{name: "a file", make: func(t *testing.T, dir string) string { return put(t, dir, "rc") }},
		{name: "one that only its owner may read", make: func(t *testing.T, dir string) string {
			p := put(t, dir, "rc")
			must(t, os.Chmod(p, 0o400))
			return p
		}},
		{name: "behind a link", make: func(t *testing.T, dir string) string {
			must(t, os.Mkdir(filepath.Join(dir, "dotfiles"), 0o700))
			put(t, dir, "dotfiles/rc")
			must(t, os.Symlink("dotfiles/rc", filepath.Join(dir, "rc")))
			return filepath.Join(dir, "rc")
		}},
		{name: "not there", make: func(t *testing.T, dir string) string { return filepath.Join(dir, "rc") }, gone: true},
		{name: "its folder is read-only", plain: true, why: "permission denied", make: func(t *testing.T, dir string) string {
			p := put(t, dir, "rc")
			closed(t, dir)
			return p
		}},
		{name: "the folder that a link leads to is read-only", plain: true, why: "permission denied", make: func(t *testing.T, dir string) string {
			sub := filepath.Join(dir, "dotfiles")
			must(t, os.Mkdir(sub, 0o700))
			put(t, sub, "rc")
			must(t, os.Symlink("dotfiles/rc", filepath.Join(dir, "rc")))
			closed(t, sub)
			return filepath.Join(dir, "rc")
		}},
		{name: "with two names", why: "several names", make: func(t *testing.T, dir string) string {
			p := put(t, dir, "rc")
			must(t, os.Link(p, filepath.Join(dir, "other")))
			return p
		}},
		{name: "a folder", why: "not a regular file", make: func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "rc")
			must(t, os.Mkdir(p, 0o700))
			return p
		}},
		{name: "where everybody may write", why: "everybody may write", make: func(t *testing.T, dir string) string {
			must(t, os.Chmod(dir, 0o777))
			return put(t, dir, "rc")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.plain && root {
				t.Skip("needs a user who is not root")
			}
			dir := t.TempDir()
			path := c.make(t, dir)
			before := allIn(t, dir)
			for how, err := range map[string]error{"look": Writable(path), "rehearsal": Rehearse(path)} {
				switch {
				case c.gone:
					if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrUnwritable) {
						t.Errorf("%s: %v", how, err)
					}
				case c.why == "" && err != nil:
					t.Errorf("%s: %v", how, err)
				case c.why != "" && (!errors.Is(err, ErrUnwritable) || !strings.Contains(err.Error(), c.why)):
					t.Errorf("%s: %v, want %q", how, err, c.why)
				}
			}
			if now := allIn(t, dir); now != before {
				t.Errorf("left behind: %s, before %s", now, before)
			}
			if c.gone {
				return
			}
			err := Apply(path, func(data []byte) ([]Change, error) {
				if string(data) != "token=old\n" {
					t.Errorf("it holds %q", data)
				}
				return []Change{{Span: Span{6, 9}, Old: "old", New: "new"}}, nil
			})
			if (err == nil) != (c.why == "") {
				t.Errorf("and Apply: %v", err)
			}
		})
	}
}

func put(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	must(t, os.WriteFile(path, []byte("token=old\n"), 0o600))
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// closed takes away the right to write in a folder until the test ends.
func closed(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
}

// allIn names of all that lies in dir, also in folders.
func allIn(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		all = append(all, p)
		return err
	}))
	return strings.Join(all, " ")
}

//go:build unix

package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/agent/settings"
)

const nobody = 65534

// TestHostile: what lies where settings are looked for and is none of root's
// doing. Nothing of it is in force, and what is wrong is told with its name.
func TestHostile(t *testing.T) {
	t.Parallel()
	asRoot(t)
	const fleet = "conf.d/50-fleet.toml"
	for _, tt := range []struct {
		name  string
		spoil func(p place, file string) error
		says  string
	}{
		{"symlink", func(p place, file string) error {
			p.put("real.toml", "protect = true\n")
			os.Remove(file)
			return os.Symlink(filepath.Join(p.dir, "real.toml"), file)
		}, "it is a symlink"},
		{"symlink to nothing", func(p place, file string) error { os.Remove(file); return os.Symlink("/nonexistent", file) }, "it is a symlink"},
		{"pipe that nobody writes", func(_ place, file string) error { os.Remove(file); return syscall.Mkfifo(file, 0o644) }, "no regular file"},
		{"folder", func(_ place, file string) error { os.Remove(file); return os.Mkdir(file, 0o755) }, "no regular file"},
		{"written by its group", func(_ place, file string) error { return os.Chmod(file, 0o664) }, "others may write it (mode 0664)"},
		{"written by all", func(_ place, file string) error { return os.Chmod(file, 0o646) }, "others may write it (mode 0646)"},
		{"a user's", func(_ place, file string) error { return os.Chown(file, nobody, 0) }, "it belongs to uid 65534"},
		{"huge", func(_ place, file string) error { return os.Truncate(file, 1<<20+1) }, "longer than 1 MiB"},
		{"a user's folder", func(p place, _ string) error { return os.Chown(filepath.Join(p.dir, "conf.d"), nobody, 0) }, "belongs to uid 65534"},
		{"folder that its group may write", func(p place, _ string) error { return os.Chmod(filepath.Join(p.dir, "conf.d"), 0o775) }, "others may write the folder"},
		{"sticky folder that all may write", func(p place, _ string) error {
			return os.Chmod(filepath.Join(p.dir, "conf.d"), 0o777|os.ModeSticky)
		}, "others may write the folder"},
		{"no folder", func(p place, _ string) error {
			dir := filepath.Join(p.dir, "conf.d")
			os.RemoveAll(dir)
			return os.WriteFile(dir, nil, 0o644)
		}, "is no folder"},
		{"symlink of a user's for the folder", func(p place, _ string) error {
			dir := filepath.Join(p.dir, "conf.d")
			if err := os.Rename(dir, dir+".real"); err != nil {
				return err
			}
			if err := os.Symlink(dir+".real", dir); err != nil {
				return err
			}
			return os.Lchown(dir, nobody, 0)
		}, "the symlink"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			file := p.put(fleet, "protect = true\nlocked = ['pause']\n")
			good := p.read()
			if !good.Protect || len(good.Problems) > 0 {
				t.Fatalf("before: %+v", good)
			}
			if err := tt.spoil(p, file); err != nil {
				t.Fatal(err)
			}
			s := p.read()
			wantProblem(t, s.Problems, tt.says, filepath.Join(p.dir, "conf.d"), "; nothing that it")
			if s.Protect || len(s.Locks) > 0 {
				t.Errorf("it is in force: %+v", s)
			}
			// With what was kept of it, it still holds.
			if err := good.Keep(p.source().Kept); err != nil {
				t.Fatal(err)
			}
			if s = p.read(); !s.Protect || s.Locks["pause"] != file || len(s.Problems) != 1 {
				t.Errorf("what was kept is not in force: %+v", s)
			}
			if p := s.Problems[0]; !strings.Contains(p, "last good holds") || strings.Contains(p, "nothing that") {
				t.Errorf("what is in force is said not to be: %q", p)
			}
		})
	}
}

// TestParents: the folders above count, too, but for the sticky ones.
func TestParents(t *testing.T) {
	t.Parallel()
	asRoot(t)
	for _, tt := range []struct {
		name  string
		spoil func(dir string) error
		says  string // "" for no problem
	}{
		{"as it should be", func(string) error { return nil }, ""},
		{"sticky", func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, ""},
		{"all may write", func(dir string) error { return os.Chmod(dir, 0o777) }, "others may write the folder"},
		{"a user's", func(dir string) error { return os.Chown(dir, nobody, 0) }, "belongs to uid 65534"},
		{"root's symlink", func(dir string) error {
			if err := os.Rename(dir, dir+".real"); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(dir)+".real", dir)
		}, ""},
		{"a ring of symlinks", func(dir string) error { os.RemoveAll(dir); return os.Symlink(dir, dir) }, "too many symlinks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.put("top/etc/config.toml", "protect = true\n")
			if err := tt.spoil(filepath.Join(p.dir, "top")); err != nil {
				t.Fatal(err)
			}
			s, err := settings.Read(settings.Source{File: filepath.Join(p.dir, "top/etc/config.toml"), Root: true})
			if err != nil {
				t.Fatal(err)
			}
			if tt.says == "" {
				if !s.Protect || len(s.Problems) > 0 {
					t.Errorf("got %+v", s)
				}
				return
			}
			// The folder conf.d beside it is as little to be believed.
			if s.Protect || len(s.Problems) == 0 || !strings.Contains(strings.Join(s.Problems, "\n"), tt.says) {
				t.Errorf("got %+v, want a problem that says %s", s, tt.says)
			}
		})
	}
}

// TestHostileTrust: rows in a file that others may write are nobody's.
func TestHostileTrust(t *testing.T) {
	t.Parallel()
	asRoot(t)
	p := newPlace(t)
	file := p.put("trust.d/a.toml", row)
	now := time.Now()
	if rows, problems, _ := settings.Trust(p.source(), now); len(rows) != 1 || len(problems) > 0 {
		t.Fatalf("before: %v, %q", rows, problems)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	rows, problems, _ := settings.Trust(p.source(), now)
	wantProblem(t, problems, file, "others may write it")
	if len(rows) > 0 {
		t.Errorf("rows %v", rows)
	}
}

package signer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWriters: a package that somebody else wrote to is vouched for by nobody,
// even if a package manager was at work and no script of its own install was there.
func TestWriters(t *testing.T) {
	t.Parallel()
	const pnpm = "app/node_modules/pnpm"
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, s *Signer, home string)
		want bool
	}{
		{"nobody", func(*testing.T, *Signer, string) {}, true},
		{"another's script", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/"+pnpm+"/bin/pnpm.cjs", home+"/other/node_modules/evil", true, true)
		}, false},
		{"a script of which the package is not known", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/"+pnpm+"/bin/pnpm.cjs", "", true, true)
		}, false},
		{"its own script", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/"+pnpm+"/bin/pnpm.cjs", home+"/"+pnpm, true, true)
		}, true},
		{"a program of the project's", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/"+pnpm+"/new.js", "", false, true)
		}, false},
		{"a program of the project's, elsewhere", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/app/node_modules/other/index.js", "", false, true)
		}, true},
		{"a name by which npm unpacks", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/app/node_modules/.pnpm-Ab12Cd34/bin/pnpm.cjs", "", false, true)
		}, false},
		{"a name by which pnpm unpacks", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/app/node_modules/pnpm_tmp_12/bin/pnpm.cjs", "", false, true)
		}, false},
		{"what Python compiles", func(_ *testing.T, s *Signer, home string) {
			s.Wrote(home+"/"+pnpm+"/dist/node_modules/node-gyp/gyp/pylib/__pycache__/x.pyc", home+"/app/node_modules/native", true, true)
		}, true},
		{"another's script, by another name", func(t *testing.T, s *Signer, home string) {
			link(t, home+"/"+pnpm+"/bin/pnpm.cjs", home+"/store")
			s.Wrote(home+"/store", home+"/other/node_modules/evil", true, true)
		}, false},
		{"another's script, and only a name of it", func(t *testing.T, s *Signer, home string) {
			link(t, home+"/"+pnpm+"/bin/pnpm.cjs", home+"/store")
			s.Wrote(home+"/store", home+"/other/node_modules/evil", true, false)
		}, true},
		{"its own script and another's", func(t *testing.T, s *Signer, home string) {
			link(t, home+"/"+pnpm+"/bin/pnpm.cjs", home+"/store")
			s.Wrote(home+"/store", home+"/other/node_modules/evil", true, true)
			s.Wrote(home+"/"+pnpm+"/bin/pnpm.cjs", home+"/"+pnpm, true, true)
		}, false},
		{"another's script, before its own moved it there", func(t *testing.T, s *Signer, home string) {
			lay(t, home+"/app/node_modules/@pnpm/linux/pnpm", "evil")
			s.Wrote(home+"/app/node_modules/@pnpm/linux/pnpm", home+"/app/node_modules/evil", true, true)
			if err := os.Rename(home+"/app/node_modules/@pnpm/linux/pnpm", home+"/"+pnpm+"/bin/pnpm"); err != nil {
				t.Fatal(err)
			}
			s.Wrote(home+"/"+pnpm+"/bin/pnpm", home+"/"+pnpm, true, false)
		}, false},
		{"another's script, what is not there any more", func(t *testing.T, s *Signer, home string) {
			s.Wrote(home+"/gone", home+"/app/node_modules/evil", true, true)
		}, true},
	} {
		for _, used := range []bool{true, false} {
			home := t.TempDir()
			w := new(world)
			w.installs.Store(true)
			s := w.signer(t, home, "")
			lay(t, home+"/app/node_modules/pnpm/package.json", manifest("pnpm", "10.1.0"))
			lay(t, home+"/app/node_modules/pnpm/bin/pnpm.cjs", "ok")
			lay(t, home+"/app/node_modules/.package-lock.json", hidden(`"node_modules/pnpm":{"version":"10.1.0"}`))
			script := filepath.Join(home, pnpm, "bin/pnpm.cjs")
			if used && vouchFile(s, script) == "" {
				t.Fatalf("%s: it is not held", tc.name)
			}
			tc.do(t, s, home)
			if got := vouchFile(s, script); (got != "") != tc.want {
				t.Errorf("%s (used before: %v): vouched for by %q", tc.name, used, got)
			}
		}
	}
}

func link(t *testing.T, old, name string) {
	t.Helper()
	if err := os.Link(old, name); err != nil {
		t.Fatal(err)
	}
}

// TestWritersAnew: a package that somebody else wrote to is held anew once its
// package manager has put all of it there again, and not before.
func TestWritersAnew(t *testing.T) {
	t.Parallel()
	home, state := t.TempDir(), filepath.Join(t.TempDir(), "tools.json")
	w := new(world)
	w.installs.Store(true)
	s := w.signer(t, home, state)
	script := home + "/app/node_modules/pnpm/bin/pnpm.cjs"
	install := func() {
		if err := os.RemoveAll(home + "/app/node_modules/pnpm"); err != nil {
			t.Fatal(err)
		}
		lay(t, home+"/app/node_modules/pnpm/package.json", manifest("pnpm", "10.1.0"))
		lay(t, script, "ok")
		lay(t, home+"/app/node_modules/.package-lock.json", hidden(`"node_modules/pnpm":{"version":"10.1.0"}`))
	}
	install()
	s.Wrote(script, "", false, true)
	s.Close()
	s = w.signer(t, home, state) // a new start must not make it one that was there before
	if got := vouchFile(s, script); got != "" {
		t.Errorf("vouched for by %q after a new start", got)
	}
	time.Sleep(2 * tick) // so that the times of files are after those from before
	install()
	if got := vouchFile(s, script); got == "" {
		t.Error("installed anew, and vouched for by nobody")
	}
}

// TestWritersRoom: a script that writes to as many folders of packages as may be kept
// takes no room from a tool in a place of its own, also after a new start.
func TestWritersRoom(t *testing.T) {
	t.Parallel()
	home, state := t.TempDir(), filepath.Join(t.TempDir(), "tools.json")
	w := new(world)
	s := w.signer(t, home, state)
	for i := range toolsMax + 1 {
		s.Wrote(fmt.Sprintf("%s/%d/node_modules/pnpm/x.js", home, i), "", true, true)
	}
	s.Close()
	script := home + "/.volta/tools/image/npm/11.0.0/bin/npm-cli.js"
	lay(t, script, "ok")
	s = w.signer(t, home, state)
	if got := vouchFile(s, script); got == "" {
		t.Error("an npm of volta's is vouched for by nobody")
	}
}

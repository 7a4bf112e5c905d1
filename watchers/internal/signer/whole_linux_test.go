package signer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nvm makes a home with one version of node, as nvm lays it out, and returns
// its folder and npm's entry file.
func nvm(t testing.TB) (home, dir, npm string) {
	t.Helper()
	home = t.TempDir()
	dir = filepath.Join(home, ".nvm/versions/node/v22.1.0")
	for name, content := range map[string]string{
		"bin/node":                                                   "node",
		"lib/node_modules/npm/bin/npm-cli.js":                        "require('../lib/cli.js')",
		"lib/node_modules/npm/lib/cli.js":                            "ok",
		"lib/node_modules/npm/lib/old.js":                            "ok",
		"lib/node_modules/npm/man/npm.1":                             "",
		"lib/node_modules/npm/node_modules/node-gyp/gyp/gyp_main.py": "",
		"lib/node_modules/corepack/dist/npm.js":                      "ok",
		"lib/node_modules/other/index.js":                            "",
	} {
		lay(t, filepath.Join(dir, name), content)
	}
	return home, dir, filepath.Join(dir, "lib/node_modules/npm/bin/npm-cli.js")
}

func lay(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// settled is a clock a while after what a test has just written, so that it does
// not count as being unpacked.
func settled() time.Time { return time.Now().Add(2 * fresh) }

func TestToolAsAWhole(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		do   func(npm string) error // npm is the folder of npm
		want bool
	}{
		{"nothing", func(string) error { return nil }, true},
		{"a module is written", func(npm string) error { return os.WriteFile(npm+"/lib/cli.js", []byte("evil"), 0o755) }, false},
		{"a module is written and its times put back", func(npm string) error {
			info, err := os.Stat(npm + "/lib/cli.js")
			if err != nil {
				return err
			}
			if err := os.WriteFile(npm+"/lib/cli.js", []byte("no"), 0o755); err != nil {
				return err
			}
			return os.Chtimes(npm+"/lib/cli.js", info.ModTime(), info.ModTime())
		}, false},
		{"a module comes", func(npm string) error { return os.WriteFile(npm+"/lib/new.js", nil, 0o755) }, false},
		{"a module goes", func(npm string) error { return os.Remove(npm + "/lib/old.js") }, false},
		{"a module goes by another name", func(npm string) error { return os.Rename(npm+"/lib/old.js", npm+"/lib/older.js") }, false},
		{"an add-on comes deep inside", func(npm string) error {
			if err := os.MkdirAll(npm+"/node_modules/x/build", 0o755); err != nil {
				return err
			}
			return os.WriteFile(npm+"/node_modules/x/build/x.node", nil, 0o755)
		}, false},
		{"a folder of old files is moved there", func(npm string) error {
			if err := os.Rename(npm+"/lib", npm+"/../lib.old"); err != nil {
				return err
			}
			return os.Rename(npm+"/../../../prepared", npm+"/lib")
		}, false},
		{"a folder is a symlink now", func(npm string) error {
			if err := os.Rename(npm+"/lib", npm+"/../lib.old"); err != nil {
				return err
			}
			return os.Symlink("../../../prepared", npm+"/lib")
		}, false},
		{"anybody may write a module", func(npm string) error { return os.Chmod(npm+"/lib/old.js", 0o777) }, false},
		{"a page for people", func(npm string) error { return os.WriteFile(npm+"/man/npm.1", []byte("x"), 0o644) }, true},
		{"Python keeps what it compiled", func(npm string) error {
			return os.Mkdir(npm+"/node_modules/node-gyp/gyp/__pycache__", 0o755)
		}, true},
		{"another global package", func(npm string) error { return os.WriteFile(npm+"/../other/index.js", []byte("x"), 0o755) }, true},
	} {
		home, dir, npm := nvm(t)
		lay(t, filepath.Join(dir, "prepared/cli.js"), "evil")
		s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: calm, Now: settled})
		if vouchFile(s, npm) == "" {
			t.Fatalf("%s: npm is not enrolled", tc.name)
		}
		if err := tc.do(filepath.Join(dir, "lib/node_modules/npm")); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{npm, filepath.Join(dir, "bin/node"), npm} {
			if got := vouchFile(s, file); (got != "") != tc.want {
				t.Errorf("%s: %s is vouched for by %q", tc.name, filepath.Base(file), got)
			}
		}
		if rows := s.Enrolled(); strings.Contains(rows[0].Reason, "fallen") == tc.want {
			t.Errorf("%s: listed as %+v", tc.name, rows)
		}
	}
}

// TestWrittenWhileNobodyLooked: what a tool was is remembered between runs of the
// agent, also of a tool that was not used yet.
func TestWrittenWhileNobodyLooked(t *testing.T) {
	t.Parallel()
	for _, used := range []bool{true, false} {
		home, dir, npm := nvm(t)
		cfg := Config{Homes: []Home{{home, os.Getuid()}}, State: filepath.Join(t.TempDir(), "tools.json"), Now: settled}
		s := newSigner(t, cfg)
		if used {
			vouchFile(s, npm)
		} else {
			s.Maintain()
		}
		s.Close()
		s = newSigner(t, cfg)
		if vouchFile(s, npm) == "" {
			t.Errorf("used %v: an unchanged tool is not vouched for after a restart", used)
		}
		s.Close()
		lay(t, filepath.Join(dir, "lib/node_modules/npm/lib/cli.js"), "evil")
		s = newSigner(t, cfg)
		if got := vouchFile(s, npm); got != "" {
			t.Errorf("used %v: what was written meanwhile is vouched for by %q", used, got)
		}
	}
}

func TestWholeIsUpdated(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{true, false} {
		home, dir, npm := nvm(t)
		s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: func(_, _ time.Time) bool { return quiet }, Now: settled})
		label := vouchFile(s, npm)
		s.Updating(label, time.Now().Add(-time.Second))
		old := filepath.Join(dir, "lib/node_modules/npm")
		if err := os.Rename(old, old+"-old"); err != nil {
			t.Fatal(err)
		}
		lay(t, npm, "new")
		lay(t, filepath.Join(old, "lib/cli.js"), "new")
		if got := vouchFile(s, npm); (got != "") != quiet {
			t.Errorf("quiet %v: after its update npm is vouched for by %q", quiet, got)
		}
	}
}

// TestJustInstalled: what was there when the agent started is what it must be,
// however new it is.
func TestJustInstalled(t *testing.T) {
	t.Parallel()
	home, dir, npm := nvm(t)
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: calm, Now: func() time.Time { return time.Now().Add(tick) }})
	if vouchFile(s, npm) == "" {
		t.Fatal("npm is not enrolled")
	}
	lay(t, filepath.Join(dir, "lib/node_modules/npm/lib/cli.js"), "evil")
	if got := vouchFile(s, npm); got != "" {
		t.Errorf("vouched for by %q", got)
	}
}

// TestUnpacking: a tool that is looked at while it is unpacked is not held to
// what it was then.
func TestUnpacking(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: calm})
	npm := filepath.Join(home, ".nvm/versions/node/v24.0.0/lib/node_modules/npm/bin/npm-cli.js")
	for i := range 4 {
		lay(t, filepath.Join(filepath.Dir(npm), fmt.Sprintf("../lib/%d.js", i)), "")
		if i == 1 {
			lay(t, npm, "")
		}
		if i > 0 && vouchFile(s, npm) == "" {
			t.Errorf("after %d files it is not vouched for", i)
		}
		s.Maintain()
	}
	if rows := s.Enrolled(); len(rows) != 1 || rows[0].Until != nil {
		t.Errorf("%+v", rows)
	}
}

// TestSlowDisk: what could not be looked at in time is looked at later.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	home, dir, npm := nvm(t)
	for i := range 100 { // the clock is looked at now and then
		lay(t, filepath.Join(dir, fmt.Sprintf("lib/node_modules/npm/lib/x/%d.js", i)), "")
	}
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: calm, Now: settled, patience: time.Nanosecond})
	s.Maintain()
	if vouchFile(s, npm) == "" {
		t.Fatal("npm is not enrolled")
	}
	lay(t, filepath.Join(dir, "lib/node_modules/npm/lib/cli.js"), "evil")
	vouchFile(s, npm)
	s.Maintain()
	if got := vouchFile(s, npm); got != "" {
		t.Errorf("vouched for by %q", got)
	}
}

// TestOtherDevice: the number of a disk may be another after a restart of the
// machine, and the file is the same.
func TestOtherDevice(t *testing.T) {
	t.Parallel()
	home, _, npm := nvm(t)
	cfg := Config{Homes: []Home{{home, os.Getuid()}}, State: filepath.Join(t.TempDir(), "tools.json"), Now: settled}
	s := newSigner(t, cfg)
	label := vouchFile(s, npm)
	for _, tool := range s.tools {
		for rel, was := range tool.Files {
			was.Dev += 7
			tool.Files[rel] = was
		}
	}
	s.dirty = true
	s.Close()
	if got := vouchFile(newSigner(t, cfg), npm); got != label || label == "" {
		t.Errorf("vouched for by %q, and before by %q", got, label)
	}
}

// TestStateOfTheFirstVersion: it knew no folders; they count as what they are at
// the first look of this one.
func TestStateOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	home, dir, npm := nvm(t)
	state := put(t, filepath.Join(t.TempDir(), "tools.json"), fmt.Sprintf(`{"version":1,"tools":[{"dir":%q,"label":"x","since":"2020-01-01T00:00:00Z","base":"2020-01-01T00:00:00Z","files":{}}]}`, dir))
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, State: state})
	if vouchFile(s, npm) == "" {
		t.Error("a tool of the first version's is not vouched for")
	}
}

func BenchmarkLookAtNPM(b *testing.B) {
	const npm = "/usr/lib/node_modules/npm"
	f := NewFiles()
	defer f.Close()
	if _, err := f.Lookup(npm); err != nil {
		b.Skip("there is no npm")
	}
	for b.Loop() {
		if _, err := f.look(npm, glance{since: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	home, dir, npm := nvm(t)
	state := filepath.Join(t.TempDir(), "tools.json")
	cfg := Config{Homes: []Home{{home, os.Getuid()}}, Now: settled, State: state}
	s := newSigner(t, cfg)
	label := vouchFile(s, npm)
	id := s.Enrolled()[0].ID
	if _, err := s.Forget(id, os.Getuid()+1); err == nil && os.Getuid() != 0 {
		t.Error("somebody else has taken the row back")
	}
	if _, err := s.Forget("nothing", 0); err == nil {
		t.Error("a row that is not there was taken back")
	}
	lay(t, filepath.Join(dir, "lib/node_modules/npm/lib/cli.js"), "mine")
	if vouchFile(s, npm) != "" || !s.Fallen(id) {
		t.Fatal("the tool has not fallen")
	}
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "lib/cli.js") || !strings.Contains(n[0], id) {
		t.Errorf("told as %q", n)
	}
	if fresh, err := s.Forget(id, os.Getuid()); err != nil || !fresh || s.Fallen(id) {
		t.Errorf("%v, %v", fresh, err)
	}
	if got := vouchFile(s, npm); got != label || len(s.Notices()) != 0 {
		t.Errorf("what is there now is vouched for by %q", got)
	}
	lay(t, filepath.Join(dir, "lib/node_modules/npm/lib/cli.js"), "evil")
	if got := vouchFile(s, npm); got != "" {
		t.Errorf("what came later is vouched for by %q", got)
	}
	s.Forget(id, os.Getuid())
	if fresh, err := s.Forget(id, os.Getuid()); fresh || err != nil {
		t.Errorf("of one that stands: %v, %v", fresh, err)
	}
	s.Close()
	if got := vouchFile(newSigner(t, cfg), npm); got != "" {
		t.Errorf("a row that was taken back vouches after a restart: %q", got)
	}
}

// TestGone: a tool that is gone is forgotten, one whose home is not there is kept.
func TestGone(t *testing.T) {
	t.Parallel()
	home, dir, npm := nvm(t)
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Now: settled})
	vouchFile(s, npm)
	if err := os.Rename(home, home+".away"); err != nil {
		t.Fatal(err)
	}
	s.Maintain()
	if n := len(s.Enrolled()); n != 1 {
		t.Errorf("with its home away there are %d", n)
	}
	if err := os.Rename(home+".away", home); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.Maintain()
	if rows := s.Enrolled(); len(rows) != 0 {
		t.Errorf("gone and listed: %+v", rows)
	}
}

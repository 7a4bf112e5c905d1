package signer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wormbell/watchers/internal/procs"
)

// manifest is a package.json.
func manifest(name, version string) string {
	return `{"name":"` + name + `","version":"` + version + `"}`
}

// hidden is npm's hidden lockfile with the entries given.
func hidden(entries ...string) string {
	return `{"lockfileVersion":3,"packages":{` + strings.Join(entries, ",") + `}}`
}

// site is a home with packages that came as people install them. What they are
// vouched for as stands beside them.
func site(t testing.TB) (home string, want map[string]string) {
	t.Helper()
	home = t.TempDir()
	const mirror = "https://mirror.example.com/npm"
	pnpm := `"node_modules/pnpm":{"version":"10.1.0"}`
	for name, text := range map[string]string{
		// by npx, and by a project
		".npm/_npx/1/package.json":                               `{"dependencies":{"pnpm":"^10.1.0"}}`,
		".npm/_npx/1/node_modules/.package-lock.json":            hidden(pnpm),
		".npm/_npx/1/node_modules/pnpm/package.json":             manifest("pnpm", "10.1.0"),
		".npm/_npx/1/node_modules/pnpm/bin/pnpm.cjs":             "require('../dist/pnpm.cjs')",
		".npm/_npx/1/node_modules/pnpm/dist/pnpm.cjs":            "ok",
		"app/package.json":                                       `{"devDependencies":{"bun":"1","lerna":"^8","asked":"1","foreign":"https://evil.example.com/npm/foreign/-/foreign-1.0.0.tgz"}}`,
		"app/node_modules/.package-lock.json":                    hidden(`"node_modules/bun":{"version":"1.0.0","resolved":"`+mirror+`/bun/-/bun-1.0.0.tgz"}`, `"node_modules/lerna":{"version":"8.0.0","resolved":"`+mirror+`/lerna/-/lerna-8.0.0.tgz"}`, `"node_modules/lerna/node_modules/npm":{"version":"11.0.0","resolved":"`+mirror+`/npm/-/npm-11.0.0.tgz"}`, `"node_modules/yarn":{"version":"1.22.22","resolved":"https://evil.example.com/npm/yarn/-/yarn-1.22.22.tgz"}`, `"node_modules/foreign":{"version":"1.0.0","resolved":"https://evil.example.com/npm/foreign/-/foreign-1.0.0.tgz"}`, `"node_modules/pnpm":{"name":"evil","version":"10.1.0"}`, `"node_modules/evil/node_modules/pnpm":{"version":"10.1.0","inBundle":true}`, `"node_modules/corepack":{"resolved":"ws/corepack","link":true}`, `"packages/a/node_modules/npm":{"version":"11.0.0"}`),
		"app/node_modules/bun/package.json":                      manifest("bun", "1.0.0"),
		"app/node_modules/bun/bin/bun.exe":                       "bun",
		"app/node_modules/lerna/package.json":                    manifest("lerna", "8.0.0"),
		"app/node_modules/lerna/dist/cli.js":                     "lerna",
		"app/node_modules/lerna/node_modules/npm/package.json":   manifest("npm", "11.0.0"),
		"app/node_modules/lerna/node_modules/npm/bin/npm-cli.js": "npm",
		"app/packages/a/node_modules/npm/package.json":           manifest("npm", "11.0.0"),
		"app/packages/a/node_modules/npm/bin/npm-cli.js":         "npm",
		"app/node_modules/yarn/package.json":                     manifest("yarn", "1.22.22"), // from an address of its own
		"app/node_modules/yarn/bin/yarn.js":                      "evil",
		"app/node_modules/pnpm/package.json":                     manifest("pnpm", "10.1.0"), // "pnpm": "npm:evil@1"
		"app/node_modules/pnpm/bin/pnpm.cjs":                     "evil",
		"app/node_modules/evil/node_modules/.package-lock.json":  hidden(pnpm), // all of it came with evil
		"app/node_modules/evil/node_modules/pnpm/package.json":   manifest("pnpm", "10.1.0"),
		"app/node_modules/evil/node_modules/pnpm/bin/pnpm.cjs":   "evil",
		"app/node_modules/np/package.json":                       manifest("np", "1.0.0"), // nobody wrote it down
		"app/node_modules/np/cli.js":                             "evil",
		"ws/corepack/package.json":                               manifest("corepack", "1.0.0"),
		"ws/corepack/dist/corepack.js":                           "evil",
		// by pnpm
		"two/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm/package.json":                                          manifest("pnpm", "10.1.0"),
		"two/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm/bin/pnpm.cjs":                                          "pnpm",
		"two/node_modules/.pnpm/@changesets+cli@2.0.0_x@1/node_modules/@changesets/cli/package.json":                 manifest("@changesets/cli", "2.0.0"),
		"two/node_modules/.pnpm/@changesets+cli@2.0.0_x@1/node_modules/@changesets/cli/bin.js":                       "changeset",
		"two/node_modules/.pnpm/yarn@https+++evil.example.com+yarn.tgz/node_modules/yarn/package.json":               manifest("yarn", "1.22.22"),
		"two/node_modules/.pnpm/yarn@https+++evil.example.com+yarn.tgz/node_modules/yarn/bin/yarn.js":                "evil",
		"two/node_modules/.pnpm/evil@1.0.0/node_modules/evil/node_modules/bun/package.json":                          manifest("bun", "1.0.0"),
		"two/node_modules/.pnpm/evil@1.0.0/node_modules/evil/node_modules/bun/bin/bun.exe":                           "evil",
		"two/node_modules/evil/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm/package.json":                        manifest("pnpm", "10.1.0"),
		"two/node_modules/evil/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm/bin/pnpm.cjs":                        "evil",
		".cache/pnpm/dlx/1/2/node_modules/.pnpm/npm-check-updates@1.0.0/node_modules/npm-check-updates/package.json": manifest("npm-check-updates", "1.0.0"),
		".cache/pnpm/dlx/1/2/node_modules/.pnpm/npm-check-updates@1.0.0/node_modules/npm-check-updates/cli.js":       "ncu",
		// by yarn classic, the newer yarn, bun
		"three/node_modules/.yarn-integrity":   `{"lockfileEntries":{"pnpm@^10.0.0":"` + mirror + `/pnpm/-/pnpm-10.1.0.tgz#1","np@^1":"` + mirror + `/np/-/np-1.0.0.tgz","np@https://evil.example.com/np/-/np-1.0.0.tgz":"https://evil.example.com/np/-/np-1.0.0.tgz"}}`,
		"three/node_modules/pnpm/package.json": manifest("pnpm", "10.1.0"),
		"three/node_modules/pnpm/bin/pnpm.cjs": "pnpm",
		"three/node_modules/np/package.json":   manifest("np", "1.0.0"),
		"three/node_modules/np/cli.js":         "evil",
		"four/node_modules/.yarn-state.yml":    "__metadata:\n  version: 1\n\n\"evil@npm:1.0.0\":\n  locations:\n    - \"node_modules/bun\"\n\n\"pnpm@npm:10.1.0\":\n  locations:\n    - \"node_modules/pnpm\"\n",
		"four/node_modules/pnpm/package.json":  manifest("pnpm", "10.1.0"),
		"four/node_modules/pnpm/bin/pnpm.cjs":  "pnpm",
		"four/node_modules/bun/package.json":   manifest("bun", "1.0.0"),
		"four/node_modules/bun/bin/bun.exe":    "evil",
		"five/bun.lock":                        "{\n  \"packages\": {\n    \"bun\": [\"evil@1.0.0\", \"\", {}, \"sha512-x\"],\n\n    \"pnpm\": [\"pnpm@10.1.0\", \"\", { \"bin\": {} }, \"sha512-x\"],\n  }\n}\n",
		"five/node_modules/pnpm/package.json":  manifest("pnpm", "10.1.0"),
		"five/node_modules/pnpm/bin/pnpm.cjs":  "pnpm",
		"five/node_modules/bun/package.json":   manifest("bun", "1.0.0"),
		"five/node_modules/bun/bin/bun.exe":    "evil",
		// by npm install -g, into nvm's node and a prefix
		".nvm/versions/node/v22.1.0/bin/node":                                                                         "node",
		".nvm/versions/node/v22.1.0/lib/node_modules/pnpm/package.json":                                               manifest("pnpm", "10.1.0"),
		".nvm/versions/node/v22.1.0/lib/node_modules/pnpm/bin/pnpm.cjs":                                               "pnpm",
		".nvm/versions/node/v22.1.0/lib/node_modules/evil/package.json":                                               manifest("evil", "1.0.0"),
		".nvm/versions/node/v22.1.0/lib/node_modules/evil/node_modules/yarn/package.json":                             manifest("yarn", "1.22.22"),
		".nvm/versions/node/v22.1.0/lib/node_modules/evil/node_modules/yarn/bin/yarn.js":                              "evil",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/package.json":                                     manifest("firebase-tools", "15.0.0"),
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/lib/bin/firebase.js":                              "firebase",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/evil/index.js":                       "evil",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/update-notifier-cjs/package.json":    manifest("update-notifier-cjs", "5.1.6"),
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/update-notifier-cjs/check.js":        "check",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/evil/node_modules/yarn/package.json": manifest("yarn", "1.22.22"),
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/evil/node_modules/yarn/bin/yarn.js":  "evil",
		"src/lib/node_modules/pnpm/package.json":                                                                      manifest("pnpm", "10.1.0"), // no bin beside it
		"src/lib/node_modules/pnpm/bin/pnpm.cjs":                                                                      "evil",
	} {
		lay(t, filepath.Join(home, name), text)
	}
	if err := os.Symlink("../../ws/corepack", filepath.Join(home, "app/node_modules/corepack")); err != nil {
		t.Fatal(err)
	}
	return home, map[string]string{
		".npm/_npx/1/node_modules/pnpm/bin/pnpm.cjs":                                                                 "package:~/.npm/_npx/1/node_modules/pnpm",
		"app/node_modules/bun/bin/bun.exe":                                                                           "package:~/app/node_modules/bun",
		"app/node_modules/lerna/dist/cli.js":                                                                         "tool:~/app/node_modules/lerna",
		"app/node_modules/lerna/node_modules/npm/bin/npm-cli.js":                                                     "package:~/app/node_modules/lerna/node_modules/npm",
		"app/packages/a/node_modules/npm/bin/npm-cli.js":                                                             "package:~/app/packages/a/node_modules/npm",
		"app/node_modules/yarn/bin/yarn.js":                                                                          "",
		"app/node_modules/pnpm/bin/pnpm.cjs":                                                                         "",
		"app/node_modules/evil/node_modules/pnpm/bin/pnpm.cjs":                                                       "",
		"app/node_modules/np/cli.js":                                                                                 "",
		"app/node_modules/corepack/dist/corepack.js":                                                                 "",
		"two/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm/bin/pnpm.cjs":                                          "package:~/two/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm",
		"two/node_modules/.pnpm/@changesets+cli@2.0.0_x@1/node_modules/@changesets/cli/bin.js":                       "tool:~/two/node_modules/.pnpm/@changesets+cli@2.0.0_x@1/node_modules/@changesets/cli",
		"two/node_modules/.pnpm/yarn@https+++evil.example.com+yarn.tgz/node_modules/yarn/bin/yarn.js":                "",
		"two/node_modules/.pnpm/evil@1.0.0/node_modules/evil/node_modules/bun/bin/bun.exe":                           "",
		"two/node_modules/evil/node_modules/.pnpm/pnpm@10.1.0/node_modules/pnpm/bin/pnpm.cjs":                        "",
		".cache/pnpm/dlx/1/2/node_modules/.pnpm/npm-check-updates@1.0.0/node_modules/npm-check-updates/cli.js":       "tool:~/.cache/pnpm/dlx/1/2/node_modules/.pnpm/npm-check-updates@1.0.0/node_modules/npm-check-updates",
		"three/node_modules/pnpm/bin/pnpm.cjs":                                                                       "package:~/three/node_modules/pnpm",
		"three/node_modules/np/cli.js":                                                                               "",
		"four/node_modules/pnpm/bin/pnpm.cjs":                                                                        "package:~/four/node_modules/pnpm",
		"four/node_modules/bun/bin/bun.exe":                                                                          "",
		"five/node_modules/pnpm/bin/pnpm.cjs":                                                                        "package:~/five/node_modules/pnpm",
		"five/node_modules/bun/bin/bun.exe":                                                                          "",
		".nvm/versions/node/v22.1.0/lib/node_modules/pnpm/bin/pnpm.cjs":                                              "package:~/.nvm/versions/node/v22.1.0/lib/node_modules/pnpm",
		".nvm/versions/node/v22.1.0/lib/node_modules/evil/node_modules/yarn/bin/yarn.js":                             "",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/lib/bin/firebase.js":                             "tool:~/.nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/evil/index.js":                      "",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/update-notifier-cjs/check.js":       "tool:~/.nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/update-notifier-cjs",
		".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools/node_modules/evil/node_modules/yarn/bin/yarn.js": "",
		"src/lib/node_modules/pnpm/bin/pnpm.cjs":                                                                     "",
	}
}

// held is what is said of a file, registry tools included.
func held(t testing.TB, s *Signer, name string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.files.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return s.hold(found)
}

// TestPackages: whose folder it is, by what the package managers wrote down.
func TestPackages(t *testing.T) {
	t.Parallel()
	home, want := site(t)
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Now: settled})
	for name, want := range want {
		if got := held(t, s, filepath.Join(home, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if strings.HasPrefix(want, toolLabel) {
			want = ""
		}
		if got := vouchFile(s, filepath.Join(home, name)); got != want {
			t.Errorf("%s: vouched for by %q, want %q", name, got, want)
		}
	}
	for _, row := range s.Enrolled() {
		if strings.Contains(row.Who, ":~/") && !strings.Contains(row.Who, "first-use:") && row.Store != "npm" {
			t.Errorf("a row for more than npm's own: %+v", row)
		}
	}
}

// world is what the agent says of a time: whether a package manager was at
// work, and a script of another package there.
type world struct{ installs, scripts atomic.Bool }

func (w *world) signer(t *testing.T, home string, state string) *Signer {
	return newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Now: settled, State: state,
		QuietBut:  func(string, time.Time, time.Time) bool { return !w.scripts.Load() },
		Installed: func(_, _ time.Time) bool { return w.installs.Load() }})
}

// TestPackageIsHeld: what becomes of a package when somebody writes to it, and who.
func TestPackageIsHeld(t *testing.T) {
	t.Parallel()
	write := func(name string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("other"), 0o755) }
	}
	for _, tc := range []struct {
		name              string
		do                func(dir string) error
		installs, scripts bool
		want              bool
	}{
		{"nothing", func(string) error { return nil }, false, false, true},
		{"its package manager", write("dist/pnpm.cjs"), true, false, true},
		{"a script while its package manager is at work", write("dist/pnpm.cjs"), true, true, false},
		{"somebody else", write("dist/pnpm.cjs"), false, false, false},
		{"somebody else, beside its code", write("dist/new.js"), false, false, false},
		{"somebody else, and put the times back", func(dir string) error {
			info, err := os.Stat(dir + "/dist/pnpm.cjs")
			if err != nil {
				return err
			}
			if err := os.WriteFile(dir+"/dist/pnpm.cjs", []byte("no"), 0o755); err != nil {
				return err
			}
			return os.Chtimes(dir+"/dist/pnpm.cjs", info.ModTime(), info.ModTime())
		}, false, false, false},
		{"by another name of the same file", func(dir string) error {
			if err := os.Link(dir+"/dist/pnpm.cjs", dir+"/../../store"); err != nil {
				return err
			}
			return os.WriteFile(dir+"/../../store", []byte("other"), 0o755)
		}, false, false, false},
		{"a folder in its place", func(dir string) error {
			if err := os.Rename(dir, dir+"-old"); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "../../prepared"), dir)
		}, false, false, false},
		{"a folder of its own in the place of another", func(dir string) error {
			if err := os.Rename(dir+"/dist", dir+"/../dist-old"); err != nil {
				return err
			}
			return os.Rename(dir+"/../../prepared/dist", dir+"/dist")
		}, false, false, false},
		{"a symlink in its place", func(dir string) error {
			if err := os.Rename(dir, dir+"-old"); err != nil {
				return err
			}
			return os.Symlink("../prepared", dir)
		}, true, false, false},
		{"a symlink within", func(dir string) error {
			if err := os.Remove(dir + "/dist/pnpm.cjs"); err != nil {
				return err
			}
			return os.Symlink("../../../prepared/dist/pnpm.cjs", dir+"/dist/pnpm.cjs")
		}, false, false, false},
		{"anybody may", func(dir string) error { return os.Chmod(dir+"/dist/pnpm.cjs", 0o777) }, true, false, false},
	} {
		for _, used := range []bool{true, false} {
			home, _ := site(t)
			dir := filepath.Join(home, ".npm/_npx/1/node_modules/pnpm")
			lay(t, dir+"/../../prepared/package.json", manifest("pnpm", "10.1.0"))
			lay(t, dir+"/../../prepared/bin/pnpm.cjs", "evil")
			lay(t, dir+"/../../prepared/dist/pnpm.cjs", "evil")
			w := new(world)
			s := w.signer(t, home, "")
			if used && vouchFile(s, dir+"/bin/pnpm.cjs") == "" {
				t.Fatalf("%s: it is not held", tc.name)
			}
			time.Sleep(tick) // so that the times of files are after those from before
			w.installs.Store(tc.installs)
			w.scripts.Store(tc.scripts)
			if err := tc.do(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := vouchFile(s, dir+"/bin/pnpm.cjs"); (got != "") != tc.want {
					t.Errorf("%s (used before: %v): vouched for by %q", tc.name, used, got)
				}
			}
		}
	}
}

// TestToolsPackages: what lies in the node_modules of a registry tool is other
// packages', which change themselves when they are installed; its own files are held.
func TestToolsPackages(t *testing.T) {
	t.Parallel()
	const tool = ".nvm/versions/node/v22.1.0/lib/node_modules/firebase-tools"
	for name, want := range map[string]bool{"node_modules/evil/index.js": true, "node_modules/new.js": true, "lib/bin/firebase.js": false, "lib/node_modules/x.js": false} {
		for _, told := range []bool{false, true} {
			home, _ := site(t)
			s := new(world).signer(t, home, "")
			if held(t, s, home+"/"+tool+"/lib/bin/firebase.js") == "" {
				t.Fatal("the tool is not held")
			}
			time.Sleep(tick) // so that the times of files are after those from before
			if told {
				s.Wrote(home+"/"+tool+"/"+name, home+"/"+tool+"/node_modules/evil", true, true)
			} else {
				lay(t, home+"/"+tool+"/"+name, "other")
			}
			if got := held(t, s, home+"/"+tool+"/lib/bin/firebase.js"); (got != "") != want {
				t.Errorf("%s was written (told %v): held as %q", name, told, got)
			}
		}
	}
}

// TestPackageComes: a package that came while the agent was there, from its first
// file on; what was written down by somebody else counts for nothing.
func TestPackageComes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name                  string
		folder, lock, scripts bool // who was there when it was written: a package manager; scripts beside it
		want                  bool
	}{
		{"installed", true, true, false, true},
		{"written by a script", false, false, false, false},
		{"installed while a script was there", true, true, true, false},
		{"the lockfile was written by somebody else", true, false, false, false},
	} {
		home := t.TempDir()
		w := new(world)
		s := w.signer(t, home, "")
		time.Sleep(tick)
		root := filepath.Join(home, ".npm/_npx/1")
		w.installs.Store(true)
		w.scripts.Store(tc.scripts)
		if !tc.folder && !tc.lock {
			w.installs.Store(false)
		}
		lay(t, root+"/package.json", `{"dependencies":{"pnpm":"^10"}}`)
		lay(t, root+"/node_modules/pnpm/package.json", manifest("pnpm", "10.1.0"))
		lay(t, root+"/node_modules/pnpm/bin/pnpm.cjs", "x")
		after := time.Now().Add(tick)
		time.Sleep(2 * tick)
		lay(t, root+"/node_modules/.package-lock.json", hidden(`"node_modules/pnpm":{"version":"10.1.0"}`))
		if tc.folder && !tc.lock {
			s.cfg.Installed = func(_, to time.Time) bool { return to.Before(after) }
		}
		if got := vouchFile(s, root+"/node_modules/pnpm/bin/pnpm.cjs"); (got != "") != tc.want {
			t.Errorf("%s: vouched for by %q", tc.name, got)
		}
	}
}

// TestPackageAnew: a package that fell is one again when a package manager has put
// all of it there since, and not before; not if a person took it back.
func TestPackageAnew(t *testing.T) {
	t.Parallel()
	home, _ := site(t)
	dir := filepath.Join(home, ".npm/_npx/1/node_modules/pnpm")
	entry := dir + "/bin/pnpm.cjs"
	w := new(world)
	state := filepath.Join(t.TempDir(), "tools.json")
	s := w.signer(t, home, state)
	if vouchFile(s, entry) == "" {
		t.Fatal("it is not held")
	}
	install := func(all bool) {
		t.Helper()
		time.Sleep(tick)
		w.installs.Store(true)
		if all {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			lay(t, dir+"/package.json", manifest("pnpm", "10.1.0"))
			lay(t, dir+"/dist/pnpm.cjs", "new")
		}
		lay(t, entry, "new")
	}
	lay(t, dir+"/dist/pnpm.cjs", "evil")
	if got := vouchFile(s, entry); got != "" {
		t.Fatalf("vouched for by %q", got)
	}
	if notices := s.Notices(); len(notices) == 0 || !strings.Contains(notices[len(notices)-1], "~/.npm/_npx/1/node_modules/pnpm is trusted no more") {
		t.Errorf("it says %q", notices)
	}
	install(false)
	if got := vouchFile(s, entry); got != "" {
		t.Errorf("with the evil part still there it is vouched for by %q", got)
	}
	s.Close()
	s = w.signer(t, home, state) // it is remembered
	if got := vouchFile(s, entry); got != "" {
		t.Errorf("after a restart it is vouched for by %q", got)
	}
	install(true)
	if got := vouchFile(s, entry); got == "" {
		t.Error("installed anew it is not vouched for")
	}
	for _, row := range s.Enrolled() {
		if strings.Contains(row.Who, "_npx") {
			if _, err := s.Forget(row.ID, os.Getuid()); err != nil {
				t.Fatal(err)
			}
		}
	}
	install(true)
	if got := vouchFile(s, entry); got != "" {
		t.Errorf("taken back it is vouched for by %q", got)
	}
}

// TestPackageCame: one that nobody has used yet is held as well, from soon after
// it came.
func TestPackageCame(t *testing.T) {
	t.Parallel()
	home, _ := site(t)
	dir := filepath.Join(home, ".npm/_npx/1/node_modules/pnpm")
	state := filepath.Join(t.TempDir(), "tools.json")
	w := new(world)
	s := w.signer(t, home, state)
	s.Came(dir)
	s.Came(filepath.Join(home, "app/node_modules/evil"))
	s.Came(filepath.Join(home, "app/node_modules/np"))
	s.Maintain()
	time.Sleep(tick)
	lay(t, dir+"/dist/pnpm.cjs", "evil")
	s.Close()
	s = w.signer(t, home, state)
	if got := vouchFile(s, dir+"/bin/pnpm.cjs"); got != "" {
		t.Errorf("written before the restart, it is vouched for by %q", got)
	}
	if err := os.RemoveAll(filepath.Join(home, ".npm")); err != nil {
		t.Fatal(err)
	}
	s.Maintain()
	for _, row := range s.Enrolled() {
		if strings.Contains(row.Who, "_npx") {
			t.Errorf("gone and still listed: %+v", row)
		}
	}
}

// TestModulesBesides: js-yaml's parser in the project's node_modules is loaded into
// the package manager, so it must be as it was installed, too.
func TestModulesBesides(t *testing.T) {
	t.Parallel()
	home, _ := site(t)
	w := new(world)
	s := w.signer(t, home, "")
	pnpm := filepath.Join(home, "three/node_modules/pnpm/bin/pnpm.cjs")
	parser := filepath.Join(home, "three/node_modules/esprima/index.js")
	ask := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.alone(queryOf(pnpm))
	}
	if !ask() {
		t.Error("without any module it is not alone")
	}
	time.Sleep(tick)
	w.installs.Store(true)
	lay(t, parser, "ok")
	if !ask() {
		t.Error("with one that was installed it is not alone")
	}
	w.installs.Store(false)
	if ask() {
		t.Error("with one that somebody wrote it counts as alone")
	}
}

// queryOf is of a node that runs a script.
func queryOf(script string) Query {
	return Query{PID: os.Getpid(), Exe: "/usr/bin/node", Run: procs.Run{Kind: procs.Node, Script: script}, Env: &procs.Env{}}
}

// TestToolByLink: what npm puts into bin is a link to the tool's script, and that
// link is what node says that it runs.
func TestToolByLink(t *testing.T) {
	t.Parallel()
	home, _ := site(t)
	s := new(world).signer(t, home, "")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), sleep, "60") // somebody whose program the system's packages brought
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	const prefix = ".nvm/versions/node/v22.1.0/"
	for name, want := range map[string]string{
		"../lib/node_modules/firebase-tools/lib/bin/firebase.js":                "tool:~/" + prefix + "lib/node_modules/firebase-tools",
		"../lib/node_modules/firebase-tools/node_modules/evil/index.js":         "",
		"../lib/node_modules/pnpm/bin/pnpm.cjs":                                 "", // which is a package manager
		"../lib/node_modules/evil/node_modules/yarn/bin/yarn.js":                "",
		"../lib/node_modules/firebase-tools/lib/bin/there-is-no-such-script.js": "",
	} {
		link := filepath.Join(home, prefix, "bin", filepath.Base(name))
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		q := queryOf(link)
		q.PID, q.Exe = cmd.Process.Pid, exe
		if got := s.Tool(q); got != want {
			t.Errorf("%s: the tool is %q, want %q", name, got, want)
		}
	}
}

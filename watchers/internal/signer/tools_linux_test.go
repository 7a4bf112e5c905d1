package signer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// vouchFile asks for a file as if it were run, without a process.
func vouchFile(s *Signer, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	label, _, _ := s.file(name)
	return label
}

// calm is a machine on which no dependency's script has run.
func calm(_, _ time.Time) bool { return true }

func TestEnrolledTools(t *testing.T) {
	t.Parallel()
	home, brew := t.TempDir(), filepath.Join(t.TempDir(), "linuxbrew")
	for name, want := range map[string]string{
		".nvm/versions/node/v22.1.0/bin/node":                                "first-use:~/.nvm/versions/node/v22.1.0",
		".nvm/versions/node/v22.1.0/lib/node_modules/npm/bin/npm-cli.js":     "first-use:~/.nvm/versions/node/v22.1.0",
		".nvm/versions/node/v22.1.0/lib/node_modules/evil/cli.js":            "",
		".nvm/versions/node/v22.1.0/bin/evil":                                "",
		".local/share/fnm/node-versions/v20/installation/bin/node":           "first-use:~/.local/share/fnm/node-versions/v20/installation",
		".fnm/node-versions/v20/installation/lib/node_modules/corepack/x.js": "first-use:~/.fnm/node-versions/v20/installation",
		".config/nvm/versions/node/v22.1.0/bin/node":                         "first-use:~/.config/nvm/versions/node/v22.1.0",
		".nodenv/versions/22.1.0/lib/node_modules/npm/bin/npm-cli.js":        "first-use:~/.nodenv/versions/22.1.0",
		".nvs/node/22.1.0/x64/bin/node":                                      "first-use:~/.nvs/node/22.1.0/x64",
		".proto/tools/node/22.1.0/bin/node":                                  "first-use:~/.proto/tools/node/22.1.0",
		"n/bin/node":                                                         "first-use:~/n",
		"n/bin/evil":                                                         "",
		".local/share/pnpm/nodejs/22.1.0/bin/node":                           "first-use:~/.local/share/pnpm/nodejs/22.1.0",
		".local/share/pnpm/nodejs/22.1.0/bin/evil":                           "",
		".asdf/installs/pnpm/10.0.0/bin/pnpm":                                "first-use:~/.asdf/installs/pnpm/10.0.0",
		".asdf/installs/bun/1.3.0/bin/bun":                                   "first-use:~/.asdf/installs/bun/1.3.0",
		".volta/tools/image/node/20.1.0/bin/node":                            "first-use:~/.volta/tools/image/node/20.1.0",
		".volta/tools/image/npm/11.0.0/bin/npm-cli.js":                       "first-use:~/.volta/tools/image/npm/11.0.0",
		".volta/tools/image/pnpm/10.0.0/bin/pnpm.cjs":                        "first-use:~/.volta/tools/image/pnpm/10.0.0",
		".volta/tools/image/packages/evil/bin/evil":                          "",
		".asdf/installs/nodejs/20.0.0/bin/node":                              "first-use:~/.asdf/installs/nodejs/20.0.0",
		".asdf/installs/python/3.12.0/bin/python3.12":                        "first-use:~/.asdf/installs/python/3.12.0",
		".asdf/installs/python/3.12.0/bin/pip":                               "",
		".local/share/mise/installs/node/20/bin/node":                        "first-use:~/.local/share/mise/installs/node/20",
		".local/share/mise/installs/gh/2.0/bin/gh":                           "first-use:~/.local/share/mise/installs/gh/2.0",
		".local/share/mise/installs/npm-evil/1.0/bin/evil":                   "",
		".local/share/pnpm/pnpm":                                             "first-use:~/.local/share/pnpm",
		".local/share/pnpm/evil":                                             "",
		".local/share/pnpm/.tools/pnpm/10.0.0/bin/pnpm.cjs":                  "first-use:~/.local/share/pnpm",
		".bun/bin/bun":                               "first-use:~/.bun/bin",
		".bun/bin/evil":                              "",
		".deno/bin/deno":                             "first-use:~/.deno/bin",
		".pyenv/versions/3.12.0/bin/python3":         "first-use:~/.pyenv/versions/3.12.0",
		".cache/node/corepack/v1/yarn/4.1.0/yarn.js": "first-use:~/.cache/node/corepack/v1/yarn/4.1.0",
		".cache/node/corepack/v1/evil/4.1.0/evil.js": "",
		"app/node_modules/.bin/npm":                  "",
		"bin/node":                                   "",
	} {
		put(t, filepath.Join(home, name), want)
	}
	for name, want := range map[string]bool{"Cellar/node/22/bin/node": true, "lib/node_modules/npm/bin/npm-cli.js": true, "lib/node_modules/evil/cli.js": false, "bin/evil": false} {
		label := ""
		if want {
			label = "first-use:" + brew
		}
		put(t, filepath.Join(brew, name), label)
	}
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Brew: brew})
	rows := len(s.Enrolled())
	if rows < 15 {
		t.Errorf("%d tools were found at the start", rows)
	}
	for _, dir := range []string{home, brew} {
		filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				want, _ := os.ReadFile(name)
				if d := cmp.Diff(vouchFile(s, name), string(want)); d != "" {
					t.Errorf("%s (-got +want):\n%s", name, d)
				}
			}
			return nil
		})
	}
	if n := len(s.Enrolled()); n != rows {
		t.Errorf("looking at files enrolled %d more", n-rows)
	}
	for _, row := range s.Enrolled() {
		if row.By != "first-use" || !strings.HasPrefix(row.Who, "signer:first-use:") || len(row.ID) != 8 {
			t.Errorf("%+v", row)
		}
	}
	// A symlink of a person's leads to a tool: what counts is where it leads.
	link := filepath.Join(home, "mynode")
	if err := os.Symlink(filepath.Join(home, ".nvm/versions/node/v22.1.0/bin/node"), link); err != nil {
		t.Fatal(err)
	}
	if vouchFile(s, link) == "" {
		t.Error("a link to a tool is not the tool")
	}
	if err := os.Chmod(filepath.Join(home, ".bun/bin/bun"), 0o777); err != nil {
		t.Fatal(err)
	}
	if vouchFile(s, filepath.Join(home, ".bun/bin/bun")) != "" {
		t.Error("a tool that anybody may write is vouched for")
	}
}

func TestRowFalls(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		updating bool
		quiet    bool
		want     bool
	}{
		{"anybody wrote it", false, true, false},
		{"the tool itself wrote it", true, true, true},
		{"a dependency's script ran while it did", true, false, false},
	} {
		home := t.TempDir()
		npm := put(t, filepath.Join(home, ".nvm/versions/node/v22.1.0/lib/node_modules/npm/bin/npm-cli.js"), "1")
		node := put(t, filepath.Join(home, ".nvm/versions/node/v22.1.0/bin/node"), "1")
		state := filepath.Join(t.TempDir(), "tools.json")
		cfg := Config{Homes: []Home{{home, os.Getuid()}}, State: state, Quiet: func(_, _ time.Time) bool { return tc.quiet }}
		s := newSigner(t, cfg)
		label := vouchFile(s, npm)
		if label == "" || vouchFile(s, node) != label {
			t.Fatalf("%s: enrolled as %q", tc.name, label)
		}
		if tc.updating {
			s.Updating(label, time.Now().Add(-time.Second))
		}
		put(t, npm+".new", "22")
		if err := os.Rename(npm+".new", npm); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := vouchFile(s, npm); (got != "") != tc.want {
				t.Errorf("%s: %q", tc.name, got)
			}
		}
		if got := vouchFile(s, node); (got != "") != tc.want {
			t.Errorf("%s: the rest of the row: %q", tc.name, got)
		}
		rows := s.Enrolled()
		if fell := strings.Contains(rows[0].Reason, "fallen"); len(rows) != 1 || fell == tc.want || fell != (rows[0].Until != nil) {
			t.Errorf("%s: listed as %+v", tc.name, rows)
		}
		s.Close()
		again := newSigner(t, cfg) // the next run of the agent
		if got := vouchFile(again, npm); (got != "") != tc.want {
			t.Errorf("%s: after a restart %q", tc.name, got)
		}
	}
}

func TestUpdateEnds(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	bun := put(t, filepath.Join(home, ".bun/bin/bun"), "1")
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: calm})
	label := vouchFile(s, bun)
	from := time.Now().Add(-time.Hour)
	s.Updating(label, from)
	s.Updated(label, from, time.Now().Add(-time.Minute))
	put(t, bun, "longer")
	if got := vouchFile(s, bun); got != "" {
		t.Errorf("a minute after the update: %q", got)
	}
}

func TestToolThatCameLater(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	quiet := true
	state := filepath.Join(t.TempDir(), "tools.json")
	// The kernel's stamps lie behind the clock, by as much as its tick is long.
	ahead := func() time.Time { return time.Now().Add(tick / 2) }
	cfg := Config{Homes: []Home{{home, os.Getuid()}}, State: state, Quiet: func(_, _ time.Time) bool { return quiet }, Now: ahead}
	s := newSigner(t, cfg)
	person := put(t, filepath.Join(home, ".nvm/versions/node/v24.0.0/bin/node"), "")
	if vouchFile(s, person) == "" {
		t.Error("what a person installed is not enrolled")
	}
	quiet = false
	script := put(t, filepath.Join(home, ".nvm/versions/node/v99.0.0/bin/node"), "")
	s.Maintain() // finds it
	quiet = true
	planted := put(t, filepath.Join(home, ".nvm/versions/node/v24.0.0/lib/node_modules/npm/bin/npm-cli.js"), "")
	quiet = false
	for range 2 {
		if vouchFile(s, script) != "" || vouchFile(s, planted) != "" {
			t.Error("what a dependency's script put there is vouched for")
		}
		s.Close()
		s = newSigner(t, cfg) // nor is it after a restart
	}
	if vouchFile(s, person) == "" {
		t.Error("what a person installed is not vouched for after a restart")
	}
}

func TestBrokenState(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	node := put(t, filepath.Join(home, ".nvm/versions/node/v24.0.0/bin/node"), "")
	for _, content := range []string{"", "{", `{"version":7}`, `{"version":1,"tools":[null,{"dir":"/etc"},{"dir":"` + home + `/../x"}]}`} {
		state := put(t, filepath.Join(t.TempDir(), "tools.json"), content)
		s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, State: state})
		if vouchFile(s, node) == "" || len(s.Enrolled()) != 1 {
			t.Errorf("%q: %v", content, s.Enrolled())
		}
	}
}

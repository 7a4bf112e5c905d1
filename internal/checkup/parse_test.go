package checkup

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormbell/internal/plain"
)

func TestParseLog(t *testing.T) {
	t.Parallel()
	const head = "0 verbose cli /usr/bin/node /usr/bin/npm\n7 verbose title npm publish\n"
	for _, tt := range []struct {
		name, log string
		want      published
		ok        bool
	}{
		{"published", head + "8 verbose argv \"publish\"\n20 notice name: a\n21 notice version: 1.0.0\n31 http fetch PUT 201 http://127.0.0.1:4873/a 3ms\n32 verbose cwd /home/dev/a\n", published{"a", "1.0.0", "/home/dev/a"}, true},
		{"of a tarball", head + "8 verbose argv \"publish\" \"/tmp/x/updated.tgz\"\n20 notice name: @acme/a\n31 http fetch PUT 200 http://127.0.0.1:4873/a 3ms\n32 verbose cwd /home/dev\n", published{"@acme/a", "", "/tmp/x"}, true},
		{"with a flag", head + "8 verbose argv \"publish\" \"--tag\" \"latest\"\n20 notice name: a\n31 http fetch PUT 200 http://127.0.0.1:4873/a 3ms\n32 verbose cwd /home/dev\n", published{"a", "", "/home/dev"}, true},
		{"dry run", head + "8 verbose argv \"publish\" \"--dry-run\"\n20 notice name: a\n32 verbose cwd /home/dev/a\n", published{"a", "", "/home/dev/a"}, false},
		{"refused", head + "8 verbose argv \"publish\"\n20 notice name: a\n31 http fetch PUT 403 http://127.0.0.1:4873/a 3ms\n", published{"a", "", ""}, false},
		{"installed", "7 verbose title npm install a\n8 verbose argv \"install\" \"a\"\n16 http fetch GET 200 http://127.0.0.1:4873/a 3ms\n", published{}, false},
		{"cut short", head + "8 verbose argv \"publ", published{}, false},
		{"nothing", "", published{}, false},
	} {
		if got, ok, _ := parseLog([]byte(tt.log)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestWithScripts(t *testing.T) {
	t.Parallel()
	const b = `{
  "packages": {
    "node_modules/a": {
      "version": "1.0.0"
    },
    "node_modules/@s/b": {
      "version": "1.0.0",
      "hasInstallScript": true
    },
    "node_modules/a/node_modules/c": {
      "hasInstallScript": true,
      "dependencies": {
        "hasInstallScript": true
      }
    },
    "node_modules/../../x": {
      "hasInstallScript": true
    }
  }
}`
	if got, want := withScripts([]byte(b)), []string{"node_modules/@s/b", "node_modules/a/node_modules/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIsEnv(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{".env": true, ".env.local": true, ".env.production": true, ".env.example": false, ".env.sample": false, ".envrc": false, ".environment": false, "env": false, ".env/": false, ".env.vault": false} {
		if isEnv(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestSlowMounts(t *testing.T) {
	t.Parallel()
	const info = "36 35 0:50 / /home/dev/mnt rw - fuse.sshfs host rw\n37 35 0:51 / /home/dev/My\\040Drive rw - fuse.rclone x rw\n38 35 8:1 / /home/dev/disk rw - ext4 /dev/sda1 rw\n39 35 0:52 / /srv/nfs rw - nfs4 host:/x rw\n40 35 0:53 / /home/dev rw - fuse.encfs x rw\nbroken\n"
	if got, want := slowMounts([]byte(info), "/home/dev"), []string{"mnt", "My Drive"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTOMLNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[install]\nminimumReleaseAge = 259_200 # 3 days\n":   "259200",
		"[test]\nminimumReleaseAge = 1\n":                     "",
		"minimumReleaseAge = 1\n[install]\n":                  "",
		"[install]\n[install.cache]\nminimumReleaseAge = 1\n": "",
		"[install]\r\nminimumReleaseAge=5\r\n":                "5",
	} {
		if got := tomlNumber([]byte(text), "install", "minimumReleaseAge"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// npmrcs and what npm's row says of them: install scripts and minimum age.
func TestNPM(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		version string
		npmrc   string
		scripts Level
		age     Level
	}{
		{"as it comes", "11.19.1", "", Risk, Note},
		{"an old one", "10.2.0", "", Risk, Note},
		{"a new one", "12.2.0", "", Fine, Note},
		{"opened", "12.2.0", "dangerously-allow-all-scripts=true\n", Risk, Note},
		{"closed", "11.19.1", "ignore-scripts=true\nmin-release-age=7\n", Fine, Fine},
		{"closed by date", "11.19.1", "ignore-scripts = true\nbefore=2026-01-01\n", Fine, Fine},
		{"switched off again", "11.19.1", "ignore-scripts=false\nmin-release-age=0\n", Risk, Note},
		{"a comment", "11.19.1", "; ignore-scripts=true\n# min-release-age=7\n", Risk, Note},
		{"unknown", "", "", Unknown, Note},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := at(t, map[string]string{".npmrc": tt.npmrc})
			c := client{name: "npm", version: tt.version, major: -1}
			if tt.version != "" {
				fmt.Sscanf(tt.version, "%d.%d", &c.major, &c.minor)
			}
			var s Section
			k.npm(&s, c)
			if len(s.Findings) != 2 || s.Findings[0].Level != tt.scripts || s.Findings[1].Level != tt.age {
				t.Errorf("it says %+v", s.Findings)
			}
		})
	}
}

func TestOtherClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files map[string]string
		say   func(*checkup, *Section)
		want  []Level
	}{
		{"pnpm 9", nil, func(k *checkup, s *Section) { k.pnpm(s, client{name: "pnpm", version: "9.1.0", major: 9}) }, []Level{Risk, Note}},
		{"pnpm 10", nil, func(k *checkup, s *Section) { k.pnpm(s, client{name: "pnpm", version: "10.34.9", major: 10}) }, []Level{Fine, Note}},
		{"pnpm 12", nil, func(k *checkup, s *Section) { k.pnpm(s, client{name: "pnpm", version: "12.21.0", major: 12}) }, []Level{Fine, Fine}},
		{"pnpm 12, opened", map[string]string{".config/pnpm/config.yaml": "dangerouslyAllowAllBuilds: true\nminimumReleaseAge: 0\n"}, func(k *checkup, s *Section) { k.pnpm(s, client{name: "pnpm", version: "12.21.0", major: 12}) }, []Level{Risk, Note}},
		{"pnpm 10, shut", map[string]string{".config/pnpm/rc": "minimum-release-age=1440\nignore-scripts=true\n"}, func(k *checkup, s *Section) { k.pnpm(s, client{name: "pnpm", version: "10.34.9", major: 10}) }, []Level{Fine, Fine}},
		{"yarn 1", nil, func(k *checkup, s *Section) { k.yarn(s, client{name: "yarn", version: "1.22.22", major: 1}) }, []Level{Risk, Note}},
		{"yarn 1, shut", map[string]string{".yarnrc": "ignore-scripts true\n"}, func(k *checkup, s *Section) { k.yarn(s, client{name: "yarn", version: "1.22.22", major: 1}) }, []Level{Fine, Note}},
		{"yarn 4", nil, func(k *checkup, s *Section) { k.yarn(s, client{name: "yarn", version: "4.18.1", major: 4}) }, []Level{Fine, Note}},
		{"yarn 4, opened", map[string]string{".yarnrc.yml": "enableScripts: true\nnpmMinimalAgeGate: 3d\n"}, func(k *checkup, s *Section) { k.yarn(s, client{name: "yarn", version: "4.18.1", major: 4}) }, []Level{Risk, Fine}},
		{"bun", map[string]string{".bunfig.toml": "[install]\nminimumReleaseAge = 259200\n"}, func(k *checkup, s *Section) { k.bun(s, client{}) }, []Level{Fine, Fine}},
		{"bun as it comes", nil, func(k *checkup, s *Section) { k.bun(s, client{}) }, []Level{Fine, Note}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := at(t, tt.files)
			var s Section
			tt.say(k, &s)
			got := []Level{}
			for _, f := range s.Findings {
				got = append(got, f.Level)
			}
			if !slices.Equal(got, tt.want) || len(s.NotLooked) > 0 {
				t.Errorf("it says %+v, not looked at %q", s.Findings, s.NotLooked)
			}
		})
	}
}

// at is a checkup of a home with files.
func at(t testing.TB, files map[string]string) *checkup {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := openHome(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return &checkup{Config: Config{Home: dir, Getenv: func(string) string { return "" }}, home: h}
}

// TestVerdict: it says what is known and no more.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		levels  []Level
		skipped int
		state   string
		want    string
	}{
		{nil, 0, NoSign, "No sign of a worm was found."},
		{[]Level{Risk, Note}, 1, NoSign, "No sign of a worm was found, and 1 thing could not be looked at."},
		{[]Level{Sign, Risk}, 0, Signs, "1 sign of a worm was found."},
		{[]Level{Sign, Sign}, 2, Signs, "2 signs of a worm were found, and 2 things could not be looked at."},
	} {
		s := Section{}
		for _, l := range tt.levels {
			s.add(Finding{Level: l, What: "x", Do: "y"})
		}
		for i := range tt.skipped {
			s.skip("%d", i)
		}
		r := Report{Sections: []Section{s}}
		r.judge()
		if r.Verdict != tt.want || r.State != tt.state {
			t.Errorf("%v: %q (%s)", tt.levels, r.Verdict, r.State)
		}
		for _, never := range []string{"clean", "safe", "no worm", "free of"} {
			if strings.Contains(strings.ToLower(r.Verdict), never) {
				t.Errorf("it promises too much: %q", r.Verdict)
			}
		}
	}
}

// FuzzParsers: whatever stands in a file, nothing panics, and what is said of it
// can be shown.
func FuzzParsers(f *testing.F) {
	for _, s := range []string{"", "8 verbose argv \"publish\" \"/tmp/x\"\n20 notice name: a\n31 http fetch PUT 201 x", "    \"node_modules/a\": {\n      \"hasInstallScript\": true\n",
		"36 35 0:50 / /home/dev/m\\040 rw - fuse x rw", "on:\n  discussion:\nruns-on: self-hosted\n- run: echo ${{ github.event.discussion.body }} ${{ toJSON(secrets) }} curl", "[install]\nminimumReleaseAge=1",
		"/home/dev/.npmrc\n~/.ssh/id_rsa\n", "const p = require('package.json'); p.name = Math.random(); while(true) exec('npm publish')", "DIRC\x00\x00\x00\x02.npmrc\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, _, _ := parseLog(b)
		_ = plain.Text(p.name + p.dir)
		for _, at := range withScripts(b) {
			if !filepath.IsLocal(at) || !strings.HasPrefix(at, "node_modules/") {
				t.Errorf("a package at %q", at)
			}
		}
		for _, m := range slowMounts(b, "/home/dev") {
			if strings.HasPrefix(m, "/") {
				t.Errorf("a mount at %q", m)
			}
		}
		isInventory(b)
		isKit(b)
		isObfuscated(b)
		judgeFlow(b)
		tomlNumber(b, "install", "minimumReleaseAge")
		var d deeds
		d.add(b)
		d.worm()
		found, _ := secretsIn(t.Context(), b)
		for kind, lines := range found {
			if kind == "" || len(lines) == 0 || lines[0] < 1 {
				t.Errorf("kind %q at %v", kind, lines)
			}
		}
		for _, name := range []string{"x.json", "x.yml", "x.toml", ".npmrc"} {
			entries, _ := parse(name, b)
			for _, e := range entries {
				if len(e.Path) > 0 {
					isTokenKey(name, e.Path)
				}
			}
			top(entries)
		}
		out, err := json.Marshal(Finding{What: shown(string(b), 100)})
		if err != nil || strings.ContainsAny(string(out), "\x1b\n") {
			t.Errorf("it cannot be shown: %s, %v", out, err)
		}
	})
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for p, want := range map[string]string{"~/.npmrc": "~/.npmrc", "~/My Files/.env": "~/'My Files/.env'", "a@b.service": "'a@b.service'", "~/it's; rm -rf ~": `~/'it'\''s; rm -rf ~'`, "x.service": "x.service", "~/a~b": "~/a~b", "$(x)": "'$(x)'"} {
		if got := quoted(p); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

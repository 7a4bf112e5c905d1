package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// thief is a postinstall that reads a file of the home and ends at once.
func thief(name, file string) pkg {
	return pkg{name: name, version: "1.0.0",
		scripts: map[string]any{"postinstall": "node steal.js"},
		files:   map[string]string{"steal.js": fmt.Sprintf("require('fs').readFileSync(process.env.HOME + %q)\n", file)}}
}

// TestCredentialRead: the alert the product exists for, with the real npm.
func TestCredentialRead(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.install("~/app", thief("evil", "/.npmrc"))
	alert, f := m.rings("credential-read")
	if alert.Severity < wormbell.High || alert.State != wormbell.Open || len(alert.ID) != 8 || alert.Count < 1 {
		t.Errorf("alert = %s %s %s count %d, want an open one of at least high severity", alert.ID, alert.Severity, alert.State, alert.Count)
	}
	last := f.Evidence[len(f.Evidence)-1]
	if last.Kind != wormbell.FileRead || last.Path != "~/.npmrc" || last.Process == nil {
		t.Fatalf("evidence ends with %s of %q by %v, want a file.read of ~/.npmrc by a known process", last.Kind, last.Path, last.Process)
	}
	p := last.Process
	if p.Lifecycle != "postinstall" || p.Package.String() != "evil@1.0.0" || p.Package.Ecosystem != "npm" {
		t.Errorf("attributed to %q of %s, want postinstall of evil@1.0.0", p.Lifecycle, p.Package)
	}
	if !strings.HasSuffix(p.Script, "/evil/steal.js") || p.Signer != "" {
		t.Errorf("script %q signed by %q, want …/evil/steal.js by nobody", p.Script, p.Signer)
	}
	installer := p.Ancestor(func(a *wormbell.Process) bool { return a.Name() == "npm" || a.Name() == "npm-cli.js" })
	if installer == nil || installer.Signer == "" || !strings.Contains(strings.Join(installer.Args, " "), "install") {
		t.Errorf("no vouched npm install among the ancestors: %v", installer)
	}
	for _, want := range []string{"evil", "postinstall", "~/.npmrc"} {
		if !strings.Contains(f.Summary, want) {
			t.Errorf("summary %q does not say %q", f.Summary, want)
		}
	}
	out, code := m.wormbell("alert", "show", alert.ID)
	if code != 0 || !strings.Contains(out, "evil") || !strings.Contains(out, "postinstall") {
		t.Errorf("alert show: exit %d\n%s", code, out)
	}
	if _, code := m.wormbell("alerts", "--min-severity", "high"); code != 1 {
		t.Errorf("alerts --min-severity high exits %d with an alert open, want 1", code)
	}
}

// TestQuietReaders: what reads ~/.npmrc on an ordinary day.
func TestQuietReaders(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.seed(pkg{name: "calm", version: "1.0.0", bin: "cli.js",
		scripts: map[string]any{"postinstall": "npm run inner && npm config get registry", "inner": "node -e 0"},
		files:   map[string]string{"cli.js": "#!/usr/bin/env node\nconsole.log('calm')\n"}})
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0","scripts":{"hello":"npm run inner","inner":"npm whoami"}}`)
	m.must("~/app", "npm", "install", "calm@1.0.0")
	m.must("~/app", "npm", "whoami")
	m.must("~/app", "npm", "run", "hello")
	m.must("~/app", "npx", "calm")
	m.must("~/app", "npm", "view", "calm")
	m.must("~/app", "npm", "config", "set", "fund=false")
	m.must("~", "cp", m.path("~/.npmrc"), m.path("~/.npmrc.bak"))
	m.must("~", "tar", "cf", m.path("~/backup.tar"), ".npmrc")
	m.quiet("an ordinary day")
}

// TestFakeNPM: a file that only calls itself npm is not npm.
func TestFakeNPM(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	m.write("~/bin/npm", "#!/usr/bin/env node\nrequire('fs').readFileSync(process.env.HOME + '/.npmrc')\n")
	m.must("~", "chmod", "755", m.path("~/bin/npm"))
	m.must("~", m.path("~/bin/npm"), "whoami")
	m.rings("credential-read")
}

// variations of a theft as its author would vary them.
var variations = map[string]pkg{
	"cat": {scripts: map[string]any{"postinstall": "cat $HOME/.npmrc >/dev/null"}},
	"scrubbed and renamed": {scripts: map[string]any{"preinstall": "node a.js"}, files: map[string]string{
		"a.js": `require('child_process').spawnSync(process.execPath, ['b.js'], {env: {H: process.env.HOME}, cwd: __dirname})`,
		"b.js": `process.title = 'npm install'; require('fs').readFileSync(process.env.H + '/.npmrc')`}},
	"detached": {scripts: map[string]any{"install": "node a.js"}, files: map[string]string{
		"a.js": `require('child_process').spawn('setsid', [process.execPath, __dirname + '/b.js', process.env.HOME], {detached: true, stdio: 'ignore', env: {}, cwd: '/'}).unref()`,
		"b.js": `if (process.argv[3]) setTimeout(() => require('fs').readFileSync(process.argv[2] + '/.npmrc'), 1500)
else require('child_process').spawn(process.execPath, [__filename, process.argv[2], 'x'], {detached: true, stdio: 'ignore', env: {}, cwd: '/'}).unref()`}},
	"stdin":     {scripts: map[string]any{"postinstall": `echo "require('fs').readFileSync(process.env.HOME+'/.npmrc')" | node -`}},
	"hard link": {scripts: map[string]any{"postinstall": "ln $HOME/.npmrc $HOME/x && cat $HOME/x >/dev/null"}},
	"symlink":   {scripts: map[string]any{"postinstall": "ln -s $HOME/.npmrc $HOME/y && cat $HOME/y >/dev/null"}},
}

func TestTheftVariations(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	for name, p := range variations {
		t.Run(name, func(t *testing.T) {
			p.name, p.version = "evil-"+strings.ReplaceAll(name, " ", "-"), "1.0.0"
			m.t = t
			m.install("~/"+p.name, p)
			m.until("a theft by "+p.name, 20*time.Second, func() bool {
				for _, a := range m.alerts() {
					for _, f := range a.Findings {
						if f.Detector == "credential-read" && strings.Contains(f.Summary, p.name+"@1.0.0") {
							return true
						}
					}
				}
				return false
			})
		})
	}
	m.t = t
}

// TestIndonesianFoods: a script that a person runs drops `private`, renames
// and publishes at the worm's pace; the alert is there by the third publish.
func TestIndonesianFoods(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.write("~/food/package.json", `{"name":"food","version":"1.0.0","private":true}`)
	m.write("~/food/auto.js", `
const fs = require('fs'), {spawnSync} = require('child_process')
for (let i = 0; i < 3; i++) {
  const p = JSON.parse(fs.readFileSync('package.json'))
  delete p.private
  p.name = ['andi','bella','fajar'][i] + '-rendang' + Math.floor(Math.random() * 1e6)
  p.version = '1.' + i + '.' + Math.floor(Math.random() * 1e6)
  fs.writeFileSync('package.json', JSON.stringify(p))
  spawnSync('npm', ['publish'], {stdio: 'inherit'})
}`)
	m.must("~/food", "setsid", "node", "auto.js")
	if n := len(m.registry.Published()); n != 3 {
		t.Fatalf("%d packages published, want 3", n)
	}
	_, f := m.rings("private-flag-removed")
	if !strings.Contains(f.Summary, "auto.js") {
		t.Errorf("summary %q does not name auto.js", f.Summary)
	}
	alert, _ := m.rings("publish-loop")
	if alert.Severity != wormbell.Critical {
		t.Errorf("severity %s, want critical", alert.Severity)
	}
	detectors := map[string]bool{}
	for _, f := range alert.Findings {
		detectors[f.Detector] = true
	}
	if !detectors["private-flag-removed"] || !detectors["publish-loop"] {
		t.Errorf("one incident should hold both findings, has %v", detectors)
	}
}

// TestShaiHulud: a dependency reads credentials of several kinds and
// publishes with them.
func TestShaiHulud(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.write("~/.aws/credentials", "[default]\naws_access_key_id = none\n")
	m.write("~/.config/gh/hosts.yml", "github.example.com:\n")
	m.install("~/app", pkg{name: "worm", version: "2.0.0", scripts: map[string]any{"postinstall": "node bundle.js"},
		files: map[string]string{"bundle.js": `
const fs = require('fs'), {spawnSync} = require('child_process'), h = process.env.HOME
for (const f of ['/.npmrc', '/.aws/credentials', '/.config/gh/hosts.yml']) fs.readFileSync(h + f)
fs.mkdirSync('/tmp/npm-update-' + process.pid)
process.chdir('/tmp/npm-update-' + process.pid)
fs.writeFileSync('package.json', JSON.stringify({name: 'victim', version: '1.0.1'}))
spawnSync('npm', ['publish'], {stdio: 'inherit'})
fs.rmSync(process.cwd(), {recursive: true})
`}})
	for _, d := range []string{"credential-read", "credential-sweep", "publish-by-install-script"} {
		alert, f := m.rings(d)
		if !strings.Contains(f.Summary, "worm") || alert.Severity != wormbell.Critical {
			t.Errorf("%s: %s %q, want a critical alert that names worm", d, alert.Severity, f.Summary)
		}
	}
	if n := len(m.alerts()); n != 1 {
		t.Errorf("%d alerts, want one incident", n)
	}
	if len(m.registry.Published()) == 0 {
		t.Error("the worm's publish did not reach the registry; the test proves less than it says")
	}
}

// TestHistorySecret: a token typed on a command line.
func TestHistorySecret(t *testing.T) {
	m := start(t, options{})
	secret := validToken(t)
	m.write("~/.bash_history", "ls\n")
	m.settle()
	f, err := os.OpenFile(m.path("~/.bash_history"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "npm config set //registry.example.com/:_authToken=%s\necho ${NPM_TOKEN}\n", secret)
	f.Close()
	_, finding := m.rings("history-secret")
	if s := fmt.Sprint(finding); strings.Contains(s, secret) || strings.Contains(s, secret[4:20]) {
		t.Error("the finding holds the secret")
	}
	if strings.Contains(m.log.String(), secret[4:]) {
		t.Error("the log holds the secret")
	}
}

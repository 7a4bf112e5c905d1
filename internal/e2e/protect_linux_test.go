package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// wiper is a worm that does harm when it is refused what it wants: the script
// itself as its very next act, and two others that watch: a thread of the same
// process that looks for the refusal in shared memory, and a child in a session
// of its own that the script would tell. All beat while they run.
var wiper = pkg{name: "wiper", version: "1.0.0", scripts: map[string]any{"postinstall": "node a.js"}, files: map[string]string{
	"a.js": `
const fs = require('fs'), path = require('path'), home = process.env.HOME
const { Worker } = require('worker_threads'), { spawn } = require('child_process')
const shared = new Int32Array(new SharedArrayBuffer(8))
fs.writeFileSync(home + '/pids', String(process.pid))
new Worker(__dirname + '/thread.js', { workerData: { shared, home } })
spawn('setsid', [process.execPath, __dirname + '/child.js', home], { detached: true, stdio: 'ignore', env: {}, cwd: '/' }).unref()
setTimeout(() => {}, 100000)
const ready = setInterval(() => {
  if (!Atomics.load(shared, 1) || !fs.existsSync(home + '/child')) return
  clearInterval(ready)
  try {
    fs.readFileSync(home + '/.npmrc')
    fs.writeFileSync(home + '/loot', 'x')
  } catch (e) {
    Atomics.store(shared, 0, 1)
    fs.writeFileSync(home + '/wiped', e.code)
  }
}, 20)`,
	"thread.js": `
const { workerData: { shared, home } } = require('worker_threads'), fs = require('fs')
Atomics.store(shared, 1, 1)
const beat = fs.openSync(home + '/beat-thread', 'w')
for (;;) {
  if (Atomics.load(shared, 0)) fs.writeFileSync(home + '/wiped-by-thread', 'x')
  fs.writeSync(beat, String(process.hrtime.bigint()), 0)
}`,
	"child.js": `
const fs = require('fs'), home = process.argv[2]
fs.appendFileSync(home + '/pids', ' ' + process.pid)
fs.writeFileSync(home + '/child', 'x')
const beat = fs.openSync(home + '/beat-child', 'w')
setInterval(() => {
  if (fs.existsSync(home + '/wiped')) fs.writeFileSync(home + '/wiped-by-child', 'x')
  fs.writeSync(beat, String(process.hrtime.bigint()), 0)
}, 1)`}}

// there reports which of the files of a home are there.
func (m *machine) there(names ...string) (found []string) {
	for _, name := range names {
		if _, err := os.Lstat(m.path("~/" + name)); err == nil {
			found = append(found, name)
		}
	}
	return found
}

// installing starts the install of p beside the test.
func (m *machine) installing(project string, p pkg) *job {
	m.t.Helper()
	m.seed(p)
	m.write(project+"/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	return m.background("npm", "--prefix", m.path(project), "install", p.name+"@"+p.version)
}

// stands waits until the worm has been stopped, and returns its processes.
func (m *machine) stands() (alert wormbell.Alert, pids []int) {
	m.t.Helper()
	alert, f := m.rings("credential-read")
	if e := f.Evidence[len(f.Evidence)-1]; !e.Denied() {
		m.t.Errorf("the read was not denied: %+v", e)
	}
	b, _ := os.ReadFile(m.path("~/pids"))
	for _, s := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(s)
		if err != nil {
			m.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		if s := state(pid); s != "T" {
			m.t.Errorf("process %d of the worm is in state %q when the alert is there", pid, s)
		}
	}
	m.t.Cleanup(func() { // whatever becomes of the test
		for _, pid := range pids {
			if p, err := os.FindProcess(pid); err == nil && strings.Contains(cmdline(pid), ".js") {
				p.Kill()
			}
		}
	})
	return alert, pids
}

func cmdline(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

// TestProtectWiper: the worm is refused the token and nothing of it runs after
// that; killed, npm ends with an error.
func TestProtectWiper(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{args: []string{"--protect"}})
	npm := m.installing("~/app", wiper)
	alert, pids := m.stands()
	if len(pids) != 2 {
		t.Fatalf("processes %v", pids)
	}
	beats := func() (all []string) {
		for _, f := range []string{"beat-thread", "beat-child"} {
			b, _ := os.ReadFile(m.path("~/" + f))
			all = append(all, string(b))
		}
		return all
	}
	before := beats()
	time.Sleep(500 * time.Millisecond) // in which something that runs would beat hundreds of times
	// One may be empty: it is stopped between emptying the file and writing it.
	if after := beats(); !slices.Equal(before, after) || len(m.there("beat-thread", "beat-child")) != 2 {
		t.Errorf("it beats: %q, then %q", before, after)
	}
	if found := m.there("wiped", "wiped-by-thread", "wiped-by-child", "loot"); len(found) > 0 {
		t.Errorf("it ran after the refusal: %q", found)
	}
	select {
	case <-npm.done:
		t.Errorf("npm ended:\n%s", npm.out)
	default:
	}
	if !alert.Frozen() || alert.Escaped() {
		m.until("what was done to be noted", 10*time.Second, func() bool {
			alert, _ = m.finding("credential-read")
			return alert.Frozen() && !alert.Escaped()
		})
	}
	s := m.status()
	if !s.Protect || s.Denied != 1 || len(s.Problems) > 0 {
		t.Errorf("status: protect %v, denied %d, problems %q", s.Protect, s.Denied, s.Problems)
	}
	if out, code := m.wormbell("alert", "kill", alert.ID); code != 0 {
		t.Fatalf("kill: exit %d\n%s", code, out)
	}
	select {
	case <-npm.done:
	case <-time.After(30 * time.Second):
		t.Fatal("npm waits yet")
	}
	if npm.cmd.ProcessState.ExitCode() == 0 {
		t.Errorf("npm ended well:\n%s", npm.out)
	}
	if found := m.there("wiped", "wiped-by-thread", "wiped-by-child", "loot"); len(found) > 0 {
		t.Errorf("it ran as it was killed: %q", found)
	}
}

// TestProtectResume: a person lets it go on, and the script sees EPERM.
func TestProtectResume(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{config: "mode = 'protect'\n"})
	npm := m.installing("~/app", pkg{name: "asks", version: "1.0.0", scripts: map[string]any{"postinstall": "node a.js"}, files: map[string]string{"a.js": `
const fs = require('fs'), home = process.env.HOME
fs.writeFileSync(home + '/pids', String(process.pid))
try { fs.readFileSync(home + '/.npmrc'); fs.writeFileSync(home + '/loot', 'x') } catch (e) { fs.writeFileSync(home + '/saw', e.code) }`}})
	alert, _ := m.stands()
	m.until("the freeze to be noted", 10*time.Second, func() bool { a, _ := m.finding("credential-read"); return a.Frozen() })
	m.login().types(m.bin + "/wormbell --socket " + m.socket + " alert resume " + alert.ID)
	select {
	case <-npm.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("npm waits yet, and what it started has the state %q", npm.out)
	}
	b, _ := os.ReadFile(m.path("~/saw"))
	if code := npm.cmd.ProcessState.ExitCode(); code != 0 || string(b) != "EPERM" || len(m.there("loot")) > 0 {
		t.Errorf("npm: exit %d; it saw %q, and has %q\n%s", code, b, m.there("loot"), npm.out)
	}
}

// harmless is an ordinary day, which protection must not be noticed on.
func TestProtectQuiet(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{args: []string{"--protect"}})
	m.seed(pkg{name: "calm", version: "1.0.0", bin: "cli.js",
		scripts: map[string]any{"postinstall": "npm run inner && npm config get registry", "inner": "node -e 0"},
		files:   map[string]string{"cli.js": "#!/usr/bin/env node\nconsole.log('calm')\n"}})
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0","scripts":{"hello":"npm run inner","inner":"npm whoami"}}`)
	m.must("~/app", "npm", "install", "calm@1.0.0")
	m.must("~/app", "npm", "run", "hello")
	m.must("~", "cp", m.path("~/.npmrc"), m.path("~/.npmrc.bak"))
	m.must("~", "tar", "cf", m.path("~/backup.tar"), ".npmrc")
	// One that nobody knows is told of, and goes on.
	m.write("~/unknown.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.must("~", "node", "unknown.js")
	_, f := m.rings("credential-read")
	if e := f.Evidence[len(f.Evidence)-1]; e.Protect != "" || strings.Contains(f.Summary, "stopped") {
		t.Errorf("%s\n%+v", f.Summary, e)
	}
	if s := m.status(); s.Denied != 0 || len(s.Problems) > 0 {
		t.Errorf("denied %d, problems %q", s.Denied, s.Problems)
	}
}

// TestProtectSweep: what nobody knows reads two kinds of credentials and is
// refused the third.
func TestProtectSweep(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("needs node")
	}
	m := prepare(t, options{})
	m.write("~/.aws/credentials", "[default]\n")
	m.write("~/.config/gh/hosts.yml", "x: y\n")
	m.launch(options{args: []string{"--protect"}})
	m.ready()
	m.write("~/collect.js", `
const fs = require('fs'), home = process.env.HOME
fs.writeFileSync(home + '/pids', String(process.pid))
for (const f of ['.npmrc', '.config/gh/hosts.yml', '.aws/credentials']) {
  fs.readFileSync(home + '/' + f)
  fs.appendFileSync(home + '/loot', f + ' ')
}`)
	m.login().types("node ~/collect.js & :") // else what starts the tests is part of the tree
	alert, f := m.rings("credential-sweep")
	if e := f.Evidence[len(f.Evidence)-1]; !e.Denied() || e.Path != "~/.aws/credentials" {
		t.Errorf("%+v", e)
	}
	if b, _ := os.ReadFile(m.path("~/loot")); string(b) != ".npmrc .config/gh/hosts.yml " {
		t.Errorf("it has %q", b)
	}
	b, _ := os.ReadFile(m.path("~/pids"))
	if pid, _ := strconv.Atoi(string(b)); state(pid) != "T" {
		t.Errorf("it is in state %q", state(pid))
	}
	if out, code := m.wormbell("alert", "kill", alert.ID); code != 0 {
		t.Errorf("kill: exit %d\n%s", code, out)
	}
}

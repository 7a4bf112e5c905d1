package e2e

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/internal/secretservice"
	"wormbell/internal/verdaccio"
)

// at has the person type a program in a folder and returns what it
// printed and its exit status.
func (s *stage) at(dir, stdin string, argv ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = s.path(dir), append(s.env(), "DBUS_SESSION_BUS_ADDRESS="+s.session.Address, "WORMBELL="+filepath.Join(bin, "wormbell"), "SOCKET="+s.socket)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	code := s.shell.run(cmd)
	s.hides(fmt.Sprintf("what %q printed", argv), out.Bytes())
	return out.String(), code
}

// ours is at for wormbell itself; it must succeed.
func (s *stage) ours(dir, stdin string, args ...string) string {
	s.t.Helper()
	out, code := s.at(dir, stdin, append([]string{filepath.Join(bin, "wormbell"), "--socket", s.socket}, args...)...)
	if code != 0 {
		s.t.Errorf("wormbell %q: exit %d\n%s", args, code, out)
	}
	return out
}

// read has the person read a guarded file, so that nobody rings for it,
// whatever the test itself hangs below.
func (s *stage) read(file string) string {
	s.t.Helper()
	cmd := exec.Command("cat", s.path(file))
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if code := s.shell.run(cmd); code != 0 {
		s.t.Fatalf("cat: exit %d: %s", code, problem.String())
	}
	return out.String()
}

// nothingElse fails the test if anything rang but the alerts that it knows.
func (s *stage) nothingElse(what string, known ...string) {
	s.t.Helper()
	s.settle()
	for _, a := range s.alerts("--all", "--min-severity", "medium") {
		if !slices.Contains(known, a.ID) {
			for _, f := range a.Findings {
				if !s.foreign(f) {
					s.t.Errorf("%s raised %s: %s", what, f.Detector, f.Summary)
				}
			}
		}
	}
}

// dependency makes a package of these files and installs it into a project of
// its own, as a person does. It returns what npm printed.
func (s *stage) dependency(name, postinstall string) string {
	s.t.Helper()
	s.write("~/"+name+"/package.json", `{"name":"`+name+`","version":"1.0.0","scripts":{"postinstall":"node go.js"}}`)
	s.write("~/"+name+"/go.js", postinstall)
	s.must("~/"+name, "npm", "pack", "--silent", "--pack-destination", s.home)
	s.write("~/with-"+name+"/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	out, _ := s.at("~/with-"+name, "", "npm", "install", "--foreground-scripts", s.path("~/"+name+"-1.0.0.tgz"))
	return out
}

// spy is a script that looks for a token wherever a program of the user can
// look without opening a guarded file: its environment, those and the command
// lines of all processes, and the pipe by which npm got its settings.
const spy = `
const fs = require('fs')
const [needle, control] = fs.readFileSync(process.env.HOME + '/needles', 'utf8').split(' ').map(s => Buffer.from(s, 'hex').toString())
const found = [], looked = {}
let controlled = false
const look = (where, text) => { if (text.includes(needle)) found.push(where); if (text.includes(control)) controlled = true }
look('its own environment', JSON.stringify(process.env))
for (const pid of fs.readdirSync('/proc').filter(n => /^[0-9]+$/.test(n)))
  for (const f of ['environ', 'cmdline'])
    try { look(pid + '/' + f, fs.readFileSync('/proc/' + pid + '/' + f, 'latin1')); looked[f] = (looked[f] || 0) + 1 } catch {}
for (let pid = process.ppid; pid > 1;) {
  try {
    const f = fs.openSync('/proc/' + pid + '/fd/15', fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    looked.pipe = (looked.pipe || 0) + 1
    const b = Buffer.alloc(1 << 16)
    look(pid + '/fd/15', b.toString('latin1', 0, fs.readSync(f, b)))
  } catch {}
  try { pid = Number(fs.readFileSync('/proc/' + pid + '/stat', 'latin1').replace(/.*\) . ([0-9]+) .*/s, '$1')) } catch { break }
}
fs.writeFileSync(process.env.HOME + '/spied-' + process.env.npm_lifecycle_event, JSON.stringify({found, controlled, looked}))
`

// spied checks that the spy of a script has looked and found nothing.
func (s *stage) spied(script string) {
	s.t.Helper()
	var got struct {
		Found      []string
		Controlled bool
		Looked     map[string]int
	}
	b, err := os.ReadFile(s.path("~/spied-" + script))
	if err != nil || json.Unmarshal(b, &got) != nil {
		s.t.Fatalf("%s did not look: %v", script, err)
	}
	if len(got.Found) > 0 {
		s.t.Errorf("%s found the token: %q", script, got.Found)
	}
	if !got.Controlled || got.Looked["environ"] < 3 || got.Looked["cmdline"] < 3 || got.Looked["pipe"] < 1 {
		s.t.Errorf("%s did not look well: %+v", script, got)
	}
}

// TestOffDisk: a token that was moved to the keychain still publishes, is not
// found by scripts nor stolen with the file, is rotated there, and comes back;
// nothing of that rings, and all that a package's script tries does.
func TestOffDisk(t *testing.T) {
	needRoot(t)
	needNPM(t)
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	old := v.AddToken(v.AddUser("dev", password), password, false)
	s := setHome(t, v.URL, old, secretservice.Start(t, secretservice.Config{UID: person}))
	const control = "control-of-the-spy"
	s.write("~/needles", hex.EncodeToString([]byte(old))+" "+hex.EncodeToString([]byte(control)))
	s.write("~/spy.js", spy)
	s.write("~/lib/package.json", `{"name":"lib","version":"1.0.0","scripts":{"prepublishOnly":"node ../spy.js","look":"node ../spy.js `+control+`"}}`)

	// Moved, and used.
	s.ours("~", "", "vault", "npm")
	moved := s.read("~/.npmrc")
	if strings.Contains(moved, old) || !strings.Contains(moved, "; settings of mine, keep them\nregistry=") {
		t.Errorf("the file is\n%s", strings.ReplaceAll(moved, old, "***"))
	}
	if out, code := s.at("~", "", "npm", "whoami"); code == 0 {
		t.Errorf("npm has a token without us: %s", out)
	}
	if out := s.ours("~", "", "exec", "--", "npm", "whoami"); !strings.Contains(out, "dev") {
		t.Errorf("exec -- npm whoami: %s", out)
	}
	s.ours("~/lib", "", "exec", "--", "npm", "run", "look")
	s.spied("look")
	// The word that the spy must find stands in an argument of the look script alone.
	s.write("~/lib/package.json", `{"name":"lib","version":"1.0.0","scripts":{"prepublishOnly":"node ../spy.js `+control+`"}}`)
	s.ours("~/lib", "", "exec", "--", "npm", "publish")
	s.spied("prepublishOnly")
	if out := s.must("~", "npm", "view", "lib", "version"); !strings.Contains(out, "1.0.0") {
		t.Errorf("it was not published: %s", out)
	}
	s.nothingElse("the vault")

	s.write("~/key", "//"+v.Host+"/:_authToken")
	known := s.robVault(v, old)

	// Rotated, where it is now.
	s.ours("~", password+"\n", "rotate", "npm", "--yes", "--password-stdin")
	if v.Whoami(old) != "" {
		t.Error("the old token lives")
	}
	if out := s.ours("~", "", "exec", "--", "npm", "whoami"); !strings.Contains(out, "dev") {
		t.Errorf("exec -- npm whoami with the new one: %s", out)
	}
	if s.read("~/.npmrc") != moved {
		t.Error("the file was changed, and it is in the keychain that the token stands")
	}

	// And back.
	s.ours("~", "", "vault", "npm", "--restore")
	fresh := s.tokenIn([]byte(s.read("~/.npmrc"))) // which must be as it was besides
	if fresh == old || v.Whoami(fresh) != "dev" {
		t.Error("what stands in the file again is not the new token")
	}
	if who := s.whoami(); who != "dev" {
		t.Errorf("npm whoami says %q", who)
	}
	if out, _ := s.session.Run(t.Context(), "", "secret-tool", "search", "--all", "service", "wormbell"); strings.Contains(out, "secret = ") {
		t.Error("the keyring holds it still")
	}
	s.nothingElse("the person", known...)
	s.nowhere(fresh, password)
}

// robVault has a package's script take what it can get, and returns the IDs of
// the alerts.
func (s *stage) robVault(v *verdaccio.Server, token string) (known []string) {
	s.t.Helper()
	s.dependency("taker", `
const fs = require('fs'), {spawnSync, spawn} = require('child_process'), {WORMBELL, SOCKET, HOME} = process.env
fs.writeFileSync(HOME + '/loot', fs.readFileSync(HOME + '/.npmrc'))
const out = {}
const clean = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/^npm_/i.test(k)))
const run = (name, env, ...args) => { const r = spawnSync(WORMBELL, ['--socket', SOCKET, ...args], {encoding: 'utf8', env}); out[name] = {status: r.status, text: r.stdout + r.stderr} }
run('exec', process.env, 'exec', '--', 'npm', 'whoami')
run('exec, its tracks covered', clean, 'exec', '--', 'npm', 'whoami')
run('helper', clean, 'vault', 'token-helper', fs.readFileSync(HOME + '/key', 'utf8'))
run('restore', clean, 'vault', 'npm', '--restore')
run('tokens', clean, 'tokens', '--json')
fs.writeFileSync(HOME + '/took', JSON.stringify(out))
// One that has left the tree, with nothing of npm above it.
spawn('sh', ['-c', 'P=$PPID; while [ "$(cut -d" " -f4 /proc/$$/stat)" = "$P" ]; do sleep 0.05; done; "$WORMBELL" --socket "$SOCKET" exec -- npm whoami >"$HOME/fled.new" 2>&1; echo "exit $?" >>"$HOME/fled.new"; mv "$HOME/fled.new" "$HOME/fled"'],
  {detached: true, stdio: 'ignore', env: clean}).unref()
`)
	s.until("the one that fled", 20*time.Second, func() bool { _, err := os.Stat(s.path("~/fled")); return err == nil })
	type took struct {
		Status int
		Text   string
	}
	var got map[string]took
	b, err := os.ReadFile(s.path("~/took"))
	fled, err2 := os.ReadFile(s.path("~/fled"))
	if err := errors.Join(err, err2, json.Unmarshal(b, &got)); err != nil || len(got) != 5 {
		s.t.Fatalf("the script did not do what it was to: %v\n%s", err, b)
	}
	s.hides("what the script took", b)
	s.hides("what the one that fled took", fled)
	for name, r := range got {
		if name != "tokens" && (r.Status != 2 || strings.Contains(r.Text, "dev\n")) {
			s.t.Errorf("%s by a package's script: exit %d\n%s", name, r.Status, r.Text)
		}
	}
	if !strings.Contains(got["exec"].Text, "a package's script asks") || !strings.Contains(got["tokens"].Text, "refused to announce") {
		s.t.Errorf("it was told:\n%s", b)
	}
	// On a machine that is busy npm has written its title over its command line
	// before the agent reads that (docs/limits.md). Then nobody vouches for it, and
	// what it says of a script is not believed; below it nobody may ask all the same.
	if !strings.HasSuffix(string(fled), "exit 2\n") || !strings.Contains(string(fled), "postinstall script of taker@1.0.0") && !strings.Contains(string(fled), "the call comes from below npm (pid ") {
		s.t.Errorf("the one that fled was told:\n%s", fled)
	}
	loot, err := os.ReadFile(s.path("~/loot"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.hides("the loot", loot)
	if v.Whoami(token) != "dev" {
		s.t.Error("the token is dead")
	}
	s.rings("guard-tampering")
	s.settle()
	for _, a := range s.alerts("--all") {
		known = append(known, a.ID)
	}
	return known
}

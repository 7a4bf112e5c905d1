package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell"
)

// decoyStage is a person's machine on which decoys were planted.
type decoyStage struct {
	*machine
	shell   *terminal
	planted []wormbell.Decoy
}

// plantDecoys has a person plant one of each kind.
func plantDecoys(t *testing.T, o options) *decoyStage {
	t.Helper()
	needRoot(t)
	m := prepare(t, options{})
	m.uid = person
	m.own(person)
	if err := os.Chown(m.dir, o.user, o.user); err != nil {
		t.Fatal(err)
	}
	s := &decoyStage{machine: m, shell: m.login()}
	m.launch(o)
	m.ready()
	out := s.ours("decoy", "plant", "--json")
	var got struct {
		Version int
		Planted []wormbell.Decoy
		Skipped []struct{ Kind, Why string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Version != 1 || len(got.Planted) != 4 || len(got.Skipped) != 0 {
		t.Fatalf("decoy plant: %v\n%s", err, out)
	}
	s.planted = got.Planted
	return s
}

// types has the person type a program, and returns what it printed and its exit status.
func (s *decoyStage) types(argv ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = s.home, s.env()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	code := s.shell.run(cmd)
	return out.String(), code
}

// ours is types for wormbell, which must succeed.
func (s *decoyStage) ours(args ...string) string {
	s.t.Helper()
	out, code := s.types(append([]string{filepath.Join(bin, "wormbell"), "--socket", s.socket}, args...)...)
	if code != 0 {
		s.t.Errorf("wormbell %q: exit %d\n%s", args, code, out)
	}
	return out
}

func (s *decoyStage) list() (decoys []wormbell.Decoy) {
	s.t.Helper()
	var got struct {
		Version int
		Decoys  []wormbell.Decoy
	}
	if out := s.ours("decoy", "list", "--json"); json.Unmarshal([]byte(out), &got) != nil || got.Version != 1 || got.Decoys == nil {
		s.t.Fatalf("decoy list: %s", out)
	}
	return got.Decoys
}

// place is the path of the decoy of a kind.
func (s *decoyStage) place(kind string) string {
	i := slices.IndexFunc(s.planted, func(d wormbell.Decoy) bool { return d.Kind == kind })
	return s.planted[i].Path
}

// sweep takes what lies in the usual places of a home, as worms do.
const sweep = `
const fs = require('fs'), path = require('path'), {HOME} = process.env
for (const dir of ['', '.aws', '.config', '.ssh'])
  for (const name of fs.existsSync(path.join(HOME, dir)) ? fs.readdirSync(path.join(HOME, dir)) : [])
    if (/npmrc|credentials|\.env|netrc|id_/.test(name))
      try { fs.readFileSync(path.join(HOME, dir, name)) } catch {}
`

// TestDecoys: what nobody has a reason to read rings when a package's script reads
// it; a person's search, a backup and the tools themselves do not ring.
func TestDecoys(t *testing.T) {
	needNPM(t)
	s := plantDecoys(t, options{})
	for _, d := range s.planted {
		info, err := os.Lstat(s.path(d.Path))
		if err != nil || info.Mode() != 0o600 || int(info.Sys().(*syscall.Stat_t).Uid) != person || time.Since(info.ModTime()) < 24*time.Hour {
			t.Errorf("%s: %v, %v", d.Path, info, err)
		}
	}
	if list := s.list(); len(list) != 4 || slices.ContainsFunc(list, func(d wormbell.Decoy) bool { return d.State != wormbell.GuardOn }) {
		t.Errorf("listed: %+v", list)
	}
	if out := s.ours("credentials"); !strings.Contains(out, s.place("npm")) || !strings.Contains(out, "decoy: npm") {
		t.Errorf("wormbell credentials:\n%s", out)
	}

	// A script of theirs may plant, and is not told where what is planted lies.
	s.write("~/setup.sh", filepath.Join(bin, "wormbell")+" --socket "+s.socket+" decoy plant\n")
	out, code := s.types("bash", s.path("~/setup.sh"))
	if code != 0 || strings.Count(out, "there is one of its kind already") != 4 || strings.Contains(out, s.place("npm")) {
		t.Errorf("a script that plants again: exit %d\n%s", code, out)
	}
	if list := s.list(); len(list) != 4 {
		t.Errorf("listed after that: %+v", list)
	}

	// What is theirs, in order.
	if out, code := s.types(filepath.Join(bin, "wormbell"), "--socket", s.socket, "checkup", "--no-questions"); code > 1 || strings.Count(out, "A decoy that Wormbell has planted") != 4 {
		t.Errorf("checkup: exit %d\n%s", code, out)
	}
	if out, code := s.types("grep", "-rl", "npm_", s.home); code != 0 || !strings.Contains(out, s.path(s.place("npm"))) {
		t.Errorf("grep -r: exit %d\n%s", code, out)
	}
	s.types("tar", "czf", "-", s.home)
	if out, err := exec.Command("tar", "cf", filepath.Join(t.TempDir(), "home.tar"), s.home).CombinedOutput(); err != nil { // root's, as cron's
		t.Errorf("tar: %v %s", err, out)
	}
	if out, code := s.types("npm", "whoami"); code != 0 || strings.TrimSpace(out) != "dev" {
		t.Errorf("npm whoami: exit %d %s", code, out)
	}
	s.until("the readings in the list of decoys", 20*time.Second, func() bool {
		return !slices.ContainsFunc(s.list(), func(d wormbell.Decoy) bool { return d.LastRead == nil || !strings.Contains(d.LastBy, "tar") })
	})
	s.quiet("a person's search and a backup")
	lows := 0
	for _, a := range s.alerts("--all") {
		for _, f := range a.Findings {
			if f.Detector == "decoy-read" && f.Severity == wormbell.Low {
				lows++
			}
		}
	}
	if lows == 0 {
		t.Error("nothing is on record")
	}

	// A package's script.
	s.install("~/app", pkg{name: "evil", version: "1.0.0", scripts: map[string]any{"postinstall": "node sweep.js"}, files: map[string]string{"sweep.js": sweep}})
	read := map[string]bool{}
	s.until("all decoys to ring", 20*time.Second, func() bool {
		for _, a := range s.alerts("--min-severity", "critical") {
			for _, f := range a.Findings {
				if f.Detector == "decoy-read" && f.Severity == wormbell.Critical && by(f, "evil") {
					read[f.Subject] = true
				}
			}
		}
		return len(read) == 4
	})

	// It outlives the agent.
	s.stop()
	s.log = &buffer{}
	s.launch(options{})
	s.ready()
	if list := s.list(); len(list) != 4 || slices.ContainsFunc(list, func(d wormbell.Decoy) bool { return d.State != wormbell.GuardOn }) {
		t.Errorf("after the agent was started again: %+v", list)
	}
	// By its name, a person rings, too. The token is for the registry that their npm uses.
	if text, _ := s.types("cat", s.path(s.place("npm"))); !strings.Contains(text, strings.TrimPrefix(s.registry.URL, "http:")+"/:_authToken=npm_") {
		t.Error("the npm token is for another registry")
	}
	s.until("a person's reading by name", 20*time.Second, func() bool {
		return slices.ContainsFunc(s.alerts("--min-severity", "critical"), func(a wormbell.Alert) bool {
			return slices.ContainsFunc(a.Findings, func(f wormbell.Finding) bool {
				return f.Subject == s.place("npm") && strings.HasPrefix(f.Summary, "cat ")
			})
		})
	})

	// Taken back: all but what is no decoy any more.
	s.write(s.place("env"), "MINE=1\n")
	out, code = s.types(filepath.Join(bin, "wormbell"), "--socket", s.socket, "decoy", "remove", "--all")
	if code != 2 || !strings.Contains(out, s.place("env")+" stays") {
		t.Errorf("decoy remove --all: exit %d\n%s", code, out)
	}
	for _, d := range s.planted {
		if _, err := os.Lstat(s.path(d.Path)); (err == nil) != (d.Kind == "env") {
			t.Errorf("%s: %v", d.Path, err)
		}
	}
	if _, err := os.Lstat(s.path("~/.aws")); err == nil {
		t.Error("the folder that was made stays")
	}
	if list := s.list(); len(list) != 0 {
		t.Errorf("listed still: %+v", list)
	}
}

// TestDecoysAreNotTold: nothing that runs below a package's script learns where
// decoys lie, or takes one back.
func TestDecoysAreNotTold(t *testing.T) {
	needNPM(t)
	s := plantDecoys(t, options{})
	s.seed(pkg{name: "asks", version: "1.0.0", scripts: map[string]any{"postinstall": "node ask.js"}, files: map[string]string{"ask.js": `
const {spawnSync} = require('child_process'), http = require('http'), fs = require('fs'), {WORMBELL, SOCKET, HOME} = process.env
const clean = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/^npm_/i.test(k)))
let out = ''
for (const args of [['decoy', 'list', '--json'], ['decoy', 'remove', '--all'], ['credentials', '--all', '--json'], ['status', '--json']]) {
  const r = spawnSync(WORMBELL, ['--socket', SOCKET, ...args], {encoding: 'utf8', env: clean})
  out += args.join(' ') + ': ' + r.status + ' ' + r.stdout + r.stderr + '\n'
}
const get = (p, then) => http.get({socketPath: SOCKET, path: '/v1/' + p, headers: {Host: 'wormbell'}}, r => { r.setEncoding('utf8'); r.on('data', d => out += d); r.on('end', then) })
get('decoys', () => get('credentials', () => fs.writeFileSync(HOME + '/asked', out)))
`}})
	s.write("~/app/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	cmd := exec.Command("npm", "install", "--foreground-scripts", "asks@1.0.0")
	cmd.Dir, cmd.Env = s.path("~/app"), append(s.env(), "WORMBELL="+filepath.Join(bin, "wormbell"), "SOCKET="+s.socket)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	s.shell.run(cmd)
	b, err := os.ReadFile(s.path("~/asked"))
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, d := range s.planted {
		if strings.Contains(string(b), d.Path) || strings.Contains(string(b), strings.TrimPrefix(d.Path, "~/")+`"`) {
			t.Errorf("it was told of %s:\n%s", d.Path, b)
		}
		if _, err := os.Lstat(s.path(d.Path)); err != nil {
			t.Errorf("%s: %v", d.Path, err)
		}
	}
	if !strings.Contains(string(b), "refused to tell where decoys lie") || !strings.Contains(string(b), "~/.npmrc") {
		t.Errorf("what it was told:\n%s", b)
	}
	s.rings("guard-tampering")
	if list := s.list(); len(list) != 4 {
		t.Errorf("the person is told of %+v", list)
	}
}

// TestDecoysWithoutRoot: an agent that the person runs tells when a decoy was
// opened, whoever it was.
func TestDecoysWithoutRoot(t *testing.T) {
	s := plantDecoys(t, options{user: person})
	if list := s.list(); len(list) != 4 || slices.ContainsFunc(list, func(d wormbell.Decoy) bool { return d.State != wormbell.GuardOn }) {
		t.Errorf("listed: %+v", list)
	}
	s.must("~", "cat", s.path(s.place("aws")))
	_, f := s.rings("decoy-read")
	if f.Subject != s.place("aws") || f.Severity < wormbell.Medium {
		t.Errorf("%s %s: %s", f.Severity, f.Subject, f.Summary)
	}
	s.ours("decoy", "remove", "--all")
	if _, err := os.Lstat(s.path(s.place("npm"))); err == nil {
		t.Error("it is there still")
	}
}

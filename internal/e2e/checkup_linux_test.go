package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/checkup"
)

// TestFirstDay: what is in a home when the agent starts for the first time rings
// for nothing; what comes while it runs, or between two runs, rings once.
func TestFirstDay(t *testing.T) {
	needRoot(t)
	o := options{state: filepath.Join(scratch(t, "e2e-state"), "state")}
	m := prepare(t, o)
	var bash, zsh strings.Builder
	for i := range 50 {
		fmt.Fprintf(&bash, "npm config set //registry%d.example.com/:_authToken %s\n", i*i, validToken(t))
		fmt.Fprintf(&zsh, ": %d:0;export NPM_TOKEN=%s # %d\n", time.Now().Add(-time.Hour).Unix(), validToken(t), i*i)
		m.write(fmt.Sprintf("~/work/p%d/node_modules/x%d/package.json", i, i), fmt.Sprintf(`{"name":"x%d","version":"1.0.0","private":true}`, i))
		m.write(fmt.Sprintf("~/work/p%d/package.json", i), fmt.Sprintf(`{"name":"p%d","private":true}`, i))
	}
	m.write("~/.bash_history", bash.String())
	m.write("~/.zsh_history", zsh.String())
	m.write("~/.config/autostart/x.desktop", "[Desktop Entry]\nType=Application\nExec=/tmp/x\n")
	m.write("~/.config/systemd/user/x.service", "[Service]\nExecStart=/tmp/x\n")
	m.write("~/work/p1/.vscode/tasks.json", `{"tasks":[{"command":"node x.js","runOptions":{"runOn":"folderOpen"}}]}`)
	m.launch(o)
	m.ready()
	m.settle()
	none := func(what string) {
		t.Helper()
		for _, a := range m.alerts() {
			for _, f := range a.Findings {
				if !m.foreign(f) {
					t.Errorf("%s: %s: %s", what, f.Detector, f.Summary)
				}
			}
		}
	}
	none("what was there before the first start rang")

	m.stop()
	token := validToken(t)
	m.write("~/.bash_history", bash.String()+"export NPM_TOKEN="+token+"\n")
	m.log = &buffer{}
	m.launch(o)
	m.ready()
	alert, f := m.rings("history-secret")
	if alert.Count != 1 || f.Subject != "~/.bash_history" || strings.Contains(f.Summary, token[:12]) {
		t.Errorf("what was typed while the agent did not run: %d findings, the last: %s", alert.Count, f.Summary)
	}
	if out, code := m.wormbell("alert", "close", alert.ID, "--reason", "seen"); code != 0 {
		// From below a test it may be refused; then it stays open, and must not grow.
		t.Logf("close: %s", out)
	}
	before := m.alerts("--all")

	m.stop()
	m.log = &buffer{}
	m.launch(o)
	m.ready()
	m.settle()
	if after := m.alerts("--all"); len(after) != len(before) || len(after) > 0 && after[0].Count != before[0].Count {
		t.Errorf("it rang again after a restart: %d alerts, before %d", len(after), len(before))
	}

	// Many at once are one alert.
	m.stop()
	m.write("~/.bash_history", bash.String()+"export NPM_TOKEN="+token+"\n"+strings.ReplaceAll(bash.String(), "config set", "config  set"))
	m.log = &buffer{}
	m.launch(o)
	m.ready()
	m.until("what was typed meanwhile", 20*time.Second, func() bool {
		n := 0
		for _, a := range m.alerts() {
			n += a.Count
		}
		return n >= 50
	})
	if open := m.alerts(); len(open) > 2 {
		t.Errorf("%d alerts for one history", len(open))
	}
}

// checkupOf reads what 'wormbell checkup --json' says of one home.
func checkupOf(t *testing.T, b []byte) checkup.Report {
	t.Helper()
	var answer struct {
		Version  int
		Checkups []checkup.Report
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Version != 1 || len(answer.Checkups) != 1 {
		t.Fatalf("checkup --json: %v\n%s", err, b)
	}
	return answer.Checkups[0]
}

func says(r checkup.Report, level checkup.Level, kind, where string) bool {
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			if f.Level == level && f.Kind == kind && strings.HasPrefix(f.Where, where) {
				return true
			}
		}
	}
	return false
}

// TestCheckup: a person's checkup of a careless home with the agent running: it
// finds what lies about, rings for nothing, shows no token; and asks about a
// program that has read one.
func TestCheckup(t *testing.T) {
	needRoot(t)
	// Nothing in a temporary folder is ever allowed, so the home is elsewhere.
	home, err := os.MkdirTemp("/srv", "wormbell-e2e-home")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	o := options{home: home, bin: installed(t)}
	m := prepare(t, o)
	m.token = validToken(t)
	m.uid = person
	m.write("~/.npmrc", "//registry.example.com/:_authToken="+m.token+"\n")
	m.write("~/.bash_history", "npm config set //registry.example.com/:_authToken "+m.token+"\n")
	m.write("~/farm/package.json", `{"name":"x"}`)
	m.write("~/farm/auto.js", "process.exit(0)\nconst fs=require('fs'),{execSync}=require('child_process')\nwhile (true) {\n const p=JSON.parse(fs.readFileSync('package.json'))\n delete p.private\n p.name=''+Math.random()\n fs.writeFileSync('package.json', JSON.stringify(p))\n execSync('npm publish')\n}\n")
	m.write("~/bin/mine.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.own(person)
	term := m.login("PATH=" + m.bin + ":" + os.Getenv("PATH"))
	m.launch(o)
	m.ready()
	look := func() checkup.Report {
		t.Helper()
		term.types("wormbell --socket " + m.socket + " checkup --json >~/out 2>~/err")
		b, err := os.ReadFile(m.path("~/out"))
		if err != nil {
			t.Fatal(err)
		}
		for i := 4; i+8 <= len(m.token); i++ {
			if strings.Contains(string(b), m.token[i:i+8]) {
				t.Fatal("the checkup shows a part of the token")
			}
		}
		return checkupOf(t, b)
	}
	r := look()
	for _, want := range []struct {
		level       checkup.Level
		kind, where string
	}{{checkup.Risk, "token", "~/.npmrc"}, {checkup.Risk, "history", "~/.bash_history, line 1"}, {checkup.Sign, "kit", "~/farm/auto.js"}, {checkup.Fine, "agent", ""}} {
		if !says(r, want.level, want.kind, want.where) {
			t.Errorf("it does not say %v: %+v", want, r)
		}
	}
	if r.State != checkup.Signs {
		t.Errorf("the verdict is %q", r.Verdict)
	}
	for _, s := range r.Sections {
		for _, line := range s.NotLooked {
			if strings.Contains(line, "left closed") {
				t.Errorf("the agent was not believed to: %s", line)
			}
		}
	}
	m.quiet("the checkup")

	// A program that nobody has vouched for reads a token, again and again.
	for range 3 {
		term.types("node ~/bin/mine.js")
	}
	alert, _ := m.rings("credential-read")
	if alert.Severity >= wormbell.Critical {
		t.Fatalf("it is critical: %+v", alert)
	}
	m.settle()
	term.pty.WriteString("wormbell --socket " + m.socket + " checkup; echo answered-$?\n")
	asks := func() bool { return strings.HasSuffix(strings.TrimRight(term.out.String(), " "), "[y/N/?]") }
	m.until("the question", time.Minute, asks)
	if shown := term.out.String(); !strings.Contains(shown, "mine.js read your npm tokens") {
		t.Errorf("it asks %q", shown[max(0, len(shown)-300):])
	}
	term.pty.WriteString("?\n")
	m.until("more about it", time.Minute, func() bool { return strings.Contains(term.out.String(), "No changes nothing") && asks() })
	term.pty.WriteString("y\n")
	m.until("the checkup to end", time.Minute, func() bool { return strings.Contains(term.out.String(), "answered-1\r") })
	for _, a := range m.alerts() {
		t.Errorf("alert %s is still open: %s", a.ID, a.Title)
	}
	term.types("node ~/bin/mine.js")
	m.quiet("what the person said is theirs")
}

// TestCheckupBelowScript: a package's script learns nothing more by the checkup
// than what it could read itself: guarded files stay closed.
func TestCheckupBelowScript(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.install("~/app", pkg{name: "looker", version: "1.0.0", scripts: map[string]any{"postinstall": "node look.js"}, files: map[string]string{
		"look.js": fmt.Sprintf("const r = require('child_process').spawnSync(%q, ['--socket', %q, 'checkup', '--json', '--no-questions', '--home', %q], {encoding: 'utf8'}); require('fs').writeFileSync(%q, r.stdout)",
			filepath.Join(m.bin, "wormbell"), m.socket, m.home, m.path("~/looked"))}})
	b, err := os.ReadFile(m.path("~/looked"))
	if err != nil {
		t.Fatal(err)
	}
	r := checkupOf(t, b)
	if says(r, checkup.Risk, "token", "~/.npmrc") {
		t.Error("a package's script was told what stands in a guarded file")
	}
	closed := false
	for _, s := range r.Sections {
		for _, line := range s.NotLooked {
			closed = closed || strings.Contains(line, "left closed")
		}
	}
	if !closed {
		t.Errorf("it is not said that files were left closed: %+v", r)
	}
}

// TestCheckupAsRoot: root's checkup of a person's home is done as that person:
// what they may not read stays closed, whatever root may.
func TestCheckupAsRoot(t *testing.T) {
	needRoot(t)
	m := prepare(t, options{bin: installed(t)})
	m.token = validToken(t)
	m.uid = person
	m.write("~/.npmrc", "//registry.example.com/:_authToken="+m.token+"\n")
	m.write("~/.zsh_history", "export NPM_TOKEN="+m.token+"\n")
	m.own(person)
	outside := filepath.Join(scratch(t, "e2e-root"), "history")
	for _, p := range []string{outside, m.path("~/.bash_history")} {
		if err := os.WriteFile(p, []byte("export NPM_TOKEN="+m.token+"\n"), 0o600); err != nil { // root's
			t.Fatal(err)
		}
	}
	if err := os.Link(outside, m.path("~/.python_history")); err != nil {
		t.Fatal(err)
	}
	m.uid = 0 // the command line is root's
	out, code := m.wormbell("checkup", "--json", "--no-questions", "--home", m.home)
	r := checkupOf(t, []byte(out))
	if r.Home != m.home || !says(r, checkup.Risk, "token", "~/.npmrc") || !says(r, checkup.Risk, "history", "~/.zsh_history, line 1") {
		t.Errorf("it ends with %d and does not say what is the person's: %s", code, out)
	}
	if says(r, checkup.Risk, "history", "~/.bash_history") || says(r, checkup.Risk, "history", "~/.python_history") {
		t.Errorf("root has read for the person what they may not: %s", out)
	}
	for _, want := range []string{"~/.bash_history: permission denied", "~/.python_history: permission denied"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
}

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// state returns the state letter of a process, "" when it is gone.
func state(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// TestFreeze: the whole tree of an alert stops, detached children included,
// while the shell it was started from goes on; resume and kill work.
func TestFreeze(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	m.write("~/worm.js", `
const fs = require('fs'), {spawn} = require('child_process')
const child = spawn(process.execPath, ['-e', "setTimeout(() => {}, 60000)"], {detached: true, stdio: 'ignore'})
fs.writeFileSync('pids', process.pid + ' ' + child.pid)
fs.readFileSync(process.env.HOME + '/.npmrc')
setTimeout(() => {}, 60000)`)
	term := m.terminal("PATH=" + bin + ":" + os.Getenv("PATH"))
	term.types("node worm.js & sleep 0.1")
	alert, _ := m.rings("credential-read")
	b, err := os.ReadFile(m.path("~/pids"))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, s := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(s)
		pids = append(pids, n)
	}
	if out, code := m.wormbell("alert", "freeze", alert.ID); code != 0 {
		t.Fatalf("freeze: exit %d\n%s", code, out)
	}
	for _, pid := range pids {
		if s := state(pid); s != "T" {
			t.Errorf("process %d is in state %q after freeze, want T", pid, s)
		}
	}
	if s := state(term.pid); s == "T" || s == "" {
		t.Errorf("the shell is in state %q after freeze", s)
	}
	if out, code := m.wormbell("alert", "resume", alert.ID); code != 0 {
		t.Errorf("resume: exit %d\n%s", code, out)
	}
	for _, pid := range pids {
		if s := state(pid); s == "T" {
			t.Errorf("process %d is still stopped after resume", pid)
		}
	}
	if out, code := m.wormbell("alert", "kill", alert.ID); code != 0 {
		t.Errorf("kill: exit %d\n%s", code, out)
	}
	for _, pid := range pids {
		m.until("process "+strconv.Itoa(pid)+" to be gone", 10*time.Second, func() bool { s := state(pid); return s == "" || s == "Z" })
	}
	if s := state(term.pid); s == "" || s == "Z" {
		t.Error("the shell was killed with the worm")
	}
}

// TestDemo: every demonstration rings, with the real npm and without a
// running agent.
func TestDemo(t *testing.T) {
	needRoot(t)
	needNPM(t)
	for _, name := range []string{"npmrc-read", "shai-hulud", "indonesianfoods"} {
		t.Run(name, func(t *testing.T) {
			m := prepare(t, options{}) // no agent: the demonstration starts its own
			out, err := m.run("~", filepath.Join(bin, "wormbell"), "--socket", m.socket, "demo", name, "--fast")
			if err != nil {
				t.Errorf("demo %s: %v\n%s", name, err, out)
			}
		})
	}
}

// TestDemoWithAgent: the running agent guards the scratch home and marks what
// it finds there.
func TestDemoWithAgent(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	out, err := m.run("~", filepath.Join(bin, "wormbell"), "--socket", m.socket, "demo", "npmrc-read", "--fast")
	if err != nil {
		t.Errorf("demo: %v\n%s", err, out)
	}
	alert, _ := m.rings("credential-read")
	if !alert.Demo {
		t.Error("the alert is not marked as a demonstration's")
	}
}

// TestRecordReplay: what was recorded from the live machine finds the same
// when it is replayed.
func TestRecordReplay(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	file := filepath.Join(m.dir, "scene.txtar")
	rec := m.background(filepath.Join(bin, "wormbell"), "--socket", m.socket, "record", "-o", file)
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.until("the recording to hold the read", 20*time.Second, func() bool {
		m.must("~", "node", "steal.js")
		b, _ := os.ReadFile(file)
		return strings.Contains(string(b), "~/.npmrc") || strings.Contains(rec.out.String(), "~/.npmrc")
	})
	rec.interrupt()
	out, code := m.wormbell("replay", file)
	if !strings.Contains(out, "credential-read") {
		t.Errorf("replay: exit %d\n%s", code, out)
	}
}

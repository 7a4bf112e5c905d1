package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// TestNobodySilencesFromBelow: a worm that tries to close its own alert is
// refused, and the try is a critical finding of its own.
func TestNobodySilencesFromBelow(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.install("~/app", pkg{name: "worm", version: "1.0.0", scripts: map[string]any{"postinstall": "node steal.js"},
		files: map[string]string{"steal.js": `
const fs = require('fs'), {spawnSync} = require('child_process')
fs.readFileSync(process.env.HOME + '/.npmrc')
const w = (...a) => spawnSync('` + filepath.Join(bin, "wormbell") + `', ['--socket', '` + m.socket + `', ...a], {encoding: 'utf8'})
let id = ''
for (let i = 0; i < 100 && !id; i++) { try { id = JSON.parse(w('alerts', '--json').stdout).alerts[0].id } catch {} }
const r = [w('alert', 'close', id), w('alert', 'mute', id), w('pause', '1h'), w('protect', 'off'), w('trust', 'add', '--store', 'npm', '--who', 'exe:/usr/bin/node', '--reason', 'x')]
fs.writeFileSync(process.env.HOME + '/result.json', JSON.stringify({id, status: r.map(x => x.status), stderr: r.map(x => x.stderr)}))
`}})
	b, err := os.ReadFile(m.path("~/result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `"status":[2,2,2,2,2]`) == false {
		t.Errorf("the calls from below were not all refused: %s", b)
	}
	alert, f := m.rings("guard-tampering")
	if alert.Severity != wormbell.Critical || f.Evidence[len(f.Evidence)-1].Process == nil {
		t.Errorf("guard-tampering: severity %s, evidence %v", alert.Severity, f.Evidence)
	}
	for _, a := range m.alerts() {
		if a.State != wormbell.Open {
			t.Errorf("alert %s is %s", a.ID, a.State)
		}
	}
}

// TestPersonCloses: the same call by a person at a terminal is accepted, kept
// and announced; the closed alert is not reopened by what follows.
func TestPersonCloses(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	term := m.terminal("PATH=" + bin + ":" + os.Getenv("PATH"))
	term.types("node steal.js")
	alert, _ := m.rings("credential-read")
	term.types("wormbell --socket " + m.socket + " alert close " + alert.ID + " --reason 'my own script'")
	m.until("the alert to be closed", 10*time.Second, func() bool { return len(m.alerts()) == 0 })
	all := m.alerts("--all")
	if len(all) != 1 || all[0].State != wormbell.Closed || len(all[0].Actions) == 0 {
		t.Errorf("alerts --all = %+v, want one closed alert with an action", all)
	}
	if out, _ := m.wormbell("calls", "--json"); !strings.Contains(out, alert.ID) {
		t.Errorf("the call was not kept: %s", out)
	}
	term.types("node steal.js")
	if again, _ := m.rings("credential-read"); again.ID == alert.ID {
		t.Error("a closed alert was reopened; a new one should begin")
	}
}

// TestOtherUser: on the system socket a user sees and changes only their own.
func TestOtherUser(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.must("~", "node", "steal.js")
	alert, _ := m.rings("credential-read")
	as := func(args ...string) string {
		out, _ := m.run("/", append([]string{"setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", filepath.Join(bin, "wormbell"), "--socket", m.socket}, args...)...)
		return out
	}
	if out := as("alerts", "--json"); !strings.Contains(out, `"alerts":[]`) && !strings.Contains(out, `"alerts": []`) {
		t.Errorf("another user sees %s", out)
	}
	if out := as("alert", "show", alert.ID); strings.Contains(out, "npmrc") {
		t.Errorf("another user sees the alert: %s", out)
	}
	as("alert", "close", alert.ID)
	as("alert", "freeze", alert.ID)
	if a, _ := m.finding("credential-read"); a.State != wormbell.Open {
		t.Errorf("another user changed the alert to %q", a.State)
	}
}

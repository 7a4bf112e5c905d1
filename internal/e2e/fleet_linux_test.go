package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// TestFleet: what an administrator pushes to an agent of root's: settings,
// locks and rows, of which some are spoiled.
func TestFleet(t *testing.T) {
	needRoot(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	if node, err = filepath.EvalSymlinks(node); err != nil {
		t.Fatal(err)
	}
	o := options{config: "log_level = 'debug'\n"}
	m := prepare(t, o)
	const script = "require('fs').readFileSync(process.env.HOME + '/.npmrc')\n"
	m.write("~/allowed.js", script)
	m.write("~/thief.js", script)
	fleet := filepath.Join(m.dir, "conf.d", "10-fleet.toml")
	m.write(fleet, "stores = ['ssh']\nlog_level = 'info'\nlocked = ['pause', 'trust', 'protect', 'stores']\n")
	m.write(filepath.Join(m.dir, "conf.d", "20-mine.toml"), "stores = []\n")
	spoiled := filepath.Join(m.dir, "conf.d", "30-spoiled.toml")
	m.write(spoiled, "stroes = ['ssh']\n")
	rows := filepath.Join(m.dir, "trust.d", "10-fleet.toml")
	m.write(rows, fmt.Sprintf("[[row]]\nstore = 'npm'\nwho = 'exe:%s script:%s'\nreason = 'ours'\ndigest = 'sha256:%x'\n\n[[row]]\nstore = 'npm'\nwho = 'exe:%s script:%s'\nreason = 'without its digest'\n",
		node, m.path("~/allowed.js"), sha256.Sum256([]byte(script)), node, m.path("~/thief.js")))
	m.launch(o)
	m.ready()

	// What is wrong is told, and what is right is in force.
	status := func() (s wormbell.Status) {
		t.Helper()
		out, _ := m.wormbell("status", "--json")
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return s
	}
	s := status()
	told := strings.Join(s.Problems, "\n")
	for _, want := range []string{`"` + spoiled + `" is not used: no key "stroes"`, `20-mine.toml" sets "stores", which`, "thief.js", "needs its digest"} {
		if !strings.Contains(told, want) {
			t.Errorf("problems %q do not say %q", s.Problems, want)
		}
	}
	i := slices.IndexFunc(s.Settings, func(x wormbell.Setting) bool { return x.Key == "stores" })
	if i < 0 || fmt.Sprint(s.Settings[i].Value) != "[ssh]" || s.Settings[i].From != fleet || s.Settings[i].LockedBy != fleet {
		t.Errorf("settings %+v", s.Settings)
	}
	if out, code := m.wormbell("doctor"); code != 1 || !strings.Contains(out, "30-spoiled.toml") {
		t.Errorf("doctor ends with %d:\n%s", code, out)
	}
	check := func() (string, int) {
		cmd := exec.Command(filepath.Join(m.bin, "wormbelld"), "--check", "--config", filepath.Join(m.dir, "config.toml"))
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := check(); code != 2 || !strings.Contains(out, "30-spoiled.toml") {
		t.Errorf("wormbelld --check ends with %d:\n%s", code, out)
	}

	// Locked is locked, for root too.
	for _, args := range [][]string{{"pause", "1m"}, {"protect", "off"}, {"trust", "add", "--store", "npm", "--who", "exe:/usr/bin/vim", "--reason", "x"}} {
		cmd := exec.Command(filepath.Join(m.bin, "wormbell"), append([]string{"--socket", m.socket}, args...)...)
		cmd.Env = m.env()
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "is locked by your administrator: "+fleet) {
			t.Errorf("%q ends with %d: %s", args, cmd.ProcessState.ExitCode(), out)
		}
	}

	// The administrator's row holds for what it names and for nothing else.
	m.must("~", node, m.path("~/allowed.js"))
	m.must("~", node, m.path("~/thief.js"))
	m.until("the alert", 20*time.Second, func() bool { return len(m.alerts()) > 0 })
	for _, a := range m.alerts() {
		for _, f := range a.Findings {
			if strings.Contains(f.Subject+f.Summary, "allowed.js") {
				t.Errorf("what the administrator allowed rang: %s", f.Summary)
			}
		}
	}
	// What a fleet forwards.
	line := ""
	for l := range strings.Lines(m.log.String()) {
		if strings.Contains(l, "msg=finding") {
			line = l
		}
	}
	for _, want := range []string{"alert=", "severity=high", "detector=credential-read", "summary=", "subject=", "user=0", "state=open", "count=1", "demo=false"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log's line has no %s: %s", want, line)
		}
	}
	out, _ := m.wormbell("trust", "list", "--json")
	var list struct{ Trust []wormbell.TrustRow }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	i = slices.IndexFunc(list.Trust, func(r wormbell.TrustRow) bool { return r.File == rows })
	if i < 0 {
		t.Fatalf("the administrator's row is not listed: %s", out)
	}
	if _, code := m.wormbell("trust", "remove", list.Trust[i].ID); code != 2 {
		t.Errorf("the administrator's row was removed by a call: %d", code)
	}

	// Spoiled after it was good, a file's locks and settings hold on.
	m.stop()
	for _, file := range []string{spoiled, filepath.Join(m.dir, "conf.d", "20-mine.toml"), rows} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := check(); code != 0 {
		t.Errorf("wormbelld --check ends with %d:\n%s", code, out)
	}
	if err := os.Chmod(fleet, 0o666); err != nil {
		t.Fatal(err)
	}
	m.log = &buffer{}
	m.launch(o)
	m.ready()
	if s := status(); len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "others may write it (mode 0666); what it said when it was last good holds") {
		t.Errorf("problems %q", s.Problems)
	}
	if s := status(); s.Locked("pause") != fleet || s.Locked("stores") != fleet {
		t.Errorf("a spoiled file unlocked: %+v", s.Settings)
	}
}

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// TestItWasMe: a person says that an alert was them, and the real agent takes
// the row: the same script is quiet from then on; a copy of it is not, nor is
// what somebody has put in its place.
func TestItWasMe(t *testing.T) {
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
	m.uid = person
	m.own(person)
	term := m.login("PATH=" + m.bin + ":" + os.Getenv("PATH"))
	m.launch(o)
	m.ready()
	const script = "require('fs').readFileSync(process.env.HOME + '/.npmrc'); require('fs').writeFileSync(process.env.HOME + '/done', '')"
	m.write("~/bin/mine.js", script)
	m.write("~/bin/copy.js", script)
	m.write("~/bin/other.js", "/* other */"+script)
	ran := func() bool { _, err := os.Stat(filepath.Join(home, "done")); return err == nil }
	term.types("node ~/bin/mine.js")
	alert, _ := m.rings("credential-read")
	term.types("wormbell --socket " + m.socket + " alert trust " + alert.ID + " --for 1d --yes")
	m.until("the alert to be closed", time.Minute, func() bool { return len(m.alerts()) == 0 })
	out, _ := m.wormbell("trust", "list", "--json")
	var list struct{ Trust []wormbell.TrustRow }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	row := list.Trust[len(list.Trust)-1]
	if row.By == "built-in" || row.Store != "npm" || row.Path != "~/.npmrc" || row.Under != "person" || row.Until == nil || time.Until(*row.Until) > 24*time.Hour || !strings.HasPrefix(row.Digest, "sha256:") {
		t.Errorf("the row is %+v", row)
	}
	os.Remove(filepath.Join(home, "done"))
	term.types("node ~/bin/mine.js")
	m.until("the script to run again", time.Minute, ran)
	m.quiet("what was allowed")
	term.types("node ~/bin/copy.js")
	if a, f := m.rings("credential-read"); a.ID == alert.ID || f.Evidence[len(f.Evidence)-1].Process.Name() != "copy.js" {
		t.Errorf("it rang for %s: %s", a.ID, f.Summary)
	}
	term.types("cat ~/bin/other.js >~/bin/mine.js; node ~/bin/mine.js")
	m.until("the changed script to ring", 30*time.Second, func() bool {
		return slices.ContainsFunc(m.alerts(), func(a wormbell.Alert) bool {
			return strings.Contains(a.Findings[0].Summary, "mine.js") && strings.HasSuffix(a.Findings[0].Summary, "; the program changed since you allowed it")
		})
	})
	n := len(m.alerts())
	term.types("cat ~/bin/copy.js >~/bin/mine.js")
	m.until("the next tick of the clock that starts are counted in", 10*time.Second, func() bool {
		info, err := os.Stat(m.path("~/bin/mine.js"))
		return err == nil && time.Since(info.ModTime()) > 50*time.Millisecond
	})
	term.types("node ~/bin/mine.js")
	m.settle()
	if got := len(m.alerts()); got != n {
		t.Errorf("%d alerts, and %d when the script was again what was allowed", n, got)
	}
}

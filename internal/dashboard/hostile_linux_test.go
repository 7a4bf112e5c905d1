package dashboard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"wormbell"
	"wormbell/internal/dashboard"

	"github.com/chromedp/chromedp"
)

// TestHostileNames: a package that is called like a script does nothing.
func TestHostileNames(t *testing.T) {
	a := sample()
	evil := sweep("evil2345", wormbell.Package{Ecosystem: "npm", Name: evilName, Version: "1.0.0"}, day.Add(time.Minute))
	for i := range evil.Findings {
		evil.Findings[i].Summary = evilName
		for j := range evil.Findings[i].Evidence {
			e := &evil.Findings[i].Evidence[j]
			e.Path = "~/" + evilName
			if e.Package != nil {
				e.Package = &wormbell.Package{Name: evilName}
			}
		}
	}
	evil.Title, evil.Advice = evilName, evilName
	evil.Actions = []wormbell.Action{{Time: day, By: evilName, What: evilName, Outcome: evilName}}
	a.list = append([]wormbell.Alert{evil}, a.list...)
	a.guarded = append(a.guarded, wormbell.Guarded{Store: evilName, Kind: evilName, Path: evilName, State: wormbell.GuardOn, LastBy: evilName, Why: evilName})
	a.rows = append(a.rows, wormbell.TrustRow{ID: evilName, Store: evilName, Who: evilName, Under: "any", Path: evilName, Reason: evilName, By: "1000"})
	a.rows = append(a.rows, wormbell.TrustRow{ID: "file-a", Store: evilName, Who: evilName, Under: "any", Reason: evilName, By: "admin", File: evilName})
	a.status.Problems, a.status.Notices = []string{evilName}, []string{evilName}
	a.status.Settings = []wormbell.Setting{{Key: evilName, Value: evilName, From: evilName, Locked: true, LockedBy: evilName}, {Key: "homes", Value: []any{evilName}}}
	a.status.Sensors = append(a.status.Sensors, wormbell.Sensor{Name: evilName, Backend: evilName, Why: evilName})
	a.status.Homes = []string{evilName}
	s := serve(t, a, func(c *dashboard.Config) {
		c.Host = evilName
		c.Suggest = func(wormbell.Alert, time.Duration, time.Time) ([]dashboard.Suggestion, string) {
			return []dashboard.Suggestion{{Row: wormbell.TrustRow{Store: "gh", Who: evilName, Under: "any", Path: evilName, Reason: evilName}, Sentence: evilName}}, evilName
		}
	})
	paths := []string{"/", "/?state=all", "/alerts/evil2345", "/alerts/evil2345/it-was-me", "/alerts/evil2345/respond", "/credentials", "/trust", "/packages", "/status", "/alerts/evil2345/report.html", "/?severity=" + url.QueryEscape(evilName) + "&page=" + url.QueryEscape(evilName), "/" + url.PathEscape(evilName)}

	h := visit(t, s, "/")
	for _, path := range paths {
		got := h.get(path, nil)
		if got.status >= 500 {
			t.Errorf("%s: %d", path, got.status)
		}
		for _, bad := range []string{"<script>alert", "<img src=x", "\u202e", "\x1b"} {
			if i := strings.Index(got.body, bad); i >= 0 {
				t.Errorf("%s holds %q: %q", path, bad, got.body[max(0, i-80):min(len(got.body), i+80)])
			}
		}
	}
	if got := h.get("/alerts/evil2345", nil); !strings.Contains(got.body, `\u202e`) || !strings.Contains(got.body, "&lt;script&gt;alert(1)") {
		t.Error("the name is not shown at all")
	}

	b := open(t, s)
	for _, path := range paths {
		if strings.HasSuffix(path, ".html") {
			continue // it is downloaded
		}
		b.visit(path)
		var bad int
		b.eval("document.querySelectorAll('script:not([src*=\"/static/\"]), img, iframe, [onerror], [onclick], [style], a[href^=javascript]').length", &bad)
		if bad != 0 {
			t.Errorf("%s: %d elements that are not ours", path, bad)
		}
	}
	b.clean()
	// The report, opened from the disk, has no policy but its own.
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(h.get("/alerts/evil2345/report.html", nil).body), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Navigate("file://"+file), chromedp.WaitReady("main"))
	b.shot("report")
	var boxes int
	b.eval("document.querySelectorAll('svg.tree rect').length", &boxes)
	if boxes < 4 {
		t.Errorf("the report's picture has %d boxes", boxes)
	}
	b.clean()
}

// TestForeignPage: a page of another origin can neither read nor change
// anything, nor frame it, nor learn what is open.
func TestForeignPage(t *testing.T) {
	a := sample()
	s := serve(t, a, nil)
	b := open(t, s)
	attack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><main>attack</main><iframe name=f id=f></iframe><form id=form method=post target=f action="http://%[1]s/alerts/worm2345/close"><input name=csrf value=x></form>`, b.own+b.at)
	}))
	defer attack.Close()
	b.run(chromedp.Navigate(attack.URL), chromedp.WaitReady("main")) // 127.0.0.1 too: another port of the same site, to which cookies are sent
	var got map[string]string
	b.eval(fmt.Sprintf(`(async () => {
	  const out = {}, base = 'http://%s'
	  const tried = async (name, f) => { try { out[name] = String(await f()) } catch (e) { out[name] = 'refused' } }
	  await tried('read', async () => (await fetch(base + '/', {credentials: 'include'})).text())
	  await tried('opaque', async () => (await fetch(base + '/alerts/worm2345', {credentials: 'include', mode: 'no-cors'})).type)
	  await tried('post', async () => (await fetch(base + '/alerts/worm2345/close', {method: 'POST', credentials: 'include', mode: 'no-cors', body: new URLSearchParams({csrf: 'x'})})).type)
	  await tried('json', async () => (await fetch(base + '/alerts/worm2345/close', {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json'}, body: '{}'})).status)
	  await tried('stream', () => new Promise((ok, no) => { const s = new EventSource(base + '/live', {withCredentials: true}); s.onopen = () => ok('open'); s.onerror = no }))
	  await tried('script', () => new Promise((ok, no) => { const e = document.createElement('script'); e.src = base + '/static/live.js'; e.onload = () => ok('loaded'); e.onerror = no; document.body.append(e) }))
	  await tried('frame', () => new Promise(ok => { const f = document.createElement('iframe'); f.src = base + '/'; f.onload = () => { try { ok(f.contentDocument.body.innerText.slice(0, 40) || 'empty') } catch { ok('refused') } }; document.body.append(f) }))
	  document.getElementById('form').submit()
	  const w = open(base + '/alerts/worm2345'); await new Promise(r => setTimeout(r, 500)); await tried('window', () => w && !w.closed && w.document.body.innerText ? w.document.body.innerText : Promise.reject())
	  return out
	})()`, b.own+b.at), &got)
	for name, want := range map[string]string{"read": "refused", "opaque": "refused", "post": "refused", "json": "refused", "stream": "refused", "script": "refused", "frame": "refused", "window": "refused"} {
		if got[name] != want {
			t.Errorf("%s: %q", name, got[name])
		}
	}
	b.mu.Lock()
	b.problems = nil // of the attacker's page
	b.mu.Unlock()
	if calls := a.made(); len(calls) != 0 {
		t.Errorf("the agent was asked to %q", calls)
	}
	b.visit("/alerts/worm2345") // typed: the person's own session still works
	b.until("the alert", "document.querySelector('svg.tree')")
}

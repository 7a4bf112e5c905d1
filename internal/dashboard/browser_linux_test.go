package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// tab is a real browser with one page.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // guards what follows
	problems []string   // scripts that failed, what the policy stopped, requests to elsewhere, dialogs
	bytes    map[network.RequestID]float64
	own      string // host that may be asked
}

// open starts a Chromium, or skips the test.
func open(t *testing.T, s *dashboard.Server, options ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	exe, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(o, options...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	u, err := url.Parse(s.Link("/"))
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, ctx: ctx, own: u.Host, bytes: map[network.RequestID]float64{}}
	if err := chromedp.Listen(ctx, b.event); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Navigate(s.Link("/")), chromedp.WaitReady("main"))
	return b
}

func (b *tab) event(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprintf("exception: %+v", e.ExceptionDetails.Text))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.problems = append(b.problems, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "status of 404") { // what the policy stopped
			b.problems = append(b.problems, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		b.problems = append(b.problems, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != b.own && u.Scheme != "data" && u.Scheme != "file" {
			b.problems = append(b.problems, "asked "+u.Host)
		}
	case *network.EventLoadingFinished:
		b.bytes[e.RequestID] = e.EncodedDataLength
	}
}

// clean fails the test if something went wrong in the page.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Error(p)
	}
	b.problems = nil
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) visit(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate("http://"+b.own+path), chromedp.WaitReady("main"))
}

// eval returns what an expression says; promises are awaited.
func (b *tab) eval(js string, out any) {
	b.t.Helper()
	raw, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte]("(async () => ("+js+"))()", chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", js[:min(len(js), 200)], err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(raw, out); err != nil {
		b.t.Fatalf("%s: %v", js[:min(len(js), 200)], err)
	}
}

// until polls an expression.
func (b *tab) until(what, js string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		// While a page goes away its script may find nothing, or be cut off.
		raw, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte]("(() => { try { return !!("+js+") } catch { return false } })()"))
		if err == nil && string(raw) == "true" {
			return
		}
		if time.Now().After(deadline) {
			var html string
			b.eval("document.querySelector('main').innerText", &html)
			b.t.Fatalf("waited for %s; the page says\n%s", what, html)
		}
	}
}

// look emulates a screen.
func (b *tab) look(scheme string, width int) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		b.t.Fatal(err)
	}
	b.run(chromedp.EmulateViewport(int64(width), 900))
}

// shot keeps a picture of the page where the environment wants one.
func (b *tab) shot(name string) {
	dir := os.Getenv("WORMBELL_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// axe returns axe-core's source, or skips the test.
func axe(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("bash", "../../.ci/deps", "--axe").Output()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		t.Skip("needs axe-core: ", err)
	}
	return string(b)
}

// sound runs axe-core and fails the test for what is serious.
func (b *tab) sound(what, source string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](source))
	var found string
	b.eval(`axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + (n.any[0] ? n.any[0].message : ''))}))))`, &found)
	var list []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(found), &list); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range list {
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Errorf("%s: axe: %s (%s): %s\n  %s", what, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n  "))
		} else {
			b.t.Logf("%s: axe: %s (%s): %s %q", what, v.ID, v.Impact, v.Help, v.Nodes)
		}
	}
}

// fits fails the test if the page is wider than the window.
func (b *tab) fits(what string) {
	b.t.Helper()
	var over int
	b.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over)
	if over > 0 {
		var which string
		b.eval(`[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0,4).map(e => e.outerHTML.slice(0,120)).join('\n')`, &which)
		b.t.Errorf("%s is %d pixels too wide: %s", what, over, which)
	}
}

const maxWeight = 150 << 10

// TestPages: every page, light and dark, wide and on a phone, in both
// languages: nothing serious for axe-core, nothing from elsewhere, not heavy.
func TestPages(t *testing.T) {
	source := axe(t)
	for _, lang := range []language.Tag{language.English, language.Japanese} {
		t.Run(lang.String(), func(t *testing.T) {
			w := words.In(lang)
			s := serve(t, sample(), func(c *dashboard.Config) { c.Words = w })
			b := open(t, s)
			pages := map[string]string{"alerts": "/?state=all", "alert": "/alerts/worm2345", "itwasme": "/alerts/backup23/it-was-me", "itwasnot": "/alerts/worm2345/it-was-me", "respond": "/alerts/worm2345/respond", "credentials": "/credentials",
				"trust": "/trust", "packages": "/packages", "status": "/status", "missing": "/nothing"}
			for name, path := range pages {
				for _, scheme := range []string{"light", "dark"} {
					b.look(scheme, 1100)
					b.visit(path)
					switch name {
					case "respond":
						b.until("the plan", "document.getElementById('start')")
					case "status":
						b.until("a curve", "document.querySelector('svg.chart')")
					}
					b.eval("document.querySelectorAll('details:not(.ask)').forEach(d => { d.open = true })", nil)
					what := fmt.Sprintf("%s-%s-%s", name, lang, scheme)
					b.shot(what)
					b.fits(what)
					b.sound(what, source)
					b.look(scheme, 400)
					b.shot(what + "-400")
					b.fits(what + " on a phone")
					b.clean()
					if lang == language.Japanese {
						break // colours do not depend on the language
					}
				}
			}
		})
	}
}

// TestWeight: what the heaviest pages weigh, with everything that they load.
func TestWeight(t *testing.T) {
	a := sample()
	for i := range 300 {
		a.list = append(a.list, sweep(fmt.Sprintf("many%04d", i), wormbell.Package{Ecosystem: "npm", Name: fmt.Sprintf("evil-%d", i), Version: "1.0.0"}, day.Add(-time.Duration(i)*time.Hour)))
	}
	b := open(t, serve(t, a, nil))
	if _, err := chromedp.Call(b.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/alerts/worm2345", "/packages", "/status"} {
		b.mu.Lock()
		b.bytes = map[network.RequestID]float64{}
		b.mu.Unlock()
		b.visit(path)
		b.until("the style", "document.styleSheets.length > 0 && document.readyState === 'complete'")
		sum := func() (n float64) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, x := range b.bytes {
				n += x
			}
			return n
		}
		b.until("all of it", "performance.getEntriesByType('resource').length >= 2")
		if n := sum(); n > maxWeight || n < 10<<10 {
			t.Errorf("%s weighs %.0f bytes", path, n)
		} else {
			t.Logf("%s: %.1f kB", path, n/1000)
		}
	}
	b.clean()
}

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
	a.status.Problems = []string{evilName}
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
		b.eval("document.querySelectorAll('script:not([src^=\"/static/\"]), img, iframe, [onerror], [onclick], [style], a[href^=javascript]').length", &bad)
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
		fmt.Fprintf(w, `<!doctype html><main>attack</main><iframe name=f id=f></iframe><form id=form method=post target=f action="http://%[1]s/alerts/worm2345/close"><input name=csrf value=x></form>`, b.own)
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
	})()`, b.own), &got)
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

// TestLive: an alert appears without a reload, is told to who cannot see, and
// what somebody is typing stays.
func TestLive(t *testing.T) {
	a := sample()
	first := a.list[0]
	a.list = nil
	b := open(t, serve(t, a, nil))
	b.until("the quiet page", "document.querySelector('.calm')")
	b.eval("window.same = true", nil)
	a.add(first)
	b.until("the alert", `document.querySelector('[data-id=worm2345]')`)
	b.until("to be told", `document.getElementById('live').textContent.includes('open alert')`)
	var same bool
	if b.eval("window.same === true", &same); !same {
		t.Error("the page was loaded again")
	}
	b.visit("/alerts/worm2345")
	b.eval("document.querySelectorAll('details.ask')[0].open = true, document.querySelector('details.ask[open] input[name=reason]').focus()", nil)
	b.run(chromedp.SendKeys("details.ask[open] input[name=reason]", "it is fine"))
	a.mu.Lock()
	a.list[0].Actions = append(slices.Clone(a.list[0].Actions), wormbell.Action{Time: day, What: "note", Outcome: "seen by somebody else"})
	a.mu.Unlock()
	a.add(lone("another1", day))
	b.until("the note", "document.body.innerText.includes('seen by somebody else')")
	var typed string
	b.eval("document.querySelector('details.ask[open] input[name=reason]').value", &typed)
	if typed != "it is fine" {
		t.Errorf("what was typed is now %q", typed)
	}
	b.clean()
}

// TestRespondInBrowser: the plan, its start, a password, a question, a page to
// open, what is left; gone away from and come back to in between.
func TestRespondInBrowser(t *testing.T) {
	const password = "a-decoy-password"
	r := &script{hold: make(chan struct{})}
	b := open(t, serve(t, sample(), func(c *dashboard.Config) { c.Prepare = r.prepare }))
	b.visit("/alerts/worm2345")
	b.run(chromedp.Click(".actions a.main"))
	b.until("the plan", "document.getElementById('start')")
	r.mu.Lock()
	if r.began {
		t.Error("it began before anybody agreed")
	}
	r.mu.Unlock()
	b.eval("document.querySelector('.options details').open = true", nil)
	b.run(chromedp.Click("input[name=contain]"), chromedp.Click(".options button"))
	b.until("the other plan", "document.body.innerText.includes('contain now: true')")
	b.run(chromedp.Click("#start"))
	b.until("the password", "document.getElementById('secret')")
	b.shot("respond-question")
	b.visit("/status")
	b.visit("/alerts/worm2345/respond")
	b.run(chromedp.SendKeys("#secret", password), chromedp.Click(".question button.main"))
	b.until("the question", "document.querySelector('.question button[value=yes]')")
	var link string
	b.eval("[...document.querySelectorAll('.log a')].map(a => a.href).join(' ')", &link)
	if link != "https://registry.example.com/login/abc" {
		t.Errorf("pages to open: %q", link)
	}
	b.run(chromedp.Click(".question button[value=yes]"))
	b.until("no question", "!document.querySelector('.question')")
	close(r.hold)
	b.until("what is left", "document.body.innerText.includes('revoke what it holds')")
	b.shot("respond-done")
	r.mu.Lock()
	if r.got != password || !r.said {
		t.Errorf("the password arrived: %v, yes: %v", r.got == password, r.said)
	}
	r.mu.Unlock()
	var html string
	b.eval("document.documentElement.outerHTML + location.href", &html)
	if strings.Contains(html, password) {
		t.Error("the password stands in the page")
	}
	b.clean()
}

// TestKeyboard: everything can be reached and done without a mouse.
func TestKeyboard(t *testing.T) {
	a := sample()
	b := open(t, serve(t, a, nil))
	b.visit("/alerts/worm2345")
	var reached []string
	for range 60 {
		b.run(chromedp.KeyEvent("\t"))
		var at string
		b.eval(`(e => e === document.body ? 'body' : (e.innerText || e.name || e.className || '').trim().slice(0, 30) + '|' + (getComputedStyle(e).outlineStyle !== 'none' || e.matches('.skip')))(document.activeElement)`, &at)
		if at == "body" {
			break
		}
		reached = append(reached, at)
	}
	for i, want := range []string{"Skip to the content", "Wormbell", "Alerts", "Credentials"} {
		if i >= len(reached) || !strings.HasPrefix(reached[i], want) {
			t.Fatalf("the Tab key reaches %q", reached)
		}
	}
	for _, want := range []string{"Respond…", "Resume", "Close…", "End the processes…", "Download as a page"} {
		if !slices.ContainsFunc(reached, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("%s cannot be reached: %q", want, reached)
		}
	}
	for _, r := range reached {
		if !strings.HasSuffix(r, "|true") {
			t.Errorf("it cannot be seen that %q is reached", r)
		}
	}
	b.visit("/alerts/backup23")
	b.eval("document.querySelector('form[action$=freeze] button').focus()", nil)
	b.run(chromedp.KeyEvent("\r"), chromedp.WaitVisible(".flash"))
	if calls := a.made(); !slices.Contains(calls, "freeze backup23") {
		t.Errorf("the agent was asked to %q", calls)
	}
	b.clean()
}

package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"wormbell/internal/dashboard"
)

// tab is a real browser with one page.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // guards what follows
	problems []string   // scripts that failed, what the policy stopped, requests to elsewhere, dialogs
	bytes    map[network.RequestID]float64
	own      string // host that may be asked
	at       string // path below which the pages are
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
	b := &tab{t: t, ctx: ctx, own: u.Host, at: s.At(), bytes: map[network.RequestID]float64{}}
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
		if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "responded with a status of") { // what the policy stopped; pages that say what is wrong have a status of their own
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
	b.run(chromedp.Navigate("http://"+b.own+b.at+path), chromedp.WaitReady("main"))
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
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

// point moves the pointer.
func (b *tab) point(x, y float64) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: input.DispatchMouseEventTypeMouseMoved, X: x, Y: y}); err != nil {
		b.t.Fatal(err)
	}
}

// press presses and lets go of the main button where the pointer is.
func (b *tab) press(x, y float64) {
	b.t.Helper()
	for _, what := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
		if _, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: what, X: x, Y: y, Button: input.MouseButtonLeft, ClickCount: 1}); err != nil {
			b.t.Fatal(err)
		}
	}
}

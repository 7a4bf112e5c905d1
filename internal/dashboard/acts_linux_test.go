package dashboard_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
	"wormbell/internal/words"

	"golang.org/x/text/language"
	"slices"
	"strings"
	"testing"
	"wormbell"
	"wormbell/internal/dashboard"

	"github.com/chromedp/chromedp"
)

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
	var kept string
	b.eval("(e => e.type + ' ' + e.autocomplete + ' ' + getComputedStyle(e).webkitTextSecurity)(document.getElementById('secret'))", &kept)
	if kept != "text one-time-code disc" { // browsers offer to keep what is typed as a password
		t.Errorf("the password is typed into a field that is %q", kept)
	}
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

// TestImpostor: when the dashboard has ended, a program that takes its port is
// not believed by a page that is still open, and is sent no form.
func TestImpostor(t *testing.T) {
	a := sample()
	s, err := dashboard.Listen(dashboard.Config{Dial: func() (dashboard.Agent, error) { return a, nil }, Words: words.In(language.English)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	b := open(t, s)
	b.visit("/alerts/worm2345")
	b.until("the buttons", "document.querySelectorAll('form[method=post] button:enabled').length > 2")
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", b.own)
	if err != nil {
		t.Fatal(err)
	}
	var read atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/live") {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 100\n\nevent: changed\ndata: alerts\n\n")
			return
		}
		read.Add(1)
		fmt.Fprint(w, `<!doctype html><body data-mark="x"><main id="main"><p>All is quiet</p></main></body>`)
	})}
	go srv.Serve(l) // until Close below
	defer srv.Close()
	for deadline := time.Now().Add(30 * time.Second); read.Load() < 2 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
	}
	b.until("the page to say that it is lost", "!document.getElementById('live').classList.contains('away') && document.getElementById('live').textContent === document.body.dataset.lost")
	var state string
	b.eval("document.body.innerText.includes('All is quiet') + ' ' + document.querySelectorAll('form[method=post] button:enabled').length", &state)
	if state != "false 0" {
		t.Errorf("it shows what the other program says, and how many buttons can be pressed: %s", state)
	}
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
	for _, want := range []string{"Respond…", "Let it go on", "Close…", "End the processes…", "Download as a page"} {
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

package dashboard_test

import (
	"slices"
	"strings"
	"testing"
	"wormbell/internal/dashboard"

	"github.com/chromedp/chromedp"
)

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

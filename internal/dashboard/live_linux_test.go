package dashboard_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"wormbell"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"

	"github.com/chromedp/chromedp"
	"golang.org/x/text/language"
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
	b.eval("document.querySelector('details[data-id=ask-close]').open = true, document.querySelector('details.ask[open] input[name=reason]').focus()", nil)
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

// TestImpostor: when the dashboard has ended, a program that takes its port is
// not believed by a page that is still open, and is sent no form.
func TestImpostor(t *testing.T) {
	for _, path := range []string{"/alerts/worm2345", "/alerts/backup23/it-was-me", "/trust"} {
		t.Run(path, func(t *testing.T) { impostorAt(t, path) })
	}
}

func impostorAt(t *testing.T, path string) {
	a := sample()
	s, err := dashboard.Listen(dashboard.Config{Dial: func() (dashboard.Agent, error) { return a, nil }, Words: words.In(language.English),
		Suggest: func(wormbell.Alert, time.Duration, time.Time) ([]dashboard.Suggestion, string) {
			return []dashboard.Suggestion{{Row: a.rows[0], Sentence: "this"}}, ""
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }() // waited for below
	b := open(t, s)
	b.visit(path)
	b.until("the buttons", "document.querySelectorAll('form[method=post] button:enabled').length > 0")
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", b.own)
	if err != nil {
		t.Fatal(err)
	}
	var read, sent atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/live") {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 100\n\nevent: here\ndata: x\n\nevent: changed\ndata: alerts\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		if r.Method == "POST" {
			sent.Add(1)
		}
		read.Add(1)
		fmt.Fprint(w, `<!doctype html><body data-mark="x"><main id="main"><p>All is quiet</p></main></body>`)
	})}
	go srv.Serve(l) // until Close below
	defer srv.Close()
	b.until("the page to say that it is lost", "!document.getElementById('live').classList.contains('away') && document.getElementById('live').textContent === document.body.dataset.lost")
	var state string
	b.eval("document.body.innerText.includes('All is quiet') + ' ' + document.querySelectorAll('form[method=post] button:enabled').length", &state)
	b.eval("[...document.forms].filter(f => f.method === 'post').forEach(f => f.requestSubmit())", nil)
	var again int
	b.eval("fetch(document.currentScript?.src || location.href).then(() => 1)", &again) // a request after them
	if sent.Load() != 0 || read.Load() != 1 {
		t.Errorf("the other program was sent %d forms and asked for %d pages", sent.Load(), read.Load()-1)
	}
	if state != "false 0" {
		t.Errorf("it shows what the other program says, and how many buttons can be pressed: %s", state)
	}
}

// TestGoneLive: an open page turns when the agent ends, when another program
// takes its place, and back, without being loaded again; a page on which
// somebody chooses something keeps that.
func TestGoneLive(t *testing.T) {
	a := sample()
	a.list = nil
	b := open(t, serve(t, a, nil))
	b.until("the quiet page", "document.querySelector('.calm')")
	b.eval("window.same = true", nil)
	a.end(nil)
	b.until("the page to say that nobody watches", "window.same && document.querySelector('#gone h1').textContent.includes('is not watching') && document.title.includes('not watching')")
	b.until("to be told", "document.getElementById('live').textContent.includes('not watching')")
	var said bool
	if b.eval("document.body.innerText.includes('No open alerts')", &said); said {
		t.Error("it still says that all is quiet")
	}
	a.end(errImpostor)
	b.until("the impostor", "window.same && document.querySelector('#gone.impostor h1').textContent.includes('poses as')")
	a.end(errBarred)
	b.until("the closed socket", "window.same && document.querySelector('#gone.barred h1').textContent.includes('may not speak')")
	a.begin()
	b.until("the quiet page again", "window.same && document.querySelector('.calm h2').textContent.includes('No open alerts') && document.title.startsWith('Alerts')")

	a.add(lone("backup23", day))
	b.visit("/alerts/backup23/it-was-me")
	b.eval("window.same = true, document.querySelector('input[name=row]').click()", nil) // not this one
	a.end(nil)
	b.until("the band", "window.same && document.querySelector('#state .band').innerText.includes('is not watching')")
	a.begin()
	b.until("no band", "window.same && !document.querySelector('#state .band')")
	var chosen bool
	if b.eval("document.querySelector('input[name=row]').checked", &chosen); chosen {
		t.Error("what was chosen is lost")
	}
	until := time.Now().Add(time.Hour)
	a.mu.Lock()
	a.status.PausedUntil = &until
	a.mu.Unlock()
	a.add(lone("another1", day))
	b.until("the pause", "window.same && document.querySelector('#paused button')")
	b.run(chromedp.Click("#paused button"), chromedp.WaitVisible(".flash"))
	b.until("no pause", "!document.querySelector('#paused')")
	b.clean()
}

// TestDraftStays: what somebody types stays while the agent is away, and can not
// be sent until it is back.
func TestDraftStays(t *testing.T) {
	a := sample()
	b := open(t, serve(t, a, nil))
	b.visit("/alerts/worm2345")
	const reason = "document.querySelector('details[data-id=ask-close] input[name=reason]')"
	b.eval("document.querySelector('details[data-id=ask-close]').open = true, "+reason+".focus()", nil)
	b.run(chromedp.SendKeys("details.ask[open] input[name=reason]", "it is fine"))
	b.eval("window.same = true", nil)
	a.end(nil)
	b.until("the band", "window.same && document.querySelector('#state .band')?.innerText.includes('is not watching')")
	b.until("no button that can be pressed", "document.querySelectorAll('main form[method=post] button:enabled').length === 0")
	var typed string
	if b.eval(reason+"?.value ?? 'gone'", &typed); typed != "it is fine" {
		t.Errorf("while the agent is away, what was typed is %q", typed)
	}
	a.begin()
	b.until("the buttons again", "window.same && !document.querySelector('#state .band') && document.querySelectorAll('main form[method=post] button:enabled').length > 0")
	if b.eval(reason+"?.value ?? 'gone'", &typed); typed != "it is fine" {
		t.Errorf("when it is back, what was typed is %q", typed)
	}
	b.eval(reason+".value = ''", nil)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // the server may learn later than the page that it is back
		a.mu.Lock()
		n := len(a.watch)
		a.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody watches the agent again")
		}
	}
	a.end(nil)
	b.until("the whole page to say it, where nothing is typed", "window.same && document.getElementById('gone')")
	b.clean()
}

// TestNews: nothing moves under the hands of who uses the list; what is new is
// shown when they say so, and at once when they do nothing.
func TestNews(t *testing.T) {
	source := axe(t)
	a := sample()
	b := open(t, serve(t, a, nil))
	first := func() (id string) {
		b.eval("document.querySelector('.timeline [data-id]').dataset.id", &id)
		return id
	}
	var x, y float64
	b.eval("document.querySelector('[data-id=worm2345] a').getBoundingClientRect().x + 5", &x)
	b.eval("document.querySelector('[data-id=worm2345] a').getBoundingClientRect().y + 5", &y)
	b.point(x, y)
	b.until("the pointer to be there", "document.querySelector('[data-id=worm2345] a:hover')")
	a.add(lone("newer001", day.Add(time.Minute)))
	b.until("the line", "document.getElementById('news').innerText === '1 new alert: show'")
	a.add(lone("newer002", day.Add(2*time.Minute)))
	b.until("the line with two", "document.getElementById('news').innerText === '2 new alerts: show'")
	b.until("to be told", "document.getElementById('live').textContent === '2 new alerts: show'")
	var under string
	if b.eval(fmt.Sprintf("document.elementFromPoint(%f, %f).closest('[data-id]').dataset.id", x, y), &under); under != "worm2345" || first() != "worm2345" {
		t.Errorf("under the pointer is %s, first is %s", under, first())
	}
	b.shot("news")
	b.sound("news", source)
	b.run(chromedp.Click("#news button"))
	b.until("both", "document.getElementById('news').hidden && document.querySelector('[data-id=newer001]')")
	if got := first(); got != "newer002" {
		t.Errorf("first is %s", got)
	}
	// Somebody at the keyboard.
	b.point(2, 2)
	b.eval("document.querySelector('[data-id=worm2345] a').focus({preventScroll: true})", nil)
	a.add(lone("newer003", day.Add(3*time.Minute)))
	b.until("the line", "!document.getElementById('news').hidden")
	if got := first(); got != "newer002" {
		t.Errorf("in front of who is at the keyboard, first is %s", got)
	}
	b.eval("document.activeElement.blur()", nil)
	a.add(lone("newer004", day.Add(4*time.Minute)))
	b.until("all four", "document.getElementById('news').hidden && document.querySelector('[data-id=newer003]') && document.querySelector('[data-id=newer004]')")
	// An agent that ended is told at once, whatever somebody does.
	b.eval("document.querySelector('[data-id=worm2345] a').focus({preventScroll: true})", nil)
	a.end(nil)
	b.until("that nobody watches", "document.getElementById('gone')")
	b.clean()
}

// TestDeaf: a click that was aimed at a button which another one has just
// replaced does nothing.
func TestDeaf(t *testing.T) {
	a := sample()
	b := open(t, serve(t, a, nil))
	b.visit("/alerts/backup23")
	b.until("the stream", "performance.getEntriesByType('resource').length >= 2")
	var x, y float64
	b.eval("(r => r.x + r.width / 2)(document.querySelector('form[action$=freeze] button').getBoundingClientRect())", &x)
	b.eval("(r => r.y + r.height / 2)(document.querySelector('form[action$=freeze] button').getBoundingClientRect())", &y)
	b.point(x, y)
	b.until("the pointer to be there", "document.querySelector('form[action$=freeze] button:hover')")
	// At the moment at which the page changes; a person needs longer to see it.
	b.eval(`new MutationObserver((_, o) => { if (!document.querySelector('form[action$=freeze]')) { o.disconnect(); window.changed = true } }).observe(document.getElementById('main'), {childList: true, subtree: true, attributes: true})`, nil)
	a.mu.Lock()
	a.list[1].Actions = append(slices.Clone(a.list[1].Actions), wormbell.Action{Time: day, What: "freeze", Outcome: "Stopped 1 process.", Done: 1})
	a.mu.Unlock()
	a.add(lone("another1", day))
	b.until("another button", "window.changed")
	b.eval("window.sent = 0, document.addEventListener('submit', e => { window.sent++; e.preventDefault() }), document.addEventListener('toggle', () => { window.sent++ }, true)", nil)
	sent := func() (n int) { b.eval("window.sent", &n); return n }
	b.press(x, y)
	if sent() != 0 {
		t.Error("what was not aimed at was done")
	}
	b.eval("(r => r.x + r.width / 2)(document.querySelector('details[data-id=ask-resume] summary').getBoundingClientRect())", &x)
	b.eval("(r => r.y + r.height / 2)(document.querySelector('details[data-id=ask-resume] summary').getBoundingClientRect())", &y)
	b.point(x+6, y)
	b.press(x+6, y)
	b.until("a button to be pressed after the page has changed", "window.sent === 1")
	b.clean()
}

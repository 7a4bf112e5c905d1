package dashboard_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"
	"wormbell"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"golang.org/x/text/language"
)

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

// TestStates: the same for what the list says in each state of the agent.
func TestStates(t *testing.T) {
	source := axe(t)
	well := func(a *agent) {
		a.list = nil
		for i := range a.status.Detectors {
			a.status.Detectors[i].Sees = "sees"
		}
	}
	until := time.Now().Add(time.Hour)
	for _, lang := range []language.Tag{language.English, language.Japanese} {
		t.Run(lang.String(), func(t *testing.T) {
			a := sample()
			a.list = nil
			b := open(t, serve(t, a, func(c *dashboard.Config) { c.Words = words.In(lang) }))
			for _, state := range []struct {
				name, path, sign string
				set              func(*agent) // with its lock
				why              error        // for which it cannot be asked
			}{
				{name: "quiet", set: well, sign: ".calm:not(.less)"},
				{name: "past", set: func(a *agent) {
					well(a)
					for i, s := range []wormbell.State{wormbell.Closed, wormbell.Muted, wormbell.Closed} {
						x := lone(fmt.Sprintf("past%04d", i), day)
						x.State = s
						a.list = append(a.list, x)
					}
				}, sign: ".calm a[href$='state=all']"},
				{name: "blind", set: func(a *agent) { a.list = nil }, sign: ".calm.less .blind"},
				{name: "problems", set: func(a *agent) {
					well(a)
					a.status.Problems = []string{"the store cannot be written: no space left on device"}
				}, sign: ".flash.warn"},
				{name: "paused", set: func(a *agent) { a.status.PausedUntil = &until }, sign: "#paused button"},
				{name: "paused-status", path: "/status", set: func(a *agent) { a.status.PausedUntil, a.status.PausedForAll = &until, true }, sign: "#paused"},
				{name: "no-load", path: "/status", set: func(a *agent) { a.used = nil }, sign: "main"},
				{name: "no-packages", path: "/packages", set: well, sign: "main"},
				{name: "no-trust", path: "/trust", set: func(a *agent) { a.rows = nil }, sign: "main"},
				{name: "no-credentials", path: "/credentials", set: func(a *agent) { a.guarded = nil }, sign: "main"},
				{name: "gone", set: func(*agent) {}, why: errGone, sign: "#gone.absent"},
				{name: "impostor", set: func(*agent) {}, why: errImpostor, sign: "#gone.impostor"},
				{name: "barred", set: func(*agent) {}, why: errBarred, sign: "#gone.barred"},
			} {
				fresh := sample()
				a.begin()
				a.mu.Lock()
				a.list, a.status, a.used, a.rows, a.guarded = fresh.list, fresh.status, fresh.used, fresh.rows, fresh.guarded
				state.set(a)
				a.mu.Unlock()
				a.wake()
				if state.why != nil {
					a.end(state.why)
				}
				for _, scheme := range []string{"light", "dark"} {
					b.look(scheme, 1100)
					b.visit(cmp.Or(state.path, "/"))
					b.until(state.name, fmt.Sprintf("document.querySelector(%q)", state.sign))
					what := fmt.Sprintf("%s-%s-%s", state.name, lang, scheme)
					b.shot(what)
					b.fits(what)
					b.sound(what, source)
					b.look(scheme, 400)
					b.shot(what + "-400")
					b.fits(what + " on a phone")
					if lang == language.Japanese {
						break // colours do not depend on the language
					}
				}
				b.clean()
			}
		})
	}
}

package dashboard_test

import (
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

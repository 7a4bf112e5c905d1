package dashboard_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/text/language"

	"wormbell"
)

// TestAlertLooks: the page of an alert in each of its states, light and dark,
// wide and on a phone, in both languages.
func TestAlertLooks(t *testing.T) {
	source := axe(t)
	long := sweep("long2345", wormbell.Package{Ecosystem: "npm", Name: "@some-quite-long-organisation-name/evil-package-with-a-long-name", Version: "1.0.0-beta.12"}, day)
	for _, lang := range []language.Tag{language.English, language.Japanese} {
		t.Run(lang.String(), func(t *testing.T) {
			r, s := record(t, lang, func(r *recorder) {
				r.list = append(r.list, long)
				low := lone("low23456", day)
				low.Severity = wormbell.Low
				shut := sweep("shut2345", wormbell.Package{Ecosystem: "npm", Name: "evil", Version: "1.0.0"}, day)
				shut.State = wormbell.Closed
				none := lone("none2345", day)
				none.Actions = []wormbell.Action{{Time: day, What: "freeze-none", Outcome: "no process was stopped: none of the tree is running"}, {Time: day, What: "note", Outcome: "asked Ann"}}
				mine := lone("backup23", day)
				mine.Actions = []wormbell.Action{{Time: day, What: "freeze", Outcome: "stopped backup.py (pid 5001)", Done: 1, Left: 1}}
				r.list[1] = mine
				r.list = append(r.list, low, shut, none)
			}, nil)
			b := open(t, s)
			for name, path := range map[string]string{"list": "/?state=all", "long": "/alerts/long2345", "low": "/alerts/low23456", "shut": "/alerts/shut2345", "none": "/alerts/none2345", "frozen": "/alerts/backup23", "itwasme": "/alerts/backup23/it-was-me", "itwasnot": "/alerts/shut2345/it-was-me", "refused": "/alerts/worm2345/it-was-me"} {
				for _, scheme := range []string{"light", "dark"} {
					what := fmt.Sprintf("alert-%s-%s-%s", name, lang, scheme)
					b.look(scheme, 1100)
					b.visit(path)
					b.shot(what)
					b.eval("document.querySelectorAll('details').forEach(d => { d.open = true })", nil)
					b.fits(what)
					b.sound(what, source)
					b.look(scheme, 400)
					b.visit(path)
					b.shot(what + "-400")
					b.eval("document.querySelectorAll('details:not(.ask)').forEach(d => { d.open = true })", nil)
					b.fits(what + " on a phone")
					b.sound(what+" on a phone", source)
					b.look(scheme, 320)
					b.fits(what + " on a small phone")
					b.clean()
					if lang == language.Japanese {
						break // colours do not depend on the language
					}
				}
			}
			// What is said after an answer.
			b.look("light", 400)
			b.visit("/alerts/backup23/it-was-me")
			b.run(chromedp.Click("form.rows button.main"))
			b.until("the message", "document.querySelector('#flash button')")
			b.shot("alert-answered-" + lang.String() + "-400")
			b.sound("answered", source)
			r.set(func() { r.left = 2 })
			b.run(chromedp.Click("#flash button"))
			b.until("it to be undone", "document.querySelector('#flash .hint')")
			b.eval("document.querySelector('form[action$=freeze] button').click()", nil)
			b.until("the message", "document.querySelector('#flash details')")
			b.shot("alert-warned-" + lang.String() + "-400")
			b.eval("document.querySelectorAll('details').forEach(d => { d.open = true })", nil)
			b.shot("alert-open-" + lang.String() + "-400")
			b.look("dark", 1100)
			b.shot("alert-open-" + lang.String() + "-dark")
			b.sound("frozen in part", source)
			b.fits("frozen in part")
			b.clean()
		})
	}
}

// TestPhone: on a phone there are three buttons, and all others behind one; no
// text of the picture is cut that the wide one has.
func TestPhone(t *testing.T) {
	_, s := record(t, language.English, nil, nil)
	b := open(t, s)
	visible := func() (names []string) {
		b.eval("[...document.querySelectorAll('.actions .button, .actions button')].filter(e => e.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true}) && e.getClientRects().length && !e.closest('details:not([open]) > form')).map(e => e.textContent.trim())", &names)
		return names
	}
	b.look("light", 400)
	b.visit("/alerts/worm2345")
	if got, want := visible(), []string{"Respond…", "Let it go on…", "More"}; !slices.Equal(got, want) {
		t.Errorf("on a phone the buttons are %q, want %q", got, want)
	}
	b.run(chromedp.Click(".more > summary"))
	if got := visible(); len(got) != 8 || !slices.Contains(got, "Close…") {
		t.Errorf("behind More are %q", got)
	}
	var picture string
	b.eval("[...document.querySelectorAll('svg.tree.narrow text:not(.pid)')].map(e => e.textContent).join(' ')", &picture)
	for _, want := range []string{"left-pad/package.json", "--concurrency 16", "1.3.1)"} {
		if !strings.Contains(strings.ReplaceAll(picture, "- ", "-"), want) && !strings.Contains(strings.ReplaceAll(strings.ReplaceAll(picture, "/ ", "/"), "- ", "-"), want) {
			t.Errorf("the picture lacks %q: %s", want, picture)
		}
	}
	if strings.Contains(picture, "…") {
		t.Errorf("the picture is cut: %s", picture)
	}
	var small float64
	b.eval("(e => e.getBoundingClientRect().height / 12)(document.querySelector('svg.tree.narrow text'))", &small)
	if small < 1 {
		t.Errorf("its letters are %.2f as tall as they were drawn", small)
	}
	var over string
	b.eval(`[...document.querySelectorAll('svg.tree.narrow g')].filter(g => g.querySelector('rect')).flatMap(g => { const r = g.querySelector('rect').getBoundingClientRect(); return [...g.querySelectorAll('text')].filter(t => t.getBoundingClientRect().right > r.right + 1).map(t => t.textContent) }).join(' | ')`, &over)
	if over != "" {
		t.Errorf("it stands over the edge of its box: %s", over)
	}
	b.look("light", 1100)
	b.visit("/alerts/worm2345")
	if got := visible(); len(got) != 7 || slices.Contains(got, "More") {
		t.Errorf("where there is room the buttons are %q", got)
	}
	b.clean()
}

// TestFocus: after an action the message has the focus, and the title says it;
// a refusal, too.
func TestFocus(t *testing.T) {
	r, s := record(t, language.English, nil, nil)
	b := open(t, s)
	at := func() (id string) {
		b.eval("document.activeElement.id + ' ' + document.title", &id)
		return id
	}
	b.visit("/alerts/backup23")
	b.eval("document.querySelector('form[action$=freeze] button').focus()", nil)
	b.run(chromedp.KeyEvent("\r"))
	b.until("the message", "document.activeElement.id === 'flash'")
	if got := at(); !strings.HasPrefix(got, "flash 3 processes were frozen. – ") {
		t.Errorf("after the action: %s", got)
	}
	r.add(lone("another1", day)) // the page reads itself again
	b.until("the fresh page", "document.title.startsWith('backup.py')")
	if got := at(); !strings.HasPrefix(got, "flash ") {
		t.Errorf("after a change: %s", got)
	}
	r.set(func() { r.unclosed = errors.New("only from a terminal") })
	b.eval("document.querySelector('details[data-id=ask-close]').open = true", nil)
	b.eval("document.querySelector('details[data-id=ask-close] input[value=leave]').checked = true", nil)
	b.run(chromedp.Click("details[data-id=ask-close] button"))
	b.until("the refusal", "document.activeElement.id === 'flash' && document.activeElement.matches('[role=alert]')")
	b.clean()
}

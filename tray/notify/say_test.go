package notify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// TestNoticeSays: what stands in a notice.
func TestNoticeSays(t *testing.T) {
	t.Parallel()
	hostile := "<img src=x>&\x1b[2J\u202e" + strings.Repeat("x", 10000)
	for _, tag := range []language.Tag{language.English, language.Japanese} {
		p := notify.Policy{Words: words.In(tag), ItWasMe: func(a wormbell.Alert, _ time.Time) bool { return a.ID == "mine----" }}
		evil := alert("hostile-", wormbell.High, start, func(a *wormbell.Alert) {
			a.Title, a.Advice, a.Demo = hostile, hostile, true
			pkg := &wormbell.Package{Ecosystem: "npm", Name: hostile, Version: hostile}
			a.Findings[0].Summary, a.Findings[0].Subject = hostile, hostile
			a.Findings[0].Evidence[0].Path, a.Findings[0].Evidence[0].Package = hostile, pkg
			a.Findings[0].Evidence[0].Process = &wormbell.Process{PID: 3, Exe: hostile, Script: hostile, Args: []string{hostile}, Lifecycle: hostile, Package: pkg}
		})
		show, _, _ := p.Next(start, append(several(4, wormbell.Critical), evil), notify.Surroundings{})
		show2, _, _ := p.Next(start.Add(time.Minute), []wormbell.Alert{evil, alert("mine----", wormbell.High, start), alert("mine----2", wormbell.High, start, done("freeze"))}, notify.Surroundings{})
		show3, _, _ := p.Next(start.Add(2*time.Minute), []wormbell.Alert{alert("critical-x", wormbell.Critical, start)}, notify.Surroundings{Paused: until(time.Hour)})
		show4, _, _ := p.Next(start.Add(time.Hour), []wormbell.Alert{evil, alert("critical-x", wormbell.Critical, start)}, notify.Surroundings{})
		var fresh notify.Policy
		show5, _, _ := fresh.Next(start, []wormbell.Alert{evil}, notify.Surroundings{})
		all := slices.Concat(show, show2, show3, show4, show5)
		if len(all) < 8 {
			t.Fatalf("only %s", shown(all))
		}
		for _, n := range all {
			if n.Title == "" || n.Body == "" {
				t.Errorf("%s: %+v says nothing", tag, n)
			}
			for _, s := range []string{n.Title, n.Body} {
				if len([]rune(s)) > 400 || strings.ContainsAny(s, "\x1b\u202e\n") {
					t.Errorf("%s %s: %d characters: %.200q", tag, n.ID, len([]rune(s)), s)
				}
			}
			for _, b := range n.Buttons {
				if b.Label == "" || len([]rune(b.Label)) > 24 {
					t.Errorf("%s %s: button %+v", tag, n.ID, b)
				}
			}
			if len(n.Buttons) > 4 {
				t.Errorf("%s: %d buttons", n.ID, len(n.Buttons))
			}
		}
		buttons := func(id string) string {
			for _, n := range all {
				if n.ID == id {
					var out []string
					for _, b := range n.Buttons {
						out = append(out, string(b.Action))
					}
					return strings.Join(out, " ")
				}
			}
			return "no notice"
		}
		for id, want := range map[string]string{"critical-00": "respond freeze details", "mine----": "respond it-was-me freeze details",
			"mine----2": "respond resume details", "digest": "details", "pause": "end-pause", "hostile-": "respond freeze details"} {
			if got := buttons(id); got != want {
				t.Errorf("%s: the buttons of %s are %q, want %q", tag, id, got, want)
			}
		}
	}
}

// TestHeldInFewWords: what is told of late, while others may see the screen,
// names nobody; and the menu can say how much is held back.
func TestHeldInFewWords(t *testing.T) {
	t.Parallel()
	for _, tag := range []language.Tag{language.English, language.Japanese} {
		p := notify.Policy{Words: words.In(tag)}
		s := notify.Surroundings{ScreenShared: true}
		list := several(2, wormbell.High)
		p.Next(start, list, s)
		if got := p.Held(s); got != (notify.Held{Alerts: 2, ScreenShared: true}) {
			t.Errorf("%+v", got)
		}
		show, _, _ := p.Next(start.Add(time.Hour), list, s)
		if len(show) != 1 || !show[0].Through || strings.Contains(show[0].Title+show[0].Body, "node") || strings.Contains(show[0].Body, "npmrc") {
			t.Errorf("%+v", show)
		}
		if got := p.Held(s); got.Alerts != 0 {
			t.Errorf("%+v", got)
		}
		// The same at the end of a pause.
		p = notify.Policy{Words: words.In(tag)}
		p.Next(start, nil, notify.Surroundings{Paused: until(time.Minute)})
		p.Next(start.Add(time.Minute), list, s)
		show, _, _ = p.Next(start.Add(61*time.Minute), list, s)
		if len(show) != 1 || show[0].ID != notify.PauseID || !show[0].Through || strings.Contains(show[0].Body, "npmrc") {
			t.Errorf("%+v", show)
		}
	}
}

// TestFrozen: what was done last says whether something is stopped, unless it
// was in vain.
func TestFrozen(t *testing.T) {
	t.Parallel()
	did := func(what string, done, left int) wormbell.Action {
		return wormbell.Action{Time: start, What: what, Done: done, Left: left}
	}
	for _, tt := range []struct {
		name    string
		actions []wormbell.Action
		want    bool
		buttons string
	}{
		{name: "nothing", buttons: "respond freeze details"},
		{name: "frozen", actions: []wormbell.Action{did("freeze", 2, 0)}, want: true, buttons: "respond resume details"},
		{name: "frozen in part", actions: []wormbell.Action{did("freeze", 2, 1)}, want: true, buttons: "respond freeze details"},
		{name: "not counted", actions: []wormbell.Action{did("freeze", 0, 0)}, want: true, buttons: "respond resume details"},
		{name: "none was stopped", actions: []wormbell.Action{did("freeze-none", 0, 1)}, buttons: "respond freeze details"},
		{name: "none more", actions: []wormbell.Action{did("freeze", 1, 0), did("freeze-none", 0, 0)}, buttons: "respond freeze details"},
		{name: "resumed", actions: []wormbell.Action{did("freeze", 1, 0), did("resume", 1, 0)}, buttons: "respond freeze details"},
		{name: "resumed in vain", actions: []wormbell.Action{did("freeze", 1, 0), did("resume", 0, 1)}, want: true, buttons: "respond resume details"},
		{name: "ended", actions: []wormbell.Action{did("freeze", 1, 0), did("kill", 1, 0)}, buttons: "respond details"},
		{name: "ended in vain", actions: []wormbell.Action{did("freeze", 1, 0), did("kill", 0, 1)}, want: true, buttons: "respond resume details"},
	} {
		a := alert("critical-x", wormbell.Critical, start, func(a *wormbell.Alert) { a.Actions = tt.actions })
		if got := a.Frozen(); got != tt.want {
			t.Errorf("%s: frozen: %v", tt.name, got)
		}
		var buttons []string
		n := first(t, language.English, a)
		for _, b := range n.Buttons {
			buttons = append(buttons, string(b.Action))
		}
		if got := strings.Join(buttons, " "); got != tt.buttons {
			t.Errorf("%s: %q", tt.name, got)
		}
		if none := strings.Contains(n.Body, "Nothing could be frozen"); none != strings.HasPrefix(tt.name, "none ") {
			t.Errorf("%s: %s", tt.name, n.Body)
		}
	}
}

// TestDemonstration: a notice of a demonstration does not ask to act.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	for tag, want := range map[language.Tag]string{language.English: "This is a demonstration: nothing of yours was read.", language.Japanese: "これはデモです。"} {
		for _, actions := range [][]wormbell.Action{nil, {{What: "freeze", Done: 2}}, {{What: "freeze-none"}}} {
			n := first(t, tag, alert("critical-x", wormbell.Critical, start, func(a *wormbell.Alert) { a.Demo, a.Actions = true, actions }))
			if !strings.HasPrefix(n.Body, want) {
				t.Errorf("%v: %q", actions, n.Body)
			}
		}
	}
}

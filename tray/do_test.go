package tray

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wormbell"

	"wormbell/agent/client"
	"wormbell/tray/notify"
)

func TestClickAndAnswers(t *testing.T) {
	t.Parallel()
	const id = "abcd2340"
	for _, tt := range []struct {
		name   string
		act    Act
		answer notify.Answer
		page   string // of the dashboard
		asks   string // of the agent
		notice string // its title
	}{
		{name: "show", act: Act{Show, id}, answer: notify.Answer{Notice: id, Action: notify.Details}, page: "/alerts/" + id},
		{name: "respond", act: Act{Respond, id}, answer: notify.Answer{Notice: id, Action: notify.Respond}, page: "/alerts/" + id + "/respond"},
		{name: "it was me", act: Act{ItWasMe, id}, answer: notify.Answer{Notice: id, Action: notify.ItWasMe}, page: "/alerts/" + id + "/it-was-me"},
		{name: "freeze", act: Act{Freeze, id}, answer: notify.Answer{Notice: id, Action: notify.Freeze}, asks: "freeze " + id, notice: "It is frozen"},
		{name: "resume", act: Act{Resume, id}, answer: notify.Answer{Notice: id, Action: notify.Resume}, asks: "resume " + id, notice: "It goes on again"},
		{name: "close", act: Act{Close, id}, asks: "close " + id, notice: "The alert is closed"},
		{name: "pause", act: Act{Verb: Pause}, asks: "pause 1h0m0s"},
		{name: "end the pause", act: Act{Verb: EndPause}, answer: notify.Answer{Notice: notify.PauseID, Action: notify.EndPause}, asks: "pause 0s"},
		{name: "protect", act: Act{Verb: Protect}, asks: "protect true"},
		{name: "protect off", act: Act{Verb: Unprotect}, asks: "protect false"},
		{name: "dashboard", act: Act{Verb: All}, answer: notify.Answer{Notice: notify.DigestID, Action: notify.Details}, page: "/"},
		{name: "status", act: Act{Verb: Health}, answer: notify.Answer{Notice: notify.AgentID, Action: notify.Details}, page: "/status"},
		{name: "dismissed", answer: notify.Answer{Notice: id, Action: notify.Dismissed}},
		{name: "unknown action", answer: notify.Answer{Notice: id, Action: "rm -rf"}},
		{name: "an ID that is an option", act: Act{Show, "--help"}},
		{name: "an ID that is a path", act: Act{Respond, "../status"}, answer: notify.Answer{Notice: "../x", Action: notify.Respond}},
		{name: "an ID from a hostile agent", act: Act{Freeze, strings.Repeat("a", 5000)}},
	} {
		for _, by := range []string{"a click", "an answer"} {
			if by == "a click" && tt.act == (Act{}) || by == "an answer" && tt.answer == (notify.Answer{}) {
				continue
			}
			t.Run(tt.name+" by "+by, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					b := begin(t, nil)
					rest(time.Second)
					b.notifier.take()
					if by == "a click" {
						b.screen.click <- tt.act
					} else {
						b.notifier.answers <- tt.answer
					}
					rest(time.Second)
					pages, commands := b.opened()
					if got := strings.Join(pages, " "); got != tt.page || len(commands) > 0 {
						t.Errorf("opened %q %q, want %q", got, commands, tt.page)
					}
					_, _, asked := b.agent.counts()
					if got := strings.Join(asked, " "); got != tt.asks {
						t.Errorf("asked %q, want %q", got, tt.asks)
					}
					title := ""
					for _, n := range b.notifier.take() {
						title += n.Title
					}
					if title != tt.notice {
						t.Errorf("told %q, want %q", title, tt.notice)
					}
					b.end(t)
				})
			})
		}
	}
}

// TestFreezeOutcome: what a freeze did is told by how many it was done to, and
// the notice of it leads to its alert.
func TestFreezeOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		did         wormbell.Action
		verb        Verb
		title, body string
	}{
		{wormbell.Action{What: "freeze", Done: 3}, Freeze, "It is frozen", "3 processes were stopped"},
		{wormbell.Action{What: "freeze", Done: 1, Left: 2}, Freeze, "It is frozen", "2 others could not be stopped"},
		{wormbell.Action{What: "freeze-none", Left: 2}, Freeze, "Nothing was frozen", "2 processes could not be stopped"},
		{wormbell.Action{What: "freeze-none"}, Freeze, "Nothing was frozen", "None of its processes runs any more"},
		{wormbell.Action{What: "resume", Done: 2}, Resume, "It goes on again", "2 processes go on"},
		{wormbell.Action{What: "resume"}, Resume, "Nothing was left to go on", "have ended"},
		{wormbell.Action{What: "resume", Left: 2}, Resume, "Nothing could be let go on", "2 processes stay as they are. To try again, in a terminal: wormbell alert resume abcd2340"},
		{wormbell.Action{What: "resume", Outcome: "no process was continued: none of the tree was stopped"}, Resume, "Nothing was left to go on", "It runs already."},
		{wormbell.Action{What: "note"}, Freeze, "It is frozen", "stopped 3 processes"}, // nothing is noted: the agent's word stands
	} {
		synctest.Test(t, func(t *testing.T) {
			b := begin(t, nil)
			rest(time.Second)
			b.notifier.take()
			b.agent.set(func() { b.agent.did = []wormbell.Action{tt.did} })
			b.screen.click <- Act{tt.verb, "abcd2340"}
			rest(time.Second)
			got := b.notifier.take()
			if len(got) != 1 || got[0].ID != notify.OutcomeID || got[0].Title != tt.title || !strings.Contains(got[0].Body, tt.body) {
				t.Errorf("%+v: told %+v", tt.did, got)
			}
			b.notifier.answers <- notify.Answer{Notice: notify.OutcomeID, Action: notify.Details}
			rest(time.Second)
			if pages, _ := b.opened(); strings.Join(pages, " ") != "/alerts/abcd2340" {
				t.Errorf("%+v: opened %q", tt.did, pages)
			}
			b.end(t)
		})
	}
}

// TestResumeOutcome: of what is still frozen is told, and not of a shell that
// was never stopped; nor is it said that anything goes on if the agent says not.
func TestResumeOutcome(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		did         []wormbell.Action
		says        string // of the agent; "" for what it says by itself
		verb        Verb
		title, body string
	}{
		"some stay frozen": {[]wormbell.Action{{What: "freeze", Done: 3}, {What: "resume", Done: 1, Left: 2}}, "", Resume, "It goes on again", "The process goes on again. 2 processes stay as they are. To try again, in a terminal: wormbell alert resume abcd2340"},
		"a shell":          {[]wormbell.Action{{What: "freeze", Done: 2, Left: 1}, {What: "resume", Done: 2, Left: 1}}, "", Resume, "It goes on again", "2 processes go on again."},
		"none is noted":    {nil, "no process was continued; left alone 1: bash (12): not allowed", Resume, "Nothing could be let go on", "no process was continued; left alone 1: bash (12): not allowed"},
		"no freeze noted":  {nil, "no process was stopped: it has ended", Freeze, "Nothing was frozen", "no process was stopped: it has ended"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := begin(t, nil)
			rest(time.Second)
			b.notifier.take()
			b.agent.set(func() { b.agent.did, b.agent.says = tt.did, tt.says })
			b.screen.click <- Act{tt.verb, "abcd2340"}
			rest(time.Second)
			got := b.notifier.take()
			if len(got) != 1 || got[0].Title != tt.title || got[0].Body != tt.body {
				t.Errorf("%s: told %+v", name, got)
			}
			b.end(t)
		})
	}
}

// TestCloseFrozen: what is to become of frozen processes is asked in the
// dashboard before their alert is closed; where there is none, they are told of.
func TestCloseFrozen(t *testing.T) {
	t.Parallel()
	frozen := []wormbell.Action{{What: "freeze", Done: 1}}
	for name, tt := range map[string]struct {
		did           []wormbell.Action
		change        func(*Config)
		fail          error
		page, command string
		asked, body   string
	}{
		"frozen":                  {did: frozen, page: "/alerts/abcd2340"},
		"frozen, and no port":     {did: frozen, fail: errors.New("no port is free"), page: "/alerts/abcd2340", command: "alert show abcd2340"},
		"frozen, without browser": {did: frozen, change: func(c *Config) { c.Dashboard = nil }, asked: "close abcd2340", body: "stay frozen. To let them go on, in a terminal: wormbell alert resume abcd2340"},
		"resumed":                 {did: append(frozen, wormbell.Action{What: "resume", Done: 1}), asked: "close abcd2340", body: "reopen"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := begin(t, tt.change)
			b.mu.Lock()
			b.fail = tt.fail
			b.mu.Unlock()
			rest(time.Second)
			b.notifier.take()
			b.agent.set(func() { b.agent.did = tt.did })
			b.screen.click <- Act{Close, "abcd2340"}
			rest(time.Second)
			pages, commands := b.opened()
			_, _, asked := b.agent.counts()
			body := ""
			for _, n := range b.notifier.take() {
				body += n.Body
			}
			if strings.Join(pages, " ") != tt.page || strings.Join(commands, ";") != tt.command || strings.Join(asked, " ") != tt.asked || !strings.Contains(body, tt.body) || tt.body == "" && body != "" {
				t.Errorf("%s: opened %q %q, asked %q, told %q", name, pages, commands, asked, body)
			}
			b.end(t)
		})
	}
}

// TestFreezeInJapanese: between two sentences there is no space.
func TestFreezeInJapanese(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, func(c *Config) { c.Words = japanese() })
		rest(time.Second)
		b.notifier.take()
		b.agent.set(func() { b.agent.did = []wormbell.Action{{What: "freeze", Done: 1, Left: 2}} })
		b.screen.click <- Act{Freeze, "abcd2340"}
		rest(time.Second)
		if got := b.notifier.take(); len(got) != 1 || !strings.Contains(got[0].Body, "。停止できなかった") {
			t.Errorf("told %+v", got)
		}
		b.end(t)
	})
}

// TestRefusal: what the agent says against a click is shown word for word.
func TestRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		rest(time.Second)
		for _, tt := range []struct {
			refuse error
			want   []string
		}{
			{&client.Error{Status: 403, Text: "refused to close abcd2340: the call comes from no terminal", Advice: "run it in a terminal"}, []string{"the call comes from no terminal", "run it in a terminal"}},
			{errors.New("something\x1b[2J else"), []string{`something\x1b[2J else`}},
		} {
			b.agent.set(func() { b.agent.refuse = tt.refuse })
			b.screen.click <- Act{Close, "abcd2340"}
			rest(2 * time.Second)
			got := b.notifier.take()
			if len(got) != 1 || got[0].Title != "This was not done" {
				t.Fatalf("%+v", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got[0].Body, want) {
					t.Errorf("%q does not say %q", got[0].Body, want)
				}
			}
		}
		b.agent.stop(client.ErrNoAgent)
		rest(time.Millisecond)
		b.screen.click <- Act{Freeze, "abcd2340"}
		rest(time.Millisecond)
		if got := b.notifier.take(); len(got) != 1 || !strings.Contains(got[0].Body, "no agent is running") {
			t.Errorf("without an agent: %+v", got)
		}
		b.end(t)
	})
}

// TestNoBrowser: without a dashboard the same is done in a terminal, and without
// that the person is told the command.
func TestNoBrowser(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		change        func(*Config)
		fail          error
		command, told string
	}{
		{name: "no browser", change: func(c *Config) { c.Dashboard = nil }, command: "alert trust abcd2340"},
		{name: "the dashboard fails", fail: errors.New("no port is free"), command: "alert trust abcd2340"},
		{name: "neither", change: func(c *Config) { c.Dashboard, c.Terminal = nil, nil }, told: "wormbell alert trust abcd2340"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := begin(t, tt.change)
				b.mu.Lock()
				b.fail = tt.fail
				b.mu.Unlock()
				rest(time.Second)
				b.notifier.take()
				b.screen.click <- Act{ItWasMe, "abcd2340"}
				rest(time.Second)
				_, commands := b.opened()
				if got := strings.Join(commands, ";"); got != tt.command {
					t.Errorf("ran %q, want %q", got, tt.command)
				}
				told := ""
				for _, n := range b.notifier.take() {
					told += n.Body
				}
				if !strings.Contains(told, tt.told) || tt.told == "" && told != "" {
					t.Errorf("told %q, want %q", told, tt.told)
				}
				if _, _, asked := b.agent.counts(); len(asked) > 0 {
					t.Errorf("it was me asked the agent: %q", asked)
				}
				b.end(t)
			})
		})
	}
}

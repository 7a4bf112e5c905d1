package tray

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// fakeAgent is an agent in memory, which can go away and come back.
type fakeAgent struct {
	mu      sync.Mutex // guards all
	err     error      // of whatever is asked; nil while it runs
	unread  error      // of reading alerts
	refuse  error      // of calls that change something
	status  wormbell.Status
	alerts  []wormbell.Alert
	asked   []string // what it was asked to do
	dials   int
	reads   int
	changed chan struct{} // closed and made anew when something changes
	gone    chan struct{} // closed when it goes away
}

func newFakeAgent() *fakeAgent {
	return &fakeAgent{changed: make(chan struct{}), gone: make(chan struct{}),
		status: wormbell.Status{Version: "1", Owner: true, Sensors: []wormbell.Sensor{{Name: "credentials", Backend: "fanotify", Who: true}}}}
}

func (f *fakeAgent) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.status.Alerts = len(f.alerts)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeAgent) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	close(f.gone)
}

func (f *fakeAgent) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.gone = nil, make(chan struct{})
}

func (f *fakeAgent) dial() (Agent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	return f, f.err
}

func (f *fakeAgent) Status(context.Context) (wormbell.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return f.status, f.err
}

func (f *fakeAgent) Brief(context.Context) ([]wormbell.Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.alerts), errors.Join(f.err, f.unread)
}

func (f *fakeAgent) Changes(ctx context.Context, changed func() error) error {
	for {
		f.mu.Lock()
		next, gone := f.changed, f.gone
		f.mu.Unlock()
		if err := changed(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-gone:
			return fmt.Errorf("%w: it ended the conversation", client.ErrNoAgent)
		case <-next:
		}
	}
}

// counts returns how often it was read and connected to, and what it was asked to do.
func (f *fakeAgent) counts() (reads, dials int, asked []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads, f.dials, slices.Clone(f.asked)
}

func (f *fakeAgent) do(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
	return f.refuse
}

func (f *fakeAgent) Close(_ context.Context, id, reason string) error { return f.do("close " + id) }
func (f *fakeAgent) Freeze(_ context.Context, id string) (string, error) {
	return "stopped 3 processes", f.do("freeze " + id)
}
func (f *fakeAgent) Resume(_ context.Context, id string) (string, error) {
	return "continued 3 processes", f.do("resume " + id)
}
func (f *fakeAgent) Pause(_ context.Context, d time.Duration) error {
	return f.do("pause " + d.String())
}
func (f *fakeAgent) Protect(_ context.Context, on bool) error {
	return f.do(fmt.Sprint("protect ", on))
}

// fakeScreen keeps what is shown.
type fakeScreen struct {
	mu    sync.Mutex // guards what follows
	items []Item
	looks Icon
	draws int

	menus chan struct{}
	click chan Act
}

func (s *fakeScreen) show(items []Item, icon Icon, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items, s.looks = items, icon
	s.draws++
	return nil
}
func (s *fakeScreen) clicks() <-chan Act      { return s.click }
func (s *fakeScreen) opened() <-chan struct{} { return s.menus }
func (s *fakeScreen) menu() []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items
}
func (s *fakeScreen) icon() Icon {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}
func (s *fakeScreen) says(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.items, func(i Item) bool { return strings.Contains(i.Label, text) })
}

// fakeNotifier keeps what it is given to show.
type fakeNotifier struct {
	mu        sync.Mutex // guards what follows
	shown     []notify.Notice
	withdrawn []string
	answers   chan notify.Answer
}

func (n *fakeNotifier) Name() string  { return "fake" }
func (n *fakeNotifier) Buttons() bool { return true }
func (n *fakeNotifier) Show(_ context.Context, x notify.Notice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shown = append(n.shown, x)
	return nil
}
func (n *fakeNotifier) Withdraw(_ context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.withdrawn = append(n.withdrawn, id)
	return nil
}
func (n *fakeNotifier) Answers() <-chan notify.Answer { return n.answers }
func (n *fakeNotifier) Close() error                  { return nil }

// take returns what was shown since it was last asked.
func (n *fakeNotifier) take() (out []notify.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out, n.shown = n.shown, nil
	return out
}

// bench is a running tray.
type bench struct {
	agent    *fakeAgent
	screen   *fakeScreen
	notifier *fakeNotifier
	mu       sync.Mutex // guards what follows
	pages    []string
	commands []string
	fail     error // of the dashboard
	cancel   context.CancelFunc
	done     chan error
}

func (b *bench) opened() (pages, commands []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pages, commands = b.pages, b.commands
	b.pages, b.commands = nil, nil
	return pages, commands
}

// begin starts a tray in a bubble of time.
func begin(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{agent: newFakeAgent(), screen: &fakeScreen{click: make(chan Act), menus: make(chan struct{})},
		notifier: &fakeNotifier{answers: make(chan notify.Answer)}, done: make(chan error, 1)}
	c := Config{Dial: b.agent.dial, Notify: b.notifier, Words: english(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Dashboard: func(_ context.Context, page string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.pages = append(b.pages, page)
			return b.fail
		},
		Terminal: func(_ context.Context, args ...string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.commands = append(b.commands, strings.Join(args, " "))
			return nil
		}}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	go func() { b.done <- c.run(ctx, b.screen) }()
	t.Cleanup(cancel)
	return b
}

// end ends the tray; all that it started has ended then.
func (b *bench) end(t *testing.T) {
	t.Helper()
	b.cancel()
	if err := <-b.done; err != nil {
		t.Error(err)
	}
}

// rest lets time pass and everything that is due happen.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAgentComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, func(c *Config) {})
		b.agent.set(func() { b.agent.alerts = sample(1, nil).Alerts })
		rest(time.Second)
		if !b.screen.says("1 open alert") || b.screen.icon() != (Icon{Ringing, 1}) {
			t.Fatalf("%+v", b.screen.menu())
		}
		// It is told at once that it has gone, and shows nothing from memory.
		b.agent.stop(client.ErrNoAgent)
		rest(time.Millisecond)
		if !b.screen.says("not running") || b.screen.says("Theft") || b.screen.icon().State != Less {
			t.Errorf("the agent has gone: %+v", b.screen.menu())
		}
		// A restart is seen soon, with what happened meanwhile.
		rest(3 * time.Second)
		b.agent.set(func() { b.agent.alerts = sample(2, nil).Alerts })
		b.agent.restart()
		rest(5 * time.Second)
		if !b.screen.says("2 open alerts") {
			t.Errorf("the agent is back: %+v", b.screen.menu())
		}
		// However long it is away, it is looked for; when the menu opens, at once.
		b.agent.stop(fmt.Errorf("open: %w", fs.ErrPermission))
		rest(3 * time.Hour)
		if !b.screen.says("may not be asked") {
			t.Errorf("not permitted: %+v", b.screen.menu())
		}
		b.agent.restart()
		b.screen.menus <- struct{}{}
		rest(time.Millisecond)
		if !b.screen.says("2 open alerts") {
			t.Errorf("the menu was opened: %+v", b.screen.menu())
		}
		b.agent.stop(client.ErrImpostor)
		rest(time.Millisecond)
		b.end(t)
	})
}

// TestTrouble: an agent that answers badly has not gone, and what it said before
// is not forgotten for that.
func TestTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		b.agent.set(func() { b.agent.alerts = sample(1, nil).Alerts })
		rest(10 * time.Second)
		b.notifier.take()
		// A flood makes a list that takes too long to read.
		b.agent.set(func() {
			b.agent.alerts, b.agent.unread = sample(2, nil).Alerts, fmt.Errorf("read the agent's answer: %w", context.DeadlineExceeded)
		})
		rest(10 * time.Minute)
		if !b.screen.says("1 open alert") || !b.screen.says("does not hand out") || b.screen.says("not running") {
			t.Errorf("the list cannot be read: %+v", b.screen.menu())
		}
		for _, n := range b.notifier.take() {
			if n.ID == notify.AgentID {
				t.Errorf("told: %+v", n)
			}
		}
		b.agent.set(func() { b.agent.unread = nil })
		rest(10 * time.Second)
		if !b.screen.says("2 open alerts") || b.screen.says("does not hand out") {
			t.Errorf("the list can be read again: %+v", b.screen.menu())
		}
		b.agent.stop(fmt.Errorf("ask the agent: %w", context.DeadlineExceeded))
		rest(time.Minute)
		if !b.screen.says("does not answer") || b.screen.says("not running") || b.screen.icon().State != Less {
			t.Errorf("it hangs: %+v", b.screen.menu())
		}
		b.end(t)
	})
}

// TestQuietOnResources: nothing is asked more often than every 30 seconds, with
// an agent or without one, and nothing is drawn again that shows already.
func TestQuietOnResources(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		rest(time.Minute)
		reads, dials, _ := b.agent.counts()
		rest(time.Hour)
		reads2, dials2, _ := b.agent.counts()
		if n := reads2 - reads; n > 120 || n < 60 {
			t.Errorf("it asked %d times in an hour", n)
		}
		if dials2 != dials {
			t.Errorf("it connected anew %d times", dials2-dials)
		}
		b.agent.stop(client.ErrNoAgent)
		rest(5 * time.Minute)
		_, dials, _ = b.agent.counts()
		rest(time.Hour)
		_, dials2, _ = b.agent.counts()
		if n := dials2 - dials; n > 120 || n < 100 {
			t.Errorf("it looked for the agent %d times in an hour", n)
		}
		b.end(t)
	})
}

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
		{name: "freeze", act: Act{Freeze, id}, answer: notify.Answer{Notice: id, Action: notify.Freeze}, asks: "freeze " + id, notice: "Freeze: done"},
		{name: "resume", act: Act{Resume, id}, answer: notify.Answer{Notice: id, Action: notify.Resume}, asks: "resume " + id, notice: "Going on again: done"},
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

// TestNotices: an alert is told, once; in a pause it is not, and its end is told.
func TestNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		rest(10 * time.Second)
		alert := sample(1, nil).Alerts[0]
		alert.Severity, alert.First, alert.Last = wormbell.High, time.Now(), time.Now()
		b.agent.set(func() { b.agent.alerts = []wormbell.Alert{alert} })
		rest(time.Second)
		if got := b.notifier.take(); len(got) != 1 || got[0].ID != alert.ID {
			t.Fatalf("told %+v", got)
		}
		for range 5 { // nothing new
			b.agent.set(func() {})
			rest(time.Second)
		}
		if got := b.notifier.take(); len(got) != 0 {
			t.Errorf("told again: %+v", got)
		}
		until := time.Now().Add(time.Hour)
		b.agent.set(func() { b.agent.status.PausedUntil = &until })
		rest(time.Second)
		if !b.screen.says("End the pause") {
			t.Errorf("%+v", b.screen.menu())
		}
		second := alert
		second.ID = "zzzz2345"
		b.agent.set(func() { b.agent.alerts = []wormbell.Alert{second, alert} })
		rest(30 * time.Minute)
		for _, n := range b.notifier.take() {
			if n.ID == second.ID {
				t.Errorf("told in a pause: %+v", n)
			}
		}
		rest(time.Until(until) + 200*time.Millisecond)
		if b.screen.says("End the pause") || !b.screen.says("Pause notifications") {
			t.Errorf("the pause still shows: %+v", b.screen.menu())
		}
		rest(time.Minute)
		if got := b.notifier.take(); len(got) == 0 {
			t.Error("the end of the pause was not told")
		}
		b.end(t)
	})
}

// TestFlood: however fast alerts change, the tray reads them at its own pace.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := 50 * time.Millisecond // that one reading takes
		b := begin(t, nil)
		c := Config{Dial: func() (Agent, error) { return slowAgent{b.agent, slow}, nil }, Words: english(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
		b.end(t)
		screen := &fakeScreen{click: make(chan Act), menus: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.run(ctx, screen) }()
		rest(10 * time.Second)
		before, _, _ := b.agent.counts()
		for range 3000 { // for half a minute
			b.agent.set(func() { b.agent.alerts = sample(1, nil).Alerts })
			rest(10 * time.Millisecond)
		}
		after, _, _ := b.agent.counts()
		if n := after - before; n < 10 || n > 35 {
			t.Errorf("it read %d times in half a minute, each of %v", n, slow)
		}
		rest(10 * time.Second)
		if !screen.says("1 open alert") {
			t.Errorf("%+v", screen.menu())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type slowAgent struct {
	*fakeAgent
	takes time.Duration
}

func (s slowAgent) Status(ctx context.Context) (wormbell.Status, error) {
	time.Sleep(s.takes)
	return s.fakeAgent.Status(ctx)
}

// TestQuits: Quit ends it, and so does the session.
func TestQuits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, nil)
		b.screen.click <- Act{Verb: Quit}
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		over := make(chan struct{})
		b = begin(t, func(c *Config) { c.Ended = over })
		rest(time.Second)
		close(over)
		if err := <-b.done; err != nil {
			t.Error(err)
		}
	})
}

// english is made once: it takes a while.
var english = sync.OnceValue(func() *words.Words { return words.In(language.English) })

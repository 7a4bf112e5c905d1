// Package tray shows in the desktop's panel how the guard of this machine
// stands: an icon, and a menu with the open alerts and what can be done about
// them. It hands notices to a notifier, and what a person answers to the agent
// or the dashboard.
//
// [Menu] and [IconOf] make the menu and the icon of a [Model], and do nothing
// else; the files systray_… draw them. The tray holds no state: it reads the
// agent anew whenever something changed. It knows neither detectors nor
// responders nor how the agent works, and it serves nothing.
package tray

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// Agent is what the tray asks of the agent; a [client.Client] is one.
type Agent interface {
	Status(ctx context.Context) (wormbell.Status, error)
	Brief(ctx context.Context) ([]wormbell.Alert, error) // the open ones, newest first, with little evidence
	Changes(ctx context.Context, changed func() error) error
	Close(ctx context.Context, id, reason string) error
	Alert(ctx context.Context, id string) (wormbell.Alert, error)
	Freeze(ctx context.Context, id string) (string, error)
	Resume(ctx context.Context, id string) (string, error)
	Pause(ctx context.Context, d time.Duration) error
	Protect(ctx context.Context, on bool) error
}

// Config is what the tray works with.
type Config struct {
	Dial      func() (Agent, error)                           // connects to the agent; an error that wraps [client.ErrNoAgent] where there is none
	Notify    notify.Notifier                                 // nil where there is none
	Dashboard func(ctx context.Context, page string) error    // opens a page of the dashboard; nil where there is no browser
	Terminal  func(ctx context.Context, args ...string) error // runs wormbell with args in a terminal window; nil where there is none
	// ItWasMe reports whether a trust row can be made of an alert; nil for none.
	ItWasMe func(a wormbell.Alert, now time.Time) bool
	// Surroundings tells whether the person may be disturbed now; nil for not
	// known. What the tray knows itself need not be filled in.
	Surroundings func(ctx context.Context) notify.Surroundings
	Other        *Holder         // who has the tray's name in this session and is no tray; nil for nobody
	Shown        func() bool     // whether the desktop shows the icon; nil for yes
	Ended        <-chan struct{} // closed when the desktop session has ended; may be nil
	Words        *words.Words
	Log          *slog.Logger
	Now          func() time.Time
}

// ErrNoLibrary is wrapped by the error of [Run] in a program that was built
// without what draws the icon here.
var ErrNoLibrary = errors.New("built without an icon for this system")

// Run shows the icon until ctx is done, the desktop session ends or the person
// quits; it then returns nil. It must be called by the main goroutine, and once.
func Run(ctx context.Context, c Config) error {
	if c.Dial == nil || c.Words == nil || c.Log == nil || c.Now == nil {
		return errors.New("tray: something of its configuration is missing: a bug")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		started sync.Mutex // guards what follows
		over    bool       // the library has ended
		ended   chan struct{}
		failed  error
	)
	err := display(func(k toolkit, quit func()) {
		started.Lock()
		defer started.Unlock()
		if over {
			return
		}
		screen := newCanvas(k, c.Now)
		done := make(chan struct{})
		ended = done
		go func() { // the tray itself; waited for below
			defer close(done)
			failed = c.run(ctx, screen)
			screen.close()
			quit()
		}()
	})
	cancel()
	started.Lock()
	over = true
	started.Unlock()
	if ended != nil {
		<-ended
	}
	return errors.Join(err, failed)
}

// screen is where the tray shows itself: a [canvas].
type screen interface {
	show([]Item, Icon, string) error
	clicks() <-chan Act
	opened() <-chan struct{}
}

func (c *canvas) clicks() <-chan Act      { return c.acts }
func (c *canvas) opened() <-chan struct{} { return c.toolkit.opened() }

// reading is what one look at the agent gave.
type reading struct {
	agent  Agent // nil unless it answers
	state  AgentState
	why    string
	status wormbell.Status
	alerts []wormbell.Alert
	unread bool // the alerts are older than the status: they could not be read
}

// run shows what the agent says and does what clicks ask for.
func (c Config) run(ctx context.Context, s screen) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	readings, look := make(chan reading), make(chan struct{}, 1)
	wg.Go(func() { c.link(ctx, readings, look) })
	redraw := make(chan struct{}, 1)
	tell := newTeller(c, func() { poke(redraw) })
	wg.Go(func() { tell.run(ctx) })
	if c.Other != nil {
		tell.say(notify.Notice{ID: notify.NameID, Severity: wormbell.High, Sticky: true, Title: c.Words.Say(words.TrayNameTaken),
			Body:    c.Words.Say(words.TrayNameTakenBody, strconv.Itoa(c.Other.PID), c.Other.Name),
			Buttons: []notify.Button{{Action: notify.Details, Label: c.Words.Say(words.NoticeDetails)}}})
	}
	do := &doer{Config: c, say: tell.say, look: func() { poke(look) }}
	defer do.wait()

	var answers <-chan notify.Answer
	if c.Notify != nil {
		answers = c.Notify.Answers()
	}
	now := reading{}
	clock := time.NewTimer(0) // redraws when what is shown passes by itself
	defer clock.Stop()
	for {
		m := c.model(now)
		m.Held, m.Untold = tell.holds(), tell.untold()
		if err := s.show(Menu(m), IconOf(m), m.tip()); err != nil {
			return fmt.Errorf("show the icon: %w", err)
		}
		clock.Reset(m.next())
		select {
		case <-ctx.Done():
			return nil
		case <-c.Ended:
			c.Log.Info("the desktop session has ended")
			return nil
		case <-clock.C:
		case <-redraw:
		case now = <-readings:
			do.agent(now)
			tell.hear(now)
		case <-s.opened():
			poke(look)
		case act := <-s.clicks():
			if act.Verb == Quit {
				return nil
			}
			do.act(ctx, act)
		case a, ok := <-answers:
			if !ok {
				answers = nil
				continue
			}
			tell.answered(a)
			do.answer(ctx, a)
		}
	}
}

// model makes the model of a reading.
func (c Config) model(r reading) Model {
	return Model{Agent: r.state, Why: r.why, Status: r.status, Alerts: r.alerts, Words: c.Words, Now: c.Now(),
		Browser: c.Dashboard != nil, Terminal: c.Terminal != nil}
}

// tip is what shows at the icon: nothing in it is from outside, as some
// desktops read it as a markup.
func (m Model) tip() string { return m.Words.Say(words.TrayTip, m.status()) }

// next is how long what m shows stays true by itself: until the pause ends, and
// until the day does, as times of another day show their date.
func (m Model) next() time.Duration {
	y, month, d := m.Now.Date()
	at := time.Date(y, month, d+1, 0, 0, 0, 0, m.Now.Location())
	if paused(m) && m.Status.PausedUntil.Before(at) {
		at = *m.Status.PausedUntil
	}
	return max(at.Sub(m.Now), 0) + 100*time.Millisecond
}

// poke wakes who listens to c, once.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

const (
	// pollEvery is how often the agent's status is read anew. Alerts are told
	// by the agent; that a sensor has gone down is not.
	pollEvery = 30 * time.Second
	// A lost agent is looked for again after firstRetry, then later each time,
	// and when the menu is opened. A restart takes it a second or two.
	firstRetry, lastRetry = 250 * time.Millisecond, 30 * time.Second
	// askTime bounds a question to the agent, which is on this machine.
	askTime = 10 * time.Second
	// restShare is how many times longer than a reading took the tray rests
	// before the next, so that a flood of alerts costs it little; but for no
	// longer than restMost, as what is new must be told.
	restShare, restMost = 20, 3 * time.Second
)

// link keeps in touch with the agent and hands out what it says, until ctx is
// done. look asks for a reading now.
func (c Config) link(ctx context.Context, out chan<- reading, look <-chan struct{}) {
	hand := func(r reading) {
		select {
		case out <- r:
		case <-ctx.Done():
		}
	}
	delay, last := firstRetry, Connecting
	for ctx.Err() == nil {
		agent, err := c.Dial()
		if err == nil {
			err = c.follow(ctx, agent, look, func(r reading) {
				if delay = firstRetry; last != Here {
					c.Log.Info("the agent answers", "version", r.status.Version, "agent_pid", r.status.PID)
				}
				last = Here
				hand(r)
			})
		}
		if ctx.Err() != nil {
			return
		}
		r := reading{state: stateOf(err), why: err.Error()}
		if last != r.state {
			c.Log.Warn("the agent does not answer", "err", err)
		}
		last = r.state
		hand(r)
		retry := time.NewTimer(delay)
		select {
		case <-ctx.Done():
		case <-retry.C:
		case <-look:
		}
		retry.Stop()
		delay = min(2*delay, lastRetry)
	}
}

// stateOf tells from an error how the tray stands with the agent.
func stateOf(err error) AgentState {
	switch {
	case errors.Is(err, client.ErrImpostor):
		return Impostor
	case errors.Is(err, fs.ErrPermission):
		return Forbidden
	case errors.Is(err, client.ErrNoAgent):
		return Absent
	}
	return Silent
}

// follow hands out what the agent says whenever it changes, until it goes away
// or ctx is done.
func (c Config) follow(ctx context.Context, agent Agent, look <-chan struct{}, hand func(reading)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	changed, gone := make(chan struct{}, 1), make(chan error, 1)
	wg.Go(func() {
		gone <- agent.Changes(ctx, func() error { poke(changed); return nil })
	})
	r := reading{agent: agent, state: Here}
	for {
		all := true
		poll := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			poll.Stop()
			return ctx.Err()
		case err := <-gone:
			poll.Stop()
			if err == nil {
				err = client.ErrNoAgent
			}
			return err
		case <-changed:
		case <-look:
		case <-poll.C:
			all = false
		}
		poll.Stop()
		began := time.Now()
		next, err := c.read(ctx, r, all)
		if err != nil {
			return err
		}
		r = next
		hand(r)
		select {
		case <-ctx.Done():
		case <-time.After(min(restShare*time.Since(began), restMost)):
		}
	}
}

// read asks the agent: for its status, and for the alerts too if all is set.
func (c Config) read(ctx context.Context, r reading, all bool) (reading, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var err error
	if r.status, err = r.agent.Status(ctx); err != nil {
		return r, err
	}
	// The status counts alerts, too: should a change have been missed.
	if !all && !r.unread && r.status.Alerts == len(r.alerts) {
		return r, nil
	}
	alerts, err := r.agent.Brief(ctx)
	if r.unread = err != nil; !r.unread {
		r.alerts = alerts
		return r, nil
	}
	if stateOf(err) != Silent {
		return r, err
	}
	// The agent is there: what it said before still is the best that is known.
	c.Log.Warn("the agent's alerts cannot be read", "err", err)
	r.status.Problems = append(slices.Clone(r.status.Problems), c.Words.Say(words.TrayUnread))
	return r, nil
}

package tray

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	asked   []string          // what it was asked to do
	did     []wormbell.Action // what it notes of every alert
	says    string            // what it says of a freeze and a resume; "" for what it did
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
func (f *fakeAgent) Alert(_ context.Context, id string) (wormbell.Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return wormbell.Alert{ID: id, Actions: slices.Clone(f.did)}, nil
}
func (f *fakeAgent) Freeze(_ context.Context, id string) (string, error) {
	return cmp.Or(f.says, "stopped 3 processes"), f.do("freeze " + id)
}
func (f *fakeAgent) Resume(_ context.Context, id string) (string, error) {
	return cmp.Or(f.says, "continued 3 processes"), f.do("resume " + id)
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
	fail      error // of showing
	withdrawn []string
	answers   chan notify.Answer
}

func (n *fakeNotifier) Name() string  { return "fake" }
func (n *fakeNotifier) Buttons() bool { return true }
func (n *fakeNotifier) Show(_ context.Context, x notify.Notice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shown = append(n.shown, x)
	return n.fail
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

// english is made once: it takes a while.
var english = sync.OnceValue(func() *words.Words { return words.In(language.English) })

var japanese = sync.OnceValue(func() *words.Words { return words.In(language.Japanese) })

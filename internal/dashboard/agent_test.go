package dashboard_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/dashboard"
)

// errImpostor and errBarred are what the way to an agent says of another's
// socket, and of one that is closed to us.
var (
	errImpostor = fmt.Errorf("ask: %w", fmt.Errorf("%w: /run/x.sock belongs to uid 1001", client.ErrImpostor))
	errBarred   = fmt.Errorf("the agent's socket /run/x.sock may not be opened: %w", fs.ErrPermission)
)

// TestTrue: a page never shows what was true before the agent ended: it says at
// once that nobody watches, or that somebody else answers.
func TestTrue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		why  error
		want string
	}{
		{"ended", nil, "Wormbell is not watching"},
		{"impostor", errImpostor, "Another program poses as the Wormbell agent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			a.list = nil
			b := visit(t, serve(t, a, nil), "/")
			poll(t, "the list to be kept", func() bool { return a.watched() })
			if got := b.get("/", nil); got.status != 200 || !strings.Contains(got.body, "No open alerts") {
				t.Fatalf("with an agent: %d", got.status)
			}
			a.end(tt.why)
			for _, path := range []string{"/", "/?state=all", "/alerts/worm2345", "/credentials", "/trust", "/packages", "/status"} {
				got := b.get(path, nil)
				if got.status != 503 || !strings.Contains(got.body, tt.want) || !strings.Contains(got.body, "wormbell doctor") {
					t.Errorf("%s: %d, and does not say %q", path, got.status, tt.want)
				}
				if strings.Contains(got.body, "No open alerts") {
					t.Errorf("%s says that all is quiet", path)
				}
			}
			a.begin()
			if got := b.get("/", nil); got.status != 200 || !strings.Contains(got.body, "No open alerts") {
				t.Errorf("once it is back: %d", got.status)
			}
		})
	}
}

// TestUnreachable: so it is when the agent could not be reached from the start.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{"Another program poses as the Wormbell agent": errImpostor, "This user may not speak to Wormbell": errBarred} {
		s := serve(t, sample(), func(c *dashboard.Config) {
			c.Dial = func() (dashboard.Agent, error) { return nil, err }
		})
		if got := stranger(t, s).get(s.Link("/"), nil); got.status != 503 || !strings.Contains(got.body, want) || strings.Contains(got.body, "is not watching") {
			t.Errorf("%d; it does not say %q", got.status, want)
		}
	}
}

// TestStuck: an agent that takes what it is asked and never answers is none.
func TestStuck(t *testing.T) {
	t.Parallel()
	a := sample()
	b := visit(t, serve(t, a, nil), "/")
	a.mu.Lock()
	a.stuck = true
	a.mu.Unlock()
	if got := b.get("/", nil); got.status != 503 || !strings.Contains(got.body, "it does not answer") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestQuiet: what is said when no alert is open: how many there were, and what
// is not seen.
func TestQuiet(t *testing.T) {
	t.Parallel()
	well := func(a *agent) {
		for i := range a.status.Detectors {
			a.status.Detectors[i].Sees = "sees"
		}
	}
	closed := func(n int) func(*agent) {
		return func(a *agent) {
			a.list = nil
			for i := range n {
				x := lone(fmt.Sprintf("c%07d", i), day.Add(-time.Duration(i)*time.Hour))
				x.State = []wormbell.State{wormbell.Closed, wormbell.Muted}[i%2]
				a.list = append(a.list, x)
			}
		}
	}
	const amber = `class="calm less"`
	for _, tt := range []struct {
		name        string
		make        []func(*agent)
		path        string
		want, never []string
	}{
		{"nothing yet", []func(*agent){well, closed(0)}, "/", []string{"No open alerts", "has recorded no alert here yet", `class="calm"`}, []string{"closed or hidden", amber}},
		{"one closed", []func(*agent){well, closed(1)}, "/", []string{"No open alerts", "1 closed or hidden alert: show it", `href="AT/?state=all"`, `class="calm"`}, []string{"has recorded no alert", amber}},
		{"some closed", []func(*agent){well, closed(3)}, "/", []string{"3 closed or hidden alerts: show all"}, []string{"has recorded no alert"}},
		{"all that are listed", []func(*agent){well, closed(1000)}, "/", []string{"1,000 or more closed or hidden alerts"}, nil},
		{"shown", []func(*agent){well, closed(3)}, "/?state=all", []string{"No open alerts", `data-id="c0000002"`}, []string{`class="calm`}},
		{"blind", []func(*agent){closed(0)}, "/", []string{amber, "No open alerts, but not everything is seen", "A decoy was read", "blind", "cannot see who"}, []string{"A credential was read by"}},
		{"a problem", []func(*agent){well, closed(0), func(a *agent) { a.status.Problems = []string{"the disk is full"} }}, "/", []string{amber, "the disk is full"}, nil},
		{"blind, with alerts", nil, "/", []string{"there may be more", `data-id="worm2345"`}, nil},
		{"not blind, with alerts", []func(*agent){well}, "/", []string{`data-id="worm2345"`}, []string{"there may be more"}},
		{"none fit", []func(*agent){well, closed(1)}, "/?severity=high", []string{"No alert is like that"}, []string{`class="calm`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			for _, f := range tt.make {
				f(a)
			}
			s := serve(t, a, nil)
			body := visit(t, s, "/").get(tt.path, nil).body
			for _, want := range tt.want {
				if !strings.Contains(body, strings.ReplaceAll(want, "AT", s.At())) {
					t.Errorf("it does not say %q", want)
				}
			}
			for _, never := range tt.never {
				if strings.Contains(body, never) {
					t.Errorf("it says %q", never)
				}
			}
		})
	}
}

// TestPause: every page says that notifications are paused, until when, and how
// to end that.
func TestPause(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	until := now.Add(40 * time.Minute)
	for _, tt := range []struct {
		name       string
		all, owner bool
		want       string
		ends       bool
	}{
		{"mine", false, false, "Notifications are paused until today at 12:40.", true},
		{"everybody's", true, false, "An administrator has paused notifications for everybody until today at 12:40.", false},
		{"everybody's, to root", true, true, "An administrator has paused notifications for everybody until today at 12:40.", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			a.status.PausedUntil, a.status.PausedForAll, a.status.Owner = &until, tt.all, tt.owner
			b := visit(t, serve(t, a, func(c *dashboard.Config) { c.Now = func() time.Time { return now } }), "/")
			for _, path := range []string{"/", "/alerts/worm2345", "/alerts/backup23/it-was-me", "/alerts/worm2345/respond", "/credentials", "/trust", "/packages", "/status", "/nothing"} {
				got := b.get(path, nil).body
				if !strings.Contains(got, tt.want) {
					t.Errorf("%s does not say %q", path, tt.want)
				}
				if strings.Contains(got, "/pause/end") != tt.ends {
					t.Errorf("%s: it can be ended: %v", path, !tt.ends)
				}
			}
			for back, to := range map[string]string{"/status": "/status", "//evil.example": "/", "": "/"} {
				got := b.post("/pause/end", url.Values{"csrf": {b.csrf()}, "back": {back}}, nil)
				if u, err := url.Parse(got.url); err != nil || "/"+strings.SplitN(u.Path, "/", 3)[2] != to {
					t.Errorf("after the end of a pause on %q it leads to %s", back, got.url)
				}
			}
			if !slices.Contains(a.made(), "pause 0s ") {
				t.Errorf("the agent was asked to %q", a.made())
			}
			if got := b.get("/", nil).body; strings.Contains(got, "paused until") {
				t.Error("the pause is still said after its end")
			}
		})
	}
}

// TestArrivals: a package that arrives is noted once, however many pages look,
// and also after the agent was started again.
func TestArrivals(t *testing.T) {
	t.Parallel()
	a := sample()
	b := visit(t, serve(t, a, nil), "/")
	var opened atomic.Int32
	for range 3 {
		go b.listen("/live?page=packages", &opened)
	}
	count := func() int { return strings.Count(b.get("/packages", nil).body, "~/app/node_modules/x") }
	poll(t, "three open pages", func() bool { return opened.Load() == 3 && count() > 0 })
	if n := count(); n != 1 {
		t.Errorf("one package arrived %d times", n)
	}
	a.end(nil)
	a.begin()
	poll(t, "a package of the agent that was started again", func() bool { return count() == 2 })
}

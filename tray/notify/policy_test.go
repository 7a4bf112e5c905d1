package notify_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

var start = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

// alert is one that a detector raised just now.
func alert(id string, severity wormbell.Severity, at time.Time, more ...func(*wormbell.Alert)) wormbell.Alert {
	a := wormbell.Alert{ID: id, Title: "Title of " + id, Advice: "Look at it.", Severity: severity, State: wormbell.Open, First: at, Last: at, Count: 1,
		Findings: []wormbell.Finding{{Detector: "credential-read", Subject: "~/.npmrc", Summary: "evil@1.0.0 read ~/.npmrc", Severity: severity,
			Evidence: []wormbell.Event{{Time: at, Kind: wormbell.FileRead, Path: "~/.npmrc", Process: &wormbell.Process{PID: 7, Start: at, Exe: "/usr/bin/node"}}}}}}
	for _, change := range more {
		change(&a)
	}
	return a
}

func state(s wormbell.State) func(*wormbell.Alert) {
	return func(a *wormbell.Alert) { a.State = s }
}

func found(detector string, severity wormbell.Severity) func(*wormbell.Alert) {
	return func(a *wormbell.Alert) {
		a.Findings = append(slices.Clone(a.Findings), wormbell.Finding{Detector: detector, Severity: severity})
		a.Severity = max(a.Severity, severity)
	}
}

func done(what string) func(*wormbell.Alert) {
	return func(a *wormbell.Alert) {
		a.Actions = append(slices.Clone(a.Actions), wormbell.Action{Time: start.Add(time.Hour), What: what})
	}
}

// step is one call of Next and what it is to return: notices as "ID severity",
// with "!" if sticky.
type step struct {
	at       time.Duration
	alerts   []wormbell.Alert
	around   notify.Surroundings
	answered string // before the call
	failed   string
	show     string
	withdraw string
	again    time.Duration // 0: never
}

func until(d time.Duration) *time.Time {
	at := start.Add(d)
	return &at
}

func shown(list []notify.Notice) string {
	var out []string
	for _, n := range list {
		s := n.ID + " " + n.Severity.String()
		if n.Sticky {
			s += "!"
		}
		if n.Through {
			s += " through"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func demo(a wormbell.Alert) wormbell.Alert {
	a.Demo = true
	return a
}

func several(n int, severity wormbell.Severity) (list []wormbell.Alert) {
	for i := range n {
		list = append(list, alert(fmt.Sprintf("%s-%02d", severity, i), severity, start.Add(time.Duration(i)*time.Millisecond)))
	}
	return list
}

// first is the first notice that the policy shows of alerts.
func first(t testing.TB, tag language.Tag, alerts ...wormbell.Alert) notify.Notice {
	t.Helper()
	p := notify.Policy{Words: words.In(tag)}
	show, _, _ := p.Next(start, alerts, notify.Surroundings{})
	if len(show) != 1 {
		t.Fatalf("%d notices", len(show))
	}
	return show[0]
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	low, medium, high, critical := wormbell.Low, wormbell.Medium, wormbell.High, wormbell.Critical
	english := words.In(language.English)
	one := func(a wormbell.Alert) []wormbell.Alert { return []wormbell.Alert{a} }
	a := alert("alert--a", high, start)
	b := alert("alert--b", medium, start)
	c := alert("alert--c", critical, start)
	older := func(a wormbell.Alert) wormbell.Alert {
		a.First, a.Last = start.Add(-time.Hour), start.Add(-time.Hour)
		return a
	}
	for name, steps := range map[string][]step{
		"nothing": {{}},
		"low is never shown": {
			{alerts: several(5, low)},
			{at: m, alerts: one(alert("low-00", high, start)), show: "low-00 high"}, // until it no longer is
		},
		"once": {
			{alerts: one(a), show: "alert--a high"},
			{at: m, alerts: one(a)},
			{at: time.Hour, alerts: one(a)},
		},
		"sticky when critical": {{alerts: one(c), show: "alert--c critical!"}},
		"the gravest first":    {{alerts: []wormbell.Alert{b, a, c}, show: "alert--c critical!, alert--a high, digest medium"}},
		"demonstrations last":  {{alerts: []wormbell.Alert{demo(alert("alert--d", critical, start)), b, a}, show: "alert--a high, alert--b medium, alert--d critical!"}},
		"the same twice":       {{alerts: []wormbell.Alert{a, a}, show: "alert--a high"}},
		"more of the same is not new": {
			{alerts: one(a), show: "alert--a high"},
			{at: m, alerts: one(alert("alert--a", high, start, func(a *wormbell.Alert) { a.Count = 99; a.Last = start.Add(m) }))},
			{at: m, alerts: one(alert("alert--a", high, start, found("credential-read", high)))},
			{at: m, alerts: one(alert("alert--a", high, start, found("history-secret", medium)))},
		},
		"graver": {
			{alerts: one(b), show: "alert--b medium"},
			{at: m, alerts: one(alert("alert--b", critical, start)), show: "alert--b critical!"},
			{at: 2 * m, alerts: one(alert("alert--b", critical, start))},
		},
		"another detector, as grave": {
			{alerts: one(a), show: "alert--a high"},
			{at: m, alerts: one(alert("alert--a", high, start, found("worm-command", high))), show: "alert--a high"},
			{at: 2 * m, alerts: one(alert("alert--a", high, start, found("worm-command", high)))},
		},
		"frozen": {
			{alerts: one(a), show: "alert--a high"},
			{at: m, alerts: one(alert("alert--a", high, start, done("freeze"))), show: "alert--a high"},
			{at: 2 * m, alerts: one(alert("alert--a", high, start, done("freeze")))},
			{at: 3 * m, alerts: one(alert("alert--a", high, start, done("freeze"), done("resume")))},
		},
		"closed elsewhere": {
			{alerts: one(a), show: "alert--a high"},
			{at: m, alerts: one(alert("alert--a", high, start, state(wormbell.Closed))), withdraw: "alert--a"},
			{at: 2 * m, alerts: one(alert("alert--a", high, start, state(wormbell.Closed)))},
			{at: 3 * m, alerts: one(a)}, // who reopened it knows it
		},
		"muted elsewhere": {
			{alerts: one(c), show: "alert--c critical!"},
			{at: m, alerts: one(alert("alert--c", critical, start, state(wormbell.Muted))), withdraw: "alert--c"},
			{at: 2 * m, alerts: one(c), show: "alert--c critical!"},
		},
		"merged into another": {
			{alerts: []wormbell.Alert{a, b}, show: "alert--a high, alert--b medium"},
			{at: m, alerts: one(a), withdraw: "alert--b"},
		},
		"muted from the start": {{alerts: one(alert("alert--a", high, start, state(wormbell.Muted)))}},
		"no flood": {
			{alerts: several(9, high), show: "high-00 high, high-01 high, digest high"},
			{at: m, alerts: several(9, high)},
			// What came first is known; the next has room again.
			{at: 2 * m, alerts: append(several(9, high), alert("later", high, start.Add(2*m))), show: "later high"},
			{at: 3 * m, withdraw: "high-00, high-01, later, digest"},
		},
		"one place is kept for the critical": {
			{alerts: several(5, medium), show: "medium-00 medium, medium-01 medium, digest medium"},
			{at: time.Second, alerts: append(several(5, medium), c), show: "alert--c critical!"},
			{at: 2 * time.Second, alerts: append(append(several(5, medium), c), several(2, critical)...), again: 30 * time.Second},
			{at: 30 * time.Second, alerts: append(append(several(5, medium), c), several(2, critical)...), show: "digest critical!"},
			{at: 31 * time.Second, alerts: append(append(several(5, medium), c), several(2, critical)...)},
		},
		"the digest slows down": {
			{alerts: several(3, high), show: "high-00 high, high-01 high, digest high"},
			{at: time.Second, alerts: several(4, high), again: m},
			{at: m - 1, alerts: several(4, high), again: m},
			{at: m, alerts: several(4, high), show: "digest high"},
		},
		"a digest that was answered begins anew": {
			{alerts: several(4, critical), show: "critical-00 critical!, critical-01 critical!, critical-02 critical!, digest critical!"},
			{at: m / 2, alerts: several(5, critical), answered: "digest", show: "digest critical!"},
			{at: m, alerts: several(5, critical)[:4], withdraw: "digest"},
		},
		"an alert of the digest that became graver": {
			{alerts: several(3, high), show: "high-00 high, high-01 high, digest high"},
			{at: time.Second, alerts: append(several(2, high), alert("high-02", critical, start)), show: "high-02 critical!", withdraw: "digest"},
		},
		"a notice that became graver past the limit": {
			{alerts: several(3, critical), show: "critical-00 critical!, critical-01 critical!, critical-02 critical!"},
			{at: 50 * time.Second, alerts: append(several(3, critical), a), show: "digest high"},
			{at: 61 * time.Second, alerts: append(several(3, critical), a, b), show: "alert--b medium"},
			{at: 62 * time.Second, alerts: append(append(several(5, critical), a), b), show: "critical-03 critical!, critical-04 critical!"},
			{at: 80 * time.Second, alerts: append(several(5, critical), a, alert("alert--b", critical, start)), show: "digest critical!", withdraw: "alert--b"},
		},
		"do not disturb": {
			{alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}, again: 30 * time.Second},
			{at: m, alerts: []wormbell.Alert{a, b, c}, around: notify.Surroundings{DoNotDisturb: true}, show: "alert--c critical!", again: m + 30*time.Second},
			{at: 2 * m, alerts: []wormbell.Alert{a, b, c}, show: "digest high"},
			{at: 3 * m, alerts: []wormbell.Alert{a, b, c}},
		},
		"the screen is shared": {
			{alerts: one(a), around: notify.Surroundings{ScreenShared: true}, again: 30 * time.Second},
			{at: m, alerts: one(a), show: "alert--a high"},
		},
		"it became critical while nobody was to be disturbed": {
			{alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}, again: 30 * time.Second},
			{at: m, alerts: []wormbell.Alert{alert("alert--a", critical, start), b}, around: notify.Surroundings{DoNotDisturb: true}, show: "alert--a critical!", again: m + 30*time.Second},
			{at: 2 * m, alerts: []wormbell.Alert{alert("alert--a", critical, start), b}, show: "alert--b medium"},
		},
		"do not disturb, without end": {
			{alerts: []wormbell.Alert{a}, around: notify.Surroundings{DoNotDisturb: true}, again: 30 * time.Second},
			{at: 40 * m, alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}, again: 40*m + 30*time.Second},
			{at: time.Hour - 10*time.Second, alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}, again: time.Hour},
			{at: time.Hour, alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}, show: "digest high through"},
			{at: 61 * m, alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}},
			{at: 70 * m, alerts: []wormbell.Alert{a, b, alert("alert--x", high, start)}, around: notify.Surroundings{DoNotDisturb: true}, again: 70*m + 30*time.Second},
			{at: 129 * m, alerts: []wormbell.Alert{a, b, alert("alert--x", high, start)}, around: notify.Surroundings{DoNotDisturb: true}, again: 129*m + 30*time.Second},
			{at: 130 * m, alerts: []wormbell.Alert{a, b, alert("alert--x", high, start)}, around: notify.Surroundings{DoNotDisturb: true}, show: "digest high through"},
		},
		"do not disturb, and what was held back is over": {
			{alerts: one(a), around: notify.Surroundings{DoNotDisturb: true}, again: 30 * time.Second},
			{at: 50 * m, around: notify.Surroundings{DoNotDisturb: true}},
			{at: 59 * m, alerts: one(b), around: notify.Surroundings{DoNotDisturb: true}, again: 59*m + 30*time.Second},
			{at: 61 * m, alerts: one(b), around: notify.Surroundings{DoNotDisturb: true}, again: 61*m + 30*time.Second},
		},
		"the screen is shared for ever": {
			{alerts: one(a), around: notify.Surroundings{ScreenShared: true}, again: 30 * time.Second},
			{at: time.Hour, alerts: one(a), around: notify.Surroundings{ScreenShared: true}, show: "digest high through"},
			{at: 2 * time.Hour, withdraw: "digest", around: notify.Surroundings{ScreenShared: true}},
		},
		"late, and the digest was just shown": {
			{alerts: one(a), around: notify.Surroundings{DoNotDisturb: true}, again: 30 * time.Second},
			{at: time.Hour - 10*time.Second, alerts: append(several(4, critical), a), around: notify.Surroundings{DoNotDisturb: true},
				show: "critical-00 critical!, critical-01 critical!, critical-02 critical!, digest critical!", again: time.Hour},
			{at: time.Hour, alerts: append(several(4, critical), a), around: notify.Surroundings{DoNotDisturb: true}, again: time.Hour + 20*time.Second},
			{at: time.Hour + 20*time.Second, alerts: append(several(4, critical), a), around: notify.Surroundings{DoNotDisturb: true}, show: "digest critical through"},
		},
		"a pause that ends while nobody is ever to be disturbed": {
			{around: notify.Surroundings{Paused: until(m)}, show: "pause medium", again: m},
			{at: m, alerts: one(a), around: notify.Surroundings{DoNotDisturb: true}, again: m + 30*time.Second},
			{at: 61 * m, alerts: one(a), around: notify.Surroundings{DoNotDisturb: true}, show: "pause high through"},
			{at: 62 * m, alerts: one(a), around: notify.Surroundings{DoNotDisturb: true}},
		},
		"the agent is gone while nobody is ever to be disturbed": {
			{at: m, around: notify.Surroundings{Absent: until(0), DoNotDisturb: true}, again: m + 30*time.Second},
			{at: 61 * m, around: notify.Surroundings{Absent: until(0), DoNotDisturb: true}, show: "agent high through"},
		},
		"a pause": {
			{around: notify.Surroundings{Paused: until(time.Hour)}, show: "pause medium", again: time.Hour},
			{at: m, alerts: []wormbell.Alert{a, c}, around: notify.Surroundings{Paused: until(time.Hour)}, show: c.ID + " critical!", again: time.Hour},
			{at: 2 * m, alerts: []wormbell.Alert{a, c}, around: notify.Surroundings{Paused: until(time.Hour)}, again: time.Hour},
			{at: time.Hour, alerts: []wormbell.Alert{a, c}, around: notify.Surroundings{Paused: until(time.Hour)}, show: "pause high"},
			{at: time.Hour, alerts: []wormbell.Alert{a, c}},
			{at: 2 * time.Hour, withdraw: c.ID + ", pause"},
		},
		"it became critical in a pause": {
			{alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause medium", again: time.Hour},
			{at: m, alerts: []wormbell.Alert{alert("alert--a", critical, start), b}, around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "alert--a critical!", again: time.Hour},
			{at: time.Hour, alerts: []wormbell.Alert{alert("alert--a", critical, start), b}, show: "pause medium"},
		},
		"a pause that begins while nobody is to be disturbed": {
			{around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true, DoNotDisturb: true}, again: 30 * time.Second},
			{at: m, around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause medium", again: time.Hour},
		},
		"one pause after the other": {
			{around: notify.Surroundings{Paused: until(m), TrayShown: true}, show: "pause medium", again: m},
			{at: 1, alerts: one(a), around: notify.Surroundings{Paused: until(m), TrayShown: true}, again: m},
			{at: m, alerts: one(a), around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause high", again: m + 30*time.Second},
			{at: m + 30*time.Second, alerts: one(a), around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause medium", again: time.Hour},
		},
		"one pause after the other while nobody is to be disturbed": {
			{around: notify.Surroundings{Paused: until(m), TrayShown: true}, show: "pause medium", again: m},
			{at: 1, alerts: one(a), around: notify.Surroundings{Paused: until(m), DoNotDisturb: true}, again: m},
			{at: m, alerts: one(a), around: notify.Surroundings{Paused: until(time.Hour), DoNotDisturb: true}, again: m + 30*time.Second},
			{at: 2 * m, alerts: one(a), around: notify.Surroundings{Paused: until(time.Hour)}, show: "pause high", again: 2*m + 30*time.Second},
		},
		"more critical ones than can be told alone, in a pause": {
			{alerts: append(several(5, critical), a), around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause medium, critical-00 critical!, critical-01 critical!, critical-02 critical!, digest critical!", again: time.Hour},
			{at: time.Hour, alerts: append(several(5, critical), a), show: "pause high"},
		},
		"a pause that the tray shows, and nothing happened": {
			{around: notify.Surroundings{Paused: until(m), TrayShown: true}, show: "pause medium", again: m},
			{at: m, show: "pause medium"},
			{at: 2 * m},
		},
		"a pause that was made longer": {
			{around: notify.Surroundings{Paused: until(m)}, show: "pause medium", again: m},
			{at: 1, around: notify.Surroundings{Paused: until(2 * m)}, show: "pause medium", again: 2 * m},
			{at: 2, around: notify.Surroundings{Paused: until(2 * m)}, again: 2 * m},
			{at: 3, answered: "pause", around: notify.Surroundings{Paused: until(2 * m)}, again: 2 * m},
		},
		"a pause that was ended early": {
			{around: notify.Surroundings{Paused: until(time.Hour)}, show: "pause medium", again: time.Hour},
			{at: m, withdraw: "pause"},
			{at: 2 * m, alerts: one(a), show: "alert--a high"},
		},
		"a pause that was ended early, and something happened": {
			{around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause medium", again: time.Hour},
			{at: m, alerts: one(a), show: "pause high"},
			{at: 2 * m, alerts: one(alert("alert--a", critical, start)), show: "alert--a critical!"},
		},
		"a pause that ends while nobody is to be disturbed": {
			{around: notify.Surroundings{Paused: until(m), TrayShown: true}, show: "pause medium", again: m},
			{at: m, alerts: one(a), around: notify.Surroundings{DoNotDisturb: true}, again: m + 30*time.Second},
			{at: 2 * m, alerts: []wormbell.Alert{a, b}, around: notify.Surroundings{DoNotDisturb: true}, again: 2*m + 30*time.Second},
			{at: 3 * m, alerts: []wormbell.Alert{a, b}, show: "pause high"},
		},
		"closed during a pause": {
			{alerts: append(several(2, critical), several(3, high)...), show: "critical-00 critical!, critical-01 critical!, digest high"},
			{at: m, alerts: several(2, critical), around: notify.Surroundings{Paused: until(time.Hour), TrayShown: true}, show: "pause medium", withdraw: "digest", again: time.Hour},
		},
		"the agent is gone": {
			{alerts: one(a), show: "alert--a high"},
			{at: m, around: notify.Surroundings{Absent: until(m)}, again: 2 * m},
			{at: 2*m - 1, around: notify.Surroundings{Absent: until(m)}, again: 2 * m},
			{at: 2 * m, around: notify.Surroundings{Absent: until(m)}, show: "agent high"},
			{at: 3 * m, around: notify.Surroundings{Absent: until(m)}},
			{at: 4 * m, alerts: one(a), withdraw: "agent"}, // and nothing is shown anew
			{at: 5 * m, withdraw: "alert--a"},
		},
		"the agent is gone for a moment": {
			{around: notify.Surroundings{Absent: until(0)}, again: m},
			{at: m / 2},
			{at: m, around: notify.Surroundings{Absent: until(m)}, again: 2 * m},
		},
		"the agent is gone while nobody is to be disturbed": {
			{at: m, around: notify.Surroundings{Absent: until(0), DoNotDisturb: true}, again: m + 30*time.Second},
			{at: 2 * m, around: notify.Surroundings{Absent: until(0)}, show: "agent high"},
		},
		"after a restart of the tray": {
			{alerts: []wormbell.Alert{older(a), older(b), alert("alert--n", high, start.Add(-m))}, show: "alert--n high"},
			{at: m, alerts: []wormbell.Alert{older(alert("alert--a", critical, start)), older(b)}, show: "alert--a critical!", withdraw: "alert--n"},
		},
		"after a restart with critical ones": {
			{alerts: []wormbell.Alert{older(a), older(c), older(alert("alert--d", critical, start))}, show: "digest critical!"},
			{at: m, alerts: []wormbell.Alert{older(a), older(c)}},
			{at: 2 * m, alerts: one(older(a)), withdraw: "digest"},
		},
		"after a start without the agent": {
			{around: notify.Surroundings{Absent: until(0)}, again: m},
			{at: m / 2, alerts: one(older(a))},
		},
		"it could not be shown": {
			{alerts: one(c), show: "alert--c critical!"},
			{at: time.Second, alerts: one(c), failed: "alert--c", show: "digest critical!"},
			{at: 2 * time.Second, alerts: one(c), failed: "digest", again: 31 * time.Second},
			{at: 31 * time.Second, alerts: one(c), show: "digest critical!"},
		},
		"the clock was set back": {
			{at: m, alerts: several(3, critical), show: "critical-00 critical!, critical-01 critical!, critical-02 critical!"},
			{at: 0, alerts: append(several(3, critical), alert("alert--x", critical, start)), show: "digest critical!"},
			{at: m, alerts: append(several(3, critical), alert("alert--x", critical, start), a), show: "alert--a high"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := notify.Policy{Words: english}
			for i, s := range steps {
				if s.answered != "" {
					p.Answered(s.answered)
				}
				if s.failed != "" {
					p.Failed(s.failed)
				}
				show, withdraw, again := p.Next(start.Add(s.at), s.alerts, s.around)
				wantAgain := time.Time{}
				if s.again != 0 {
					wantAgain = start.Add(s.again)
				}
				if shown(show) != s.show || strings.Join(withdraw, ", ") != s.withdraw || !again.Equal(wantAgain) {
					t.Fatalf("step %d:\nshow %q, withdraw %q, again %v; want\nshow %q, withdraw %q, again %v", i, shown(show), withdraw, again, s.show, s.withdraw, wantAgain)
				}
			}
		})
	}
}

// TestDigestOfDemonstrations: the digest at the start names none while there is
// anything else, however long the demonstration has been open.
func TestDigestOfDemonstrations(t *testing.T) {
	t.Parallel()
	n := first(t, language.English, demo(alert("alert--d", wormbell.Critical, start.Add(-2*time.Hour))), alert("alert--c", wormbell.Critical, start.Add(-time.Hour)))
	if n.ID != notify.DigestID || n.Title != "2 critical alerts are still open" || strings.Contains(n.Body, "Demonstration") || !n.Sticky {
		t.Errorf("%+v", n)
	}
}

// TestPolicyAtRandom: whatever happens, the limits hold, nothing low is told,
// nothing is told twice, and no open critical alert goes untold.
func TestPolicyAtRandom(t *testing.T) {
	t.Parallel()
	english := words.In(language.English)
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 4))
		p := notify.Policy{Words: english}
		now := start
		alerts := map[string]*wormbell.Alert{}
		visible := map[string]notify.Notice{}
		var drew, digests []time.Time
		told := map[string]string{} // what each alert was told as
		quietSince := time.Time{}
		untold := map[string]time.Time{}
		for i := range 200 {
			now = now.Add(time.Duration(r.IntN(40)) * time.Second)
			if r.IntN(20) == 0 {
				now = now.Add(time.Duration(r.IntN(60)) * time.Minute)
			}
			for range r.IntN(4) {
				id := fmt.Sprintf("a%07d", r.IntN(60))
				a := alerts[id]
				if a == nil {
					made := alert(id, wormbell.Severity(1+r.IntN(4)), now)
					alerts[id] = &made
					continue
				}
				switch r.IntN(5) {
				case 0:
					a.State = []wormbell.State{wormbell.Open, wormbell.Muted, wormbell.Closed}[r.IntN(3)]
				case 1:
					a.Severity = max(a.Severity, wormbell.Severity(1+r.IntN(4)))
				case 2:
					found(fmt.Sprint("detector-", r.IntN(3)), wormbell.Severity(1+r.IntN(4)))(a)
				case 3:
					done([]string{"freeze", "resume", "kill"}[r.IntN(3)])(a)
				default:
					a.Last, a.Count = now, a.Count+1
				}
			}
			long := i > 80 && i < 120 // that nobody is to be disturbed
			s := notify.Surroundings{DoNotDisturb: long || r.IntN(6) == 0, ScreenShared: r.IntN(9) == 0, TrayShown: r.IntN(2) == 0}
			if r.IntN(12) == 0 {
				at := now.Add(time.Duration(r.IntN(300)) * time.Second)
				s.Paused = &at
			}
			if r.IntN(15) == 0 && s.Paused == nil {
				at := now.Add(-time.Duration(r.IntN(300)) * time.Second)
				s.Absent = &at
			}
			var list []wormbell.Alert
			for _, a := range alerts {
				list = append(list, *a)
			}
			show, withdraw, again := p.Next(now, list, s)
			for _, id := range withdraw {
				if _, ok := visible[id]; !ok {
					t.Fatalf("seed %d step %d: %s is withdrawn and was not shown", seed, i, id)
				}
				delete(visible, id)
			}
			quiet := s.DoNotDisturb || s.ScreenShared
			if !quiet {
				quietSince = time.Time{}
			} else if quietSince.IsZero() {
				quietSince = now
			}
			paused := s.Paused != nil && now.Before(*s.Paused)
			for _, n := range show {
				visible[n.ID] = n
				late := n.Through && now.Sub(quietSince) >= time.Hour
				if n.Through && !late || quiet && n.Severity < wormbell.Critical && !late || paused && n.ID != notify.PauseID && n.Severity < wormbell.Critical {
					t.Fatalf("seed %d step %d: %s %v is shown; %+v", seed, i, n.ID, n.Severity, s)
				}
				switch a := alerts[n.ID]; {
				case n.ID == notify.DigestID:
					digests = append(digests, now)
				case a != nil:
					drew = append(drew, now)
					what := fmt.Sprint(a.Severity, len(a.Findings), a.Actions)
					if a.State != wormbell.Open || a.Severity < wormbell.Medium || told[n.ID] == what {
						t.Fatalf("seed %d step %d: %s is shown: %v %v, told as %q", seed, i, n.ID, a.Severity, a.State, told[n.ID])
					}
					told[n.ID] = what
				}
			}
			for id, a := range alerts { // what was closed may be told again
				if a.State != wormbell.Open && s.Absent == nil {
					delete(told, id)
				}
				if _, ok := visible[id]; ok && a.State != wormbell.Open && s.Absent == nil {
					t.Fatalf("seed %d step %d: %s is still shown and is %s", seed, i, id, a.State)
				}
			}
			if n := within(drew, now, time.Minute); n > 3 {
				t.Fatalf("seed %d step %d: %d notices in a minute", seed, i, n)
			}
			if n := within(drew, now, time.Hour); n > 10 {
				t.Fatalf("seed %d step %d: %d notices in an hour", seed, i, n)
			}
			if n := within(digests, now, 30*time.Second); n > 1 {
				t.Fatalf("seed %d step %d: %d digests in half a minute", seed, i, n)
			}
			if !again.IsZero() && again.Before(now) {
				t.Fatalf("seed %d step %d: to be asked again at %v, and it is %v", seed, i, again, now)
			}
			// An open critical alert stands in a notice, or will within the digest's interval.
			for id, a := range alerts {
				if a.State != wormbell.Open || a.Severity < wormbell.Critical || s.Absent != nil {
					delete(untold, id)
					continue
				}
				_, alone := visible[id]
				_, inDigest := visible[notify.DigestID]
				_, inReminder := visible[notify.PauseID]
				if alone || inDigest || inReminder {
					delete(untold, id)
				} else if since, ok := untold[id]; !ok {
					untold[id] = now
				} else if now.Sub(since) > 30*time.Second {
					t.Fatalf("seed %d step %d: critical alert %s stands in no notice since %v", seed, i, id, now.Sub(since))
				}
				if !alone && !inDigest && !inReminder && again.IsZero() {
					t.Fatalf("seed %d step %d: critical alert %s stands in no notice, and nothing is to come", seed, i, id)
				}
			}
		}
	}
}

func within(times []time.Time, now time.Time, span time.Duration) (n int) {
	for _, at := range times {
		if now.Sub(at) < span {
			n++
		}
	}
	return n
}

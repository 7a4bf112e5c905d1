package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// TestActions: every button asks the agent for what it says.
func TestActions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path string
		form url.Values
		want []string
	}{
		{"/alerts/worm2345/freeze", nil, []string{"freeze worm2345"}},
		{"/alerts/worm2345/resume", nil, []string{"resume worm2345"}},
		{"/alerts/worm2345/kill", nil, []string{"kill worm2345"}},
		{"/alerts/worm2345/close", url.Values{"reason": {"done\x1b[2J"}, "frozen": {"leave"}}, []string{`close done\x1b[2J worm2345`}},
		{"/alerts/worm2345/mute", nil, []string{"mute worm2345"}},
		{"/alerts/worm2345/reopen", nil, []string{"reopen worm2345"}},
		{"/alerts/worm2345/note", url.Values{"reason": {"asked Ann"}}, []string{"act note asked Ann worm2345"}},
		{"/alerts/worm2345/note", nil, nil},
		{"/alerts/worm2345/explode", nil, nil},
		{"/alerts/none2345/close", nil, nil},
		{"/alerts/..%2ftrust/close", nil, nil},
		{"/trust/abcd2345/remove", nil, []string{"untrust abcd2345"}},
		{"/alerts/backup23/it-was-me", url.Values{"row": {"invented"}}, nil},
		{"/alerts/worm2345/it-was-me", url.Values{"row": {"*"}}, nil},
	} {
		a := sample()
		b := visit(t, serve(t, a, nil), "/")
		form := url.Values{"csrf": {b.csrf()}}
		for k, v := range tt.form {
			form[k] = v
		}
		b.post(tt.path, form, nil)
		if got := a.made(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the agent was asked to %q, want %q", tt.path, got, tt.want)
		}
		if got := b.get(strings.TrimSuffix(tt.path, "/remove"), nil); got.status >= 500 {
			t.Errorf("%s: %d", tt.path, got.status)
		}
	}
}

var rowField = regexp.MustCompile(`name="row" value="([^"]+)"`)

// TestItWasMe: the rows that were chosen are made anew, then the alert is closed.
func TestItWasMe(t *testing.T) {
	t.Parallel()
	a := sample()
	var asked []time.Duration
	b := visit(t, serve(t, a, func(c *dashboard.Config) {
		suggest := c.Suggest
		c.Suggest = func(x wormbell.Alert, last time.Duration, now time.Time) ([]dashboard.Suggestion, string) {
			asked = append(asked, last)
			return suggest(x, last, now)
		}
	}), "/")
	page := b.get("/alerts/backup23/it-was-me?hours=24", nil).body
	m := rowField.FindStringSubmatch(page)
	if m == nil || !strings.Contains(page, "may read the GitHub token in “~/.config/gh/hosts.yml”") {
		t.Fatal("the page does not say what would be allowed")
	}
	seen := seenField.FindStringSubmatch(page)
	if seen == nil {
		t.Fatal("the page does not say what was seen")
	}
	form := url.Values{"csrf": {b.csrf()}, "row": {m[1]}, "hours": {"24"}, "seen": seen[1:]}
	a.mu.Lock()
	a.list[1].Count++ // a finding that nobody has seen
	a.mu.Unlock()
	if got := b.post("/alerts/backup23/it-was-me", form, nil); !strings.Contains(got.body, "The page was older") || len(a.made()) != 0 {
		t.Errorf("an alert that went on meanwhile: the agent was asked to %q", a.made())
	}
	form["seen"] = seenField.FindStringSubmatch(b.get("/alerts/backup23/it-was-me?hours=24", nil).body)[1:]
	b.post("/alerts/backup23/it-was-me", form, nil)
	if got, want := a.made(), []string{"trust exe:/usr/bin/python3 script:/home/dev/bin/backup.py ", "close it was me backup23"}; !slices.Equal(got, want) {
		t.Errorf("the agent was asked to %q", got)
	}
	for _, d := range asked {
		if d != 24*time.Hour {
			t.Errorf("for %v", d)
		}
	}
	if got := b.get("/alerts/worm2345/it-was-me", nil).body; !strings.Contains(got, "A package&#39;s script did it") || strings.Contains(got, `name="row"`) {
		t.Error("the page does not say why there is no row")
	}
}

var seenField = regexp.MustCompile(`name="seen" value="([^"]+)"`)

// TestItWasMePartly: with some rows only, the alert stays open; if one cannot be
// added, none is.
func TestItWasMePartly(t *testing.T) {
	t.Parallel()
	a := sample()
	two := []dashboard.Suggestion{{Row: wormbell.TrustRow{ID: "one", Store: "gh", Who: "exe:/a"}, Sentence: "one"}, {Row: wormbell.TrustRow{ID: "two", Store: "gh", Who: "exe:/b"}, Sentence: "two"}}
	b := visit(t, serve(t, a, func(c *dashboard.Config) {
		c.Suggest = func(wormbell.Alert, time.Duration, time.Time) ([]dashboard.Suggestion, string) { return two, "" }
	}), "/")
	page := b.get("/alerts/backup23/it-was-me", nil).body
	form := url.Values{"csrf": {b.csrf()}, "hours": {"720"}, "seen": seenField.FindStringSubmatch(page)[1:], "row": {two[0].Key()}}
	if got := b.post("/alerts/backup23/it-was-me", form, nil); !strings.Contains(got.body, "The alert stays open") || !slices.Equal(a.made(), []string{"trust exe:/a "}) {
		t.Errorf("one of two rows: the agent was asked to %q", a.made())
	}
	a = sample()
	b = visit(t, serve(t, a, func(c *dashboard.Config) {
		c.Dial = func() (dashboard.Agent, error) { return half{a}, nil }
		c.Suggest = func(wormbell.Alert, time.Duration, time.Time) ([]dashboard.Suggestion, string) { return two, "" }
	}), "/")
	form["csrf"], form["row"] = []string{b.csrf()}, []string{two[0].Key(), two[1].Key()}
	b.post("/alerts/backup23/it-was-me", form, nil)
	if got, want := a.made(), []string{"trust exe:/a ", "untrust one"}; !slices.Equal(got, want) {
		t.Errorf("the second of two is refused: the agent was asked to %q", got)
	}
}

// half is an agent that takes no row of /b.
type half struct{ *agent }

func (h half) AddTrust(ctx context.Context, r wormbell.TrustRow) (wormbell.TrustRow, error) {
	if r.Who == "exe:/b" {
		return r, errors.New("refused")
	}
	return h.agent.AddTrust(ctx, r)
}

// TestTwoPlans: two pages of two alerts do not take the plan from each other.
func TestTwoPlans(t *testing.T) {
	t.Parallel()
	var plans atomic.Int32
	b := visit(t, serve(t, sample(), func(c *dashboard.Config) {
		c.Prepare = func(ctx context.Context, id string, how dashboard.How, person respond.Person) (*dashboard.Prepared, error) {
			plans.Add(1)
			return (&script{}).prepare(ctx, id, how, person)
		}
	}), "/")
	for range 20 {
		b.get("/alerts/worm2345/respond", nil)
		if got := b.get("/alerts/backup23/respond", nil); got.status != 200 || !strings.Contains(got.body, `id="make"`) {
			t.Fatalf("the second page: %d", got.status)
		}
	}
	if got := b.post("/alerts/backup23/respond", url.Values{"csrf": {b.csrf()}, "do": {"plan"}}, nil); strings.Contains(got.body, `id="make"`) {
		t.Error("there is no plan although it was asked for")
	}
	for deadline := time.Now().Add(time.Minute); plans.Load() < 2 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
	}
	if n := plans.Load(); n != 2 {
		t.Errorf("%d plans were made", n)
	}
}

// TestReports: what is downloaded is named, whole, and stands on its own.
func TestReports(t *testing.T) {
	t.Parallel()
	b := visit(t, serve(t, sample(), nil), "/")
	got := b.get("/alerts/worm2345/report.json", nil)
	var out struct {
		ID       string
		Findings []any
		Exposure struct{ Files []struct{ Path string } }
	}
	if err := json.Unmarshal([]byte(got.body), &out); err != nil || out.ID != "worm2345" || len(out.Findings) != 3 || len(out.Exposure.Files) != 3 {
		t.Errorf("JSON: %v, %+v", err, out)
	}
	if d := got.header.Get("Content-Disposition"); d != `attachment; filename="wormbell-worm2345.json"` {
		t.Errorf("it is kept as %s", d)
	}
	page := b.get("/alerts/worm2345/report.html", nil)
	for _, want := range []string{"Security incident worm2345", `role="img"`, "~/.aws/credentials", "npm unpublish", "Computer laptop", ":root {"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, bad := range []string{"src=", "href=", "<script", "csrf", "url("} {
		if strings.Contains(page.body, bad) {
			t.Errorf("the page does not stand on its own: %s", bad)
		}
	}
	if d := page.header.Get("Content-Disposition"); d != `attachment; filename="wormbell-worm2345.html"` {
		t.Errorf("it is kept as %s", d)
	}
}

// TestTimeline: pages and filters, with ten thousand alerts.
func TestTimeline(t *testing.T) {
	t.Parallel()
	a := many(10_000)
	b := visit(t, serve(t, a, nil), "/")
	first := b.get("/", nil).body
	if n := strings.Count(first, "data-id="); n != 50 || !strings.Contains(first, "Page 1 of 200") || !strings.Contains(first, `data-id="m0000000"`) {
		t.Errorf("the first page has %d", n)
	}
	if last := b.get("/?page=200", nil).body; !strings.Contains(last, `data-id="m0009999"`) || strings.Contains(last, `rel="next"`) {
		t.Error("the last page is another")
	}
	for _, page := range []string{"0", "-1", "999999", "x", "99999999999999999999"} {
		if got := b.get("/?page="+page, nil); got.status != 200 || strings.Count(got.body, "data-id=") != 50 {
			t.Errorf("page %s: %d", page, got.status)
		}
	}
	if critical := b.get("/?severity=critical&page=2", nil).body; strings.Count(critical, `class="entry s-critical"`) != 50 || !strings.Contains(critical, "severity=critical") {
		t.Error("the filter lets others through")
	}
}

// many is an agent with n alerts.
func many(n int) *agent {
	a := sample()
	a.list = nil
	for i := range n {
		x := lone(fmt.Sprintf("m%07d", i), day.Add(-time.Duration(i)*time.Minute))
		if i%3 == 0 {
			x = sweep(x.ID, wormbell.Package{Ecosystem: "npm", Name: fmt.Sprintf("evil-%d", i), Version: "1.0.0"}, x.First)
			x.Last = x.First
		}
		a.list = append(a.list, x)
	}
	return a
}

// TestIdle: it ends when nobody looks, but not while a response is under way.
func TestIdle(t *testing.T) {
	t.Parallel()
	r := &script{}
	var ahead atomic.Int64 // of the clock
	ticks := make(chan time.Time)
	s, err := dashboard.Listen(dashboard.Config{Dial: func() (dashboard.Agent, error) { return sample(), nil }, Words: words.In(language.English), Prepare: r.prepare,
		Idle: time.Hour, Ticks: ticks, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	// waits lets time pass and reports whether it goes on. The second tick is
	// taken when it has judged at the first.
	waits := func(d time.Duration) bool {
		ahead.Add(int64(d))
		for range 2 {
			select {
			case ticks <- time.Time{}:
			case <-time.After(time.Minute): // nobody takes it
				return false
			}
		}
		return true
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context()) }()
	b := visit(t, s, "/")
	if !waits(59 * time.Minute) {
		t.Fatal("it ended too soon")
	}
	b.get("/status", nil)
	if !waits(59 * time.Minute) {
		t.Fatal("it ended although somebody looked")
	}
	field := regexp.MustCompile(`name="run" value="([^"]+)"`)
	var run []string
	poll(t, "a plan", func() bool {
		run = field.FindStringSubmatch(b.get("/alerts/worm2345/respond", nil).body)
		return run != nil
	})
	b.post("/alerts/worm2345/respond", url.Values{"csrf": {b.csrf()}, "run": {run[1]}, "do": {"start"}}, nil)
	if got := b.post("/alerts/worm2345/respond", url.Values{"csrf": {b.csrf()}, "run": {run[1]}, "do": {"start"}}, nil); !strings.Contains(got.body, "The page was older") {
		t.Error("one plan was begun twice")
	}
	if !waits(4 * time.Hour) {
		t.Fatal("it ended while a response waited for an answer")
	}
	if got := b.post("/alerts/backup23/respond", url.Values{"csrf": {b.csrf()}, "do": {"plan"}}, nil); !strings.Contains(got.body, "Another response is under way") {
		t.Error("a second response was begun")
	}
	b.post("/alerts/worm2345/respond", url.Values{"csrf": {b.csrf()}, "run": {run[1]}, "do": {"stop"}}, nil)
	ahead.Add(int64(4 * time.Hour))
	for late := time.After(30 * time.Second); ; {
		select {
		case ticks <- time.Time{}: // the response may still be ending
			continue
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-late:
			t.Error("it does not end")
		}
		return
	}
}

// TestSaid: every sentence that a page says is there, in both languages.
func TestSaid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("pages/*.html")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	all := []*words.Words{words.In(language.English), words.In(language.Japanese)}
	key := regexp.MustCompile(`\bt "(dash-[a-z0-9-]*[a-z0-9])"`)
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(b), -1) {
			for _, w := range all {
				if w.Say(words.Key(m[1]), 2, 2) == m[1] {
					t.Errorf("%s: %s is not in %v", f, m[1], w.Tag())
				}
			}
			n++
		}
	}
	if n < 150 {
		t.Errorf("only %d sentences were found", n)
	}
}

// BenchmarkTimeline is how long the first page takes with ten thousand alerts,
// when it is asked for again and when every alert is new to the dashboard.
func BenchmarkTimeline(b *testing.B) {
	a := many(10_000)
	for _, cold := range []bool{false, true} {
		b.Run(fmt.Sprintf("cold=%v", cold), func(b *testing.B) {
			br := visit(b, serve(b, a, nil), "/")
			for b.Loop() {
				if cold { // what the agent says has to be read again
					a.add(lone("newer001", day))
					a.mu.Lock()
					a.list = a.list[1:]
					a.mu.Unlock()
				}
				br.get("/", nil)
			}
		})
	}
}

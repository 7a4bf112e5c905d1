package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/dashboard"
	"wormbell/internal/exposure"
	"wormbell/internal/words"
)

// recorder is an agent that records what it did to processes, as the real one
// does: so many were reached, and so many not.
type recorder struct {
	*agent
	done, left int
	fails      error // answer to what is done to processes
	unclosed   error // answer to a close
	kept       error // answer to a reopening
}

// set changes what it does and has, which it may be asked for meanwhile.
func (r *recorder) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// answers returns what one of its fields says.
func (r *recorder) answers(which *error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *which
}

func (r *recorder) record(call, what, id string) (string, error) {
	if err := r.answers(&r.fails); err != nil {
		return "", err
	}
	if err := r.did(call + " " + id); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if what == "freeze" && r.done == 0 {
		what = "freeze-none"
	}
	outcome := "no process was reached, as it is told in English"
	if r.done > 0 {
		outcome = fmt.Sprintf("reached %d processes, as it is told in English", r.done)
	}
	for i := range r.list {
		if r.list[i].ID == id {
			r.list[i].Actions = append(slices.Clone(r.list[i].Actions), wormbell.Action{Time: time.Now(), What: what, Outcome: outcome, Done: r.done, Left: r.left})
		}
	}
	return outcome, nil
}

func (r *recorder) Freeze(_ context.Context, id string) (string, error) {
	return r.record("freeze", "freeze", id)
}
func (r *recorder) Resume(_ context.Context, id string) (string, error) {
	return r.record("resume", "resume", id)
}
func (r *recorder) Kill(_ context.Context, id string) (string, error) {
	return r.record("kill", "kill", id)
}
func (r *recorder) Close(ctx context.Context, id, reason string) error {
	if err := r.answers(&r.unclosed); err != nil {
		return err
	}
	return r.agent.Close(ctx, id, reason)
}
func (r *recorder) Reopen(ctx context.Context, id, reason string) error {
	if err := r.answers(&r.kept); err != nil {
		return err
	}
	return r.agent.Reopen(ctx, id, reason)
}

// AddTrust gives a row an ID, as the real agent does.
func (r *recorder) AddTrust(ctx context.Context, row wormbell.TrustRow) (wormbell.TrustRow, error) {
	row, err := r.agent.AddTrust(ctx, row)
	row.ID = "row-one"
	return row, err
}
func (r *recorder) RemoveTrust(_ context.Context, id string) error { return r.did("untrust " + id) }

// record serves the pages of an agent that records, with what has been
// prepared for it.
func record(t testing.TB, lang language.Tag, prepare func(*recorder), change func(*dashboard.Config)) (*recorder, *dashboard.Server) {
	t.Helper()
	r := &recorder{agent: sample(), done: 3}
	if prepare != nil {
		prepare(r)
	}
	return r, serve(t, r.agent, func(c *dashboard.Config) {
		c.Dial, c.Words = func() (dashboard.Agent, error) { return r, nil }, words.In(lang)
		if change != nil {
			change(c)
		}
	})
}

var (
	markup = regexp.MustCompile(`<[^>]*>`)
	space  = regexp.MustCompile(`\s+`)
	flash  = regexp.MustCompile(`(?s)<div id="flash" class="flash([^"]*)".*?</div>`)
	next   = regexp.MustCompile(`(?s)<p class="next">(.*?)</p>`)
	logged = regexp.MustCompile(`(?s)<ol class="log">(.*?)</ol>`)
)

// shown is the text of a part of a page, "" if it is not there.
func shown(part *regexp.Regexp, body string) string {
	return strings.TrimSpace(space.ReplaceAllString(markup.ReplaceAllString(part.FindString(body), " "), " "))
}

// press posts a form of the page of an alert.
func (b *browser) press(path string, form url.Values) answer {
	b.t.Helper()
	all := url.Values{"csrf": {b.csrf()}}
	for k, v := range form {
		all[k] = v
	}
	return b.post(path, all, nil)
}

// TestFreezeSaid: what pressing Freeze came to is said with its numbers, in the
// message, in the log and by what is to be done next; nothing is called frozen
// that is not.
func TestFreezeSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		done, left int
		lang       language.Tag
		flash, log string
		next       string
		frozen     bool
	}{
		{3, 0, language.English, "3 processes were frozen.", "Frozen 3 processes were frozen.", "It is frozen. Respond, or let it go on if it was you.", true},
		{1, 0, language.English, "1 process was frozen.", "Frozen 1 process was frozen.", "It is frozen.", true},
		{2, 1, language.English, "2 processes were frozen. 1 process could not be frozen.", "Frozen 2 processes were frozen. 1 process could not be frozen.", "Not all of it is frozen", true},
		{0, 0, language.English, "Nothing was frozen: it has already ended.", "Nothing was frozen It has already ended.", "It has ended, so there is nothing to freeze.", false},
		{0, 2, language.English, "Nothing was frozen: 2 processes could not be frozen.", "Nothing was frozen 2 processes could not be frozen.", "If you did not start this, freeze it", false},
		{3, 0, language.Japanese, "3 個のプロセスを一時停止しました。", "一時停止 3 個のプロセスを一時停止しました。", "一時停止中です。", true},
		{0, 0, language.Japanese, "一時停止したプロセスはありません：すでに終了しています。", "一時停止したプロセスはありません すでに終了しています。", "すでに終了しているため", false},
	} {
		_, s := record(t, tt.lang, func(r *recorder) { r.done, r.left = tt.done, tt.left }, nil)
		b := visit(t, s, "/")
		page := b.press("/alerts/backup23/freeze", nil).body
		if got := shown(flash, page); !strings.HasPrefix(got, tt.flash) {
			t.Errorf("%d frozen, %d not: the message is %q, want %q", tt.done, tt.left, got, tt.flash)
		}
		if tt.done == 0 != strings.Contains(page, `class="flash warn"`) && tt.left == 0 {
			t.Errorf("%d frozen, %d not: it looks like something else", tt.done, tt.left)
		}
		recorded := `<p>(no process was )?reached.*as it is told in English</p>`
		if tt.lang == language.Japanese {
			recorded = `<p>.*<span lang="en">.*as it is told in English</span></p>`
		}
		if !regexp.MustCompile(recorded).MatchString(page) {
			t.Errorf("%d frozen, %d not: what the agent recorded is not there as English", tt.done, tt.left)
		}
		page = b.get("/alerts/backup23", nil).body // without the message
		if got := shown(logged, page); !strings.Contains(got, tt.log) || strings.Contains(got, "freeze-none") {
			t.Errorf("%d frozen, %d not: the log says %q, want %q", tt.done, tt.left, got, tt.log)
		}
		if got := shown(next, page); !strings.Contains(got, tt.next) {
			t.Errorf("%d frozen, %d not: what to do is %q, want %q", tt.done, tt.left, got, tt.next)
		}
		if got := strings.Contains(page, `class="badge frozen"`); got != tt.frozen {
			t.Errorf("%d frozen, %d not: called frozen: %v", tt.done, tt.left, got)
		}
		_, entry, there := strings.Cut(b.get("/?state=all", nil).body, `data-id="backup23"`) // not read before
		entry, _, _ = strings.Cut(entry, "</li>")
		if got := strings.Contains(entry, `class="badge frozen"`); !there || got != tt.frozen {
			t.Errorf("%d frozen, %d not: called frozen in the list: %v (%s)", tt.done, tt.left, got, entry)
		}
		if got := strings.Contains(page, `/backup23/resume"`); got != tt.frozen {
			t.Errorf("%d frozen, %d not: can be let go on: %v", tt.done, tt.left, got)
		}
		if got := strings.Contains(page, `/backup23/freeze"`); got == (tt.frozen && tt.left == 0) {
			t.Errorf("%d frozen, %d not: can be frozen: %v", tt.done, tt.left, got)
		}
	}
}

// TestFlashWaits: an open page that reads itself again does not take the
// message that is meant for the person who pressed a button.
func TestFlashWaits(t *testing.T) {
	t.Parallel()
	_, s := record(t, language.English, nil, nil)
	b := visit(t, s, "/")
	form := url.Values{"csrf": {b.csrf()}}
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // what it leads to is not asked for yet
	b.post("/alerts/backup23/freeze", form, nil)
	b.http.CheckRedirect = nil
	if got := b.get("/alerts/worm2345", map[string]string{"Sec-Fetch-Dest": "empty"}); strings.Contains(got.body, `id="flash"`) {
		t.Error("an open page took the message")
	}
	got := b.get("/alerts/backup23", map[string]string{"Sec-Fetch-Dest": "document"}).body
	if !strings.Contains(shown(flash, got), "3 processes were frozen.") {
		t.Error("the message is lost")
	}
	if !strings.Contains(got, "<title>3 processes were frozen. – ") {
		t.Error("the title does not say it")
	}
}

// choice is one of what may become of what is frozen: one must be chosen, and
// none is chosen before.
var choice = regexp.MustCompile(`<input type="radio" name="frozen" value="(?:resume|kill|leave)" required>`)

// TestCloseFrozen: closing an alert asks what becomes of what it froze, and the
// page goes on offering to let it go on while it is frozen.
func TestCloseFrozen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		choice string
		fails  error
		want   []string
		flash  string
		frozen bool
	}{
		{"resume", nil, []string{"close fine worm2345", "resume worm2345"}, "The alert is closed. 3 processes go on.", false},
		{"kill", nil, []string{"close fine worm2345", "kill worm2345"}, "The alert is closed. 3 processes were ended.", false},
		{"leave", nil, []string{"close fine worm2345"}, "The alert is closed. Its processes stay frozen.", true},
		{"", nil, nil, "It was not done. The page was older than what it showed.", true},
		{"explode", nil, nil, "It was not done. The page was older than what it showed.", true},
		{"resume", errors.New("the tree is busy"), []string{"close fine worm2345"}, "The alert is closed, but its processes are still frozen. Details the tree is busy", true},
	} {
		r, s := record(t, language.English, func(r *recorder) { r.fails = tt.fails }, nil)
		b := visit(t, s, "/")
		form := url.Values{"reason": {"fine"}, "frozen": {tt.choice}}
		page := b.press("/alerts/worm2345/close", form).body
		if got := r.made(); !slices.Equal(got, tt.want) {
			t.Errorf("%q: the agent was asked to %q, want %q", tt.choice, got, tt.want)
		}
		if got := shown(flash, page); !strings.HasPrefix(got, tt.flash) {
			t.Errorf("%q: the message is %q, want %q", tt.choice, got, tt.flash)
		}
		if got := strings.Contains(page, `/worm2345/resume"`) && strings.Contains(page, `class="badge frozen"`); got != tt.frozen {
			t.Errorf("%q: it can be let go on: %v", tt.choice, got)
		}
		if tt.frozen && tt.want != nil && !strings.Contains(shown(next, page), "still frozen") {
			t.Errorf("%q: what to do is %q", tt.choice, shown(next, page))
		}
		if !tt.frozen && strings.Contains(shown(next, page), "reeze") {
			t.Errorf("%q: a closed alert says to %q", tt.choice, shown(next, page))
		}
	}
	_, s := record(t, language.English, nil, nil)
	b := visit(t, s, "/")
	if page := b.get("/alerts/worm2345", nil).body; len(choice.FindAllString(page, -1)) != 3 {
		t.Error("closing does not ask what becomes of what is frozen")
	}
	if page := b.get("/alerts/backup23", nil).body; strings.Contains(page, `name="frozen"`) {
		t.Error("closing asks about what is not frozen")
	}
}

// TestItWasMeResumes: what the alert froze goes on once it is allowed, and the
// TestUndo: the answer "It was me" can be undone at once: its rows are taken
// TestForeignItWasMe: nobody answers "It was me" for another user: the row
// TestSlowFiles: a file system that does not answer holds no page up, costs one
// look for all pages, and when it answers all is as before.
func TestSlowFiles(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	looks, free := 0, make(chan struct{})
	_, s := record(t, language.English, nil, func(c *dashboard.Config) {
		c.Expose = func(_ context.Context, _ wormbell.Alert, x *exposure.Exposure) error {
			mu.Lock()
			looks++
			mu.Unlock()
			<-free // whatever becomes of the request
			x.Exported = append(x.Exported, exposure.Exported{Name: "DECOY_TOKEN", Path: "~/.bashrc", Line: 3})
			return nil
		}
	})
	freed := sync.OnceFunc(func() { close(free) })
	t.Cleanup(freed)
	b := visit(t, s, "/") // which waits half a minute for an answer
	for _, path := range []string{"/alerts/worm2345", "/alerts/backup23", "/alerts/worm2345/report.html", "/alerts/worm2345"} {
		if got := b.get(path, nil).body; !strings.Contains(got, "Your own files did not answer in time") || !strings.Contains(got, "Evidence") {
			t.Errorf("%s does not say that something is missing", path)
		}
	}
	mu.Lock()
	if looks != 1 {
		t.Errorf("%d looks were begun", looks)
	}
	mu.Unlock()
	freed()
	for deadline := time.Now().Add(30 * time.Second); ; {
		got := b.get("/alerts/worm2345", nil).body
		if strings.Contains(got, "DECOY_TOKEN") && !strings.Contains(got, "did not answer in time") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not looked at again")
		}
	}
}

// TestEvidenceDay: what was not today says its day; in a report everything does.
func TestEvidenceDay(t *testing.T) {
	t.Parallel()
	for now, want := range map[time.Time]bool{day.Add(time.Hour): false, day.Add(20 * time.Hour): true} {
		_, s := record(t, language.English, nil, func(c *dashboard.Config) { c.Now = func() time.Time { return now } })
		b := visit(t, s, "/")
		dated := regexp.MustCompile(`<span class="date">Fri 20 Nov</span> 09:14:03`)
		if got := dated.MatchString(b.get("/alerts/worm2345", nil).body); got != want {
			t.Errorf("at %v the day is shown: %v", now, got)
		}
		if !dated.MatchString(b.get("/alerts/worm2345/report.html", nil).body) {
			t.Error("the report does not say the day")
		}
	}
}

// TestLog: what was done is told in the person's language; what the agent
// recorded is marked as English, and what somebody typed is not.
func TestLog(t *testing.T) {
	t.Parallel()
	_, s := record(t, language.Japanese, func(r *recorder) {
		r.list[1].Actions = []wormbell.Action{{Time: day, What: "freeze", Outcome: "stopped 2 processes", Done: 2}, {Time: day, What: "resume", Outcome: "continued 2 processes", Done: 2},
			{Time: day, What: "freeze-none", Outcome: "no process was stopped: none of the tree is running"}, {Time: day, What: "note", Outcome: "田中さんに確認"}, {Time: day, What: "close", Outcome: "done"},
			{Time: day, What: "reopen", Outcome: "間違い"}, {Time: day, What: "merge", Outcome: "alert abcd turned out to be the same incident"}, {Time: day, What: "merge", Outcome: "nobody has a form of this"}}
	}, nil)
	part := logged.FindString(visit(t, s, "/").get("/alerts/backup23", nil).body)
	for _, want := range []string{"<strong>一時停止</strong> 2 個のプロセスを一時停止しました。", "<strong>再開</strong> 2 個のプロセスを再開しました。", "<strong>一時停止したプロセスはありません</strong> すでに終了しています。", "<strong>メモ</strong> 田中さんに確認", "<strong>対応済み</strong></li>",
		"<strong>未対応に変更</strong> 間違い", `<p>2 個のプロセスを一時停止しました</p>`, "警告 abcd は同じ出来事だと分かりました</li>", `<span lang="en">nobody has a form of this</span></li>`} {
		if !strings.Contains(space.ReplaceAllString(part, " "), want) {
			t.Errorf("there is no %s in %s", want, part)
		}
	}
	for _, bad := range []string{"freeze-none", `lang="en">田`, `lang="en">間`, ">done<"} {
		if strings.Contains(part, bad) {
			t.Errorf("there is %s", bad)
		}
	}
}

// TestRefusedLeadsBack: a click that was refused, or that came to nothing, says
// so on the page of its alert.
func TestRefusedLeadsBack(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"the agent says no": &client.Error{Status: 403, Text: "only from a terminal"}, "something else": errors.New("cut off")} {
		_, s := record(t, language.English, func(r *recorder) { r.unclosed = err }, nil)
		got := visit(t, s, "/").press("/alerts/backup23/close", nil)
		if got.status != 200 || !strings.HasSuffix(got.url, "/alerts/backup23") || !strings.HasPrefix(shown(flash, got.body), "It was not done. "+strings.TrimSuffix(err.Error(), ".")) {
			t.Errorf("%s: %d %s %q", name, got.status, got.url, shown(flash, got.body))
		}
		if !strings.Contains(got.body, "<title>It was not done. – ") {
			t.Errorf("%s: the title does not say it", name)
		}
	}
}

// TestMinor: a low alert is closed by most people, and that button stands out.
func TestMinor(t *testing.T) {
	t.Parallel()
	_, s := record(t, language.English, func(r *recorder) { r.list[1].Severity = wormbell.Low }, nil)
	b := visit(t, s, "/")
	for path, want := range map[string]string{"/alerts/backup23": `<summary class="button main">Close…</summary>`, "/alerts/worm2345": `<a class="button main"`} {
		if got := b.get(path, nil).body; !strings.Contains(got, want) || strings.Count(got, "button main") != 1 {
			t.Errorf("%s: it is not %s that stands out", path, want)
		}
	}
}

// TestPackageAlerts: "… and N more" leads to what there is more of, whatever the
// package is called.
func TestPackageAlerts(t *testing.T) {
	t.Parallel()
	_, s := record(t, language.English, func(r *recorder) {
		for i := range 3 {
			r.list = append(r.list, sweep(fmt.Sprintf("same%04d", i), wormbell.Package{Ecosystem: "npm", Name: evilName, Version: "1.0.0"}, day))
		}
		for i := range 110 {
			r.list = append(r.list, sweep(fmt.Sprintf("many%04d", i), wormbell.Package{Ecosystem: "npm", Name: fmt.Sprintf("evil-%d", i), Version: "1.0.0"}, day))
		}
	}, nil)
	b := visit(t, s, "/")
	link := regexp.MustCompile(`href="([^"]*/packages[^"]*)">… and 2 more<`).FindStringSubmatch(b.get("/packages", nil).body)
	if link == nil {
		t.Fatal("there is no link to what is left out")
	}
	one := b.get(strings.TrimSuffix(b.base, s.At())+html.UnescapeString(link[1]), nil)
	for i := range 3 {
		if !strings.Contains(one.body, fmt.Sprintf(`/alerts/same%04d"`, i)) {
			t.Errorf("same%04d is not there", i)
		}
	}
	if strings.Contains(one.body, "/alerts/many0001") || !strings.Contains(one.body, ">Show all packages<") {
		t.Error("others are there, or nothing leads back to them")
	}
	if got := b.get("/packages?all=yes", nil).body; strings.Count(got, "evil-") < 110 {
		t.Error("not all packages are shown")
	}
}

// TestDemonstration: the page and the report of a demonstration say that it is
// one, and offer nothing to be typed against a registry.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	for tag, want := range map[language.Tag][]string{
		language.English:  {"This is a demonstration: nothing of yours was read", "All of this was made up for the demonstration."},
		language.Japanese: {"これはデモです。あなたの情報は何も読み取られておらず", "すべてデモ用に作られたものです。"},
	} {
		_, s := record(t, tag, func(r *recorder) {
			for i := range r.list {
				r.list[i].Findings = append(r.list[i].Findings, wormbell.Finding{Detector: "publish-by-install-script", Severity: wormbell.Critical, Evidence: []wormbell.Event{{Time: day, Kind: wormbell.ProcessStart,
					Process: &wormbell.Process{PID: 99, Start: day, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "publish"}}, Package: &wormbell.Package{Ecosystem: "npm", Name: "left-pad", Version: "9.9.9"}}}})
				r.list[i].Demo = r.list[i].ID == "worm2345"
			}
		}, nil)
		b := visit(t, s, "/")
		if got := b.get("/alerts/backup23", nil).body; !strings.Contains(got, "npm unpublish") || !strings.Contains(got, "ask-me") {
			t.Errorf("what is no demonstration has no commands, or cannot have been the person")
		}
		for _, path := range []string{"/alerts/worm2345", "/alerts/worm2345/report.html"} {
			got := b.get(path, nil).body
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("%s: it does not say %q", path, w)
				}
			}
			for _, bad := range []string{"npm unpublish", "npm deprecate", "for stolen", "盗まれたもの", "ask-me"} {
				if strings.Contains(got, bad) {
					t.Errorf("%s: it says %q", path, bad)
				}
			}
		}
	}
}

// TestOverSaid: what has ended cannot be frozen, and the page says so.
func TestOverSaid(t *testing.T) {
	t.Parallel()
	for _, over := range []bool{false, true} {
		_, s := record(t, language.English, func(r *recorder) {
			for i := range r.list {
				r.list[i].Over = over
			}
		}, nil)
		page := visit(t, s, "/").get("/alerts/backup23", nil).body
		if button, said := strings.Contains(page, `/backup23/freeze"`), strings.Contains(page, "its processes have ended"); button == over || said != over {
			t.Errorf("ended: %v; can be frozen: %v, said: %v", over, button, said)
		}
	}
}

package dashboard_test

import (
	"errors"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/dashboard"
)

// answer fills in the form of "It was me".
func (b *browser) answer(id string) answer {
	b.t.Helper()
	page := b.get("/alerts/"+id+"/it-was-me", nil).body
	rows, seen := rowField.FindAllStringSubmatch(page, -1), seenField.FindStringSubmatch(page)
	if rows == nil || seen == nil {
		b.t.Fatal("there is no form")
	}
	form := url.Values{"seen": seen[1:]}
	for _, r := range rows {
		form.Add("row", r[1])
	}
	return b.press("/alerts/"+id+"/it-was-me", form)
}

// page says so before; if it does not, that is said and offered again.
func TestItWasMeResumes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		frozen bool
		change func(*recorder)
		want   []string
		flash  string
		stays  bool // frozen, with a button
	}{
		{"frozen", true, nil, []string{"trust exe:/usr/bin/python3 script:/home/dev/bin/backup.py ", "close it was me backup23", "resume backup23"}, "This is allowed from now on, and the alert is closed. You can take it back on the page Trust. 3 processes go on.", false},
		{"not frozen", false, nil, []string{"trust exe:/usr/bin/python3 script:/home/dev/bin/backup.py ", "close it was me backup23"}, "This is allowed from now on", false},
		{"cannot go on", true, func(r *recorder) { r.fails = errors.New("the tree is busy") }, []string{"trust exe:/usr/bin/python3 script:/home/dev/bin/backup.py ", "close it was me backup23"},
			"It was allowed and the alert is closed, but its processes are still frozen. Details the tree is busy", true},
		{"cannot be closed", true, func(r *recorder) { r.unclosed = errors.New("refused") }, []string{"trust exe:/usr/bin/python3 script:/home/dev/bin/backup.py ", "untrust row-one"}, "It was not done. refused", true},
	} {
		r, s := record(t, language.English, func(r *recorder) {
			if tt.frozen {
				r.list[1].Actions = []wormbell.Action{{Time: day, What: "freeze", Outcome: "stopped 3 processes", Done: 3}}
			}
			if tt.change != nil {
				tt.change(r)
			}
		}, nil)
		b := visit(t, s, "/")
		if got := strings.Contains(b.get("/alerts/backup23/it-was-me", nil).body, "Once you have allowed this, they go on."); got != tt.frozen {
			t.Errorf("%s: it is said before: %v", tt.name, got)
		}
		page := b.answer("backup23").body
		if got := r.made(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the agent was asked to %q, want %q", tt.name, got, tt.want)
		}
		if got := shown(flash, page); !strings.HasPrefix(got, tt.flash) {
			t.Errorf("%s: the message is %q, want %q", tt.name, got, tt.flash)
		}
		if got := strings.Contains(page, `/backup23/resume"`); got != tt.stays {
			t.Errorf("%s: it can be let go on: %v", tt.name, got)
		}
	}
}

var undoForm = regexp.MustCompile(`(?s)<form method="post" action="[^"]*/alerts/backup23/undo".*?</form>`)

// back and the alert is open again.
func TestUndo(t *testing.T) {
	t.Parallel()
	r, s := record(t, language.English, func(r *recorder) {
		r.list[1].Actions = []wormbell.Action{{Time: day, What: "freeze", Outcome: "stopped 3 processes", Done: 3}}
	}, nil)
	b := visit(t, s, "/")
	offered := undoForm.FindString(b.answer("backup23").body)
	if !strings.Contains(offered, `name="row" value="row-one"`) || !strings.Contains(offered, ">Undo<") || !strings.Contains(offered, `/trust"`) {
		t.Fatalf("nothing undoes it: %q", offered)
	}
	before := len(r.made())
	form := url.Values{"row": {"row-one", "../../x", "-"}, "resumed": {"yes"}}
	if got := b.press("/alerts/backup23/undo", form); !strings.Contains(shown(flash, got.body), "Undone: nothing of it is allowed any more, and the alert is open. Its processes were let go on.") {
		t.Errorf("the message is %q", shown(flash, got.body))
	}
	if got, want := r.made()[before:], []string{"untrust row-one", "reopen backup23"}; !slices.Equal(got, want) {
		t.Errorf("the agent was asked to %q, want %q", got, want)
	}
	// It cannot be opened again: that is said, too.
	r.set(func() { r.kept = errors.New("refused") })
	b.answer("backup23")
	form.Del("resumed")
	if got := shown(flash, b.press("/alerts/backup23/undo", form).body); !strings.HasPrefix(got, "Nothing of it is allowed any more, but the alert is still closed. Details refused") {
		t.Errorf("the message is %q", got)
	}
	// Without the form's mark nothing happens.
	before = len(r.made())
	if got := b.post("/alerts/backup23/undo", url.Values{"row": {"row-one"}}, nil); got.status != 403 || len(r.made()) != before {
		t.Errorf("without a mark: %d, %q", got.status, r.made()[before:])
	}
}

// TestLasting: for how long rows hold, and that nobody chooses anything else.
func TestLasting(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var last time.Duration
	_, s := record(t, language.English, nil, func(c *dashboard.Config) {
		suggest := c.Suggest
		c.Suggest = func(x wormbell.Alert, d time.Duration, now time.Time) ([]dashboard.Suggestion, string) {
			mu.Lock()
			last = d
			mu.Unlock()
			return suggest(x, d, now)
		}
	})
	b := visit(t, s, "/")
	page := b.get("/alerts/backup23/it-was-me", nil).body
	for _, want := range []string{">1 hour<", ">1 day<", `value="720" selected>30 days<`, ">1 year<"} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no choice %q", want)
		}
	}
	for asked, want := range map[string]time.Duration{"1": time.Hour, "24": 24 * time.Hour, "720": 720 * time.Hour, "8760": 8760 * time.Hour, "": 720 * time.Hour, "-1": 720 * time.Hour, "9999999": 720 * time.Hour, "x": 720 * time.Hour} {
		b.get("/alerts/backup23/it-was-me?hours="+asked, nil)
		mu.Lock()
		if last != want {
			t.Errorf("%q: %v", asked, last)
		}
		mu.Unlock()
	}
}

// TestRefusedItWasMe: where nothing can be allowed, the page leads on.
func TestRefusedItWasMe(t *testing.T) {
	t.Parallel()
	_, s := record(t, language.English, nil, nil)
	b := visit(t, s, "/")
	page := b.get("/alerts/worm2345/it-was-me", nil).body
	for _, want := range []string{"Close without allowing…", `/alerts/worm2345/close"`, `name="frozen" value="leave"`, `/alerts/worm2345/respond"`} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if got := b.press("/alerts/worm2345/close", url.Values{"frozen": {"resume"}}); !strings.Contains(got.body, "The alert is closed.") {
		t.Error("it is not closed")
	}
	if got := b.get("/alerts/worm2345/it-was-me", nil).body; strings.Contains(got, `/close"`) {
		t.Error("a closed alert can be closed")
	}
}

// TestLockedItWasMe: what the agent would refuse is not offered.
func TestLockedItWasMe(t *testing.T) {
	t.Parallel()
	const file = "/etc/wormbell/conf.d/50-fleet.toml"
	for _, lock := range []string{"", file} {
		a := sample()
		a.status.Settings = []wormbell.Setting{{Key: "trust", Locked: lock != "", LockedBy: lock}}
		page := visit(t, serve(t, a, nil), "/").get("/alerts/backup23/it-was-me", nil).body
		if offered, said := rowField.MatchString(page), strings.Contains(page, file); offered != (lock == "") || said != (lock != "") {
			t.Errorf("lock %q: rows offered: %v, file named: %v", lock, offered, said)
		}
	}
}

// TestForeignItWasMe: for another user's alert no rows are offered: they would let in
// what the person who looks does.
func TestForeignItWasMe(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := false
	r, s := record(t, language.English, nil, func(c *dashboard.Config) {
		suggest := c.Suggest
		c.Suggest = func(x wormbell.Alert, d time.Duration, now time.Time) ([]dashboard.Suggestion, string) {
			mu.Lock()
			asked = asked || x.User != "" && x.User != strconv.Itoa(os.Getuid())
			mu.Unlock()
			return suggest(x, d, now)
		}
	})
	b := visit(t, s, "/")
	page := b.get("/alerts/backup23/it-was-me", nil).body
	form := url.Values{"row": {rowField.FindStringSubmatch(page)[1]}, "seen": seenField.FindStringSubmatch(page)[1:]}
	r.set(func() { r.list[1].User = strconv.Itoa(os.Getuid() + 1) })
	if got := b.get("/alerts/backup23", nil).body; strings.Contains(got, "/it-was-me") {
		t.Error("it is offered")
	}
	page = b.get("/alerts/backup23/it-was-me", nil).body
	if strings.Contains(page, `name="row"`) || !strings.Contains(page, "another user’s") {
		t.Error("rows are shown")
	}
	form["seen"] = append(form["seen"], seenField.FindString(page))
	b.press("/alerts/backup23/it-was-me", form)
	mu.Lock()
	if asked || len(r.made()) > 0 {
		t.Errorf("the agent was asked to %q", r.made())
	}
	mu.Unlock()
	r.set(func() { r.list[1].User = strconv.Itoa(os.Getuid()) })
	if got := b.get("/alerts/backup23/it-was-me", nil).body; !strings.Contains(got, `name="row"`) {
		t.Error("one's own alert cannot be answered")
	}
}

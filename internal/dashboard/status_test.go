package dashboard_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/agent/detect"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

var polylines = regexp.MustCompile(`<polyline points="([^"]+)"`)

// TestLoad: what the agent took in the last day is drawn, with its gaps, and
// said in words; so is what was lost.
func TestLoad(t *testing.T) {
	t.Parallel()
	now := day.Add(time.Minute)
	span := func(before, long time.Duration, cpu float64, rss int64, lost int) wormbell.Usage {
		return wormbell.Usage{Time: now.Add(-before), Seconds: long.Seconds(), CPU: cpu, RSS: rss << 20, Lost: lost}
	}
	const m = time.Minute
	for _, tt := range []struct {
		name        string
		used        []wormbell.Usage
		lines       int // in all charts
		want, never []string
	}{
		{"nothing yet", nil, 0, []string{"Nothing has been measured yet"}, []string{"No event was lost in the last day"}},
		{"too short a time", []wormbell.Usage{span(0, time.Second, 0.5, 20, 0)}, 0, []string{"Nothing has been measured yet"}, nil},
		{"a quarter of an hour", []wormbell.Usage{span(5*m, 10*m, 6, 20, 0), span(0, 5*m, 0.3, 30, 0)}, 2,
			[]string{"lately 0.1 %, on average 0.7 %, at most 1.0 %", "now 30 MB, at most 30 MB", "No event was lost in the last day", "today at 09:00"}, []string{"Nothing has been"}},
		{"a gap", []wormbell.Usage{span(40*m, 10*m, 6, 20, 0), span(10*m, 10*m, 0.6, 30, 0), span(0, 10*m, 6, 24, 0)}, 4, []string{"now 24 MB, at most 30 MB"}, nil},
		{"losses", []wormbell.Usage{span(10*m, 10*m, 6, 20, 7), span(0, 10*m, 6, 20, 12)}, 2,
			[]string{"12 between today at 09:05 and today at 09:15", "7 between today at 08:55 and today at 09:05"}, []string{"No event was lost"}},
		{"processor time is not known", []wormbell.Usage{span(0, 10*m, 0, 20, 0)}, 1, []string{"now 20 MB"}, []string{"of one core"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			a.used = tt.used
			body := visit(t, serve(t, a, func(c *dashboard.Config) { c.Now = func() time.Time { return now } }), "/").get("/status", nil).body
			found := polylines.FindAllStringSubmatch(body, -1)
			if len(found) != tt.lines {
				t.Errorf("%d lines are drawn", len(found))
			}
			for _, f := range found {
				if strings.Contains(f[1], "NaN") || strings.Contains(f[1], "Inf") {
					t.Errorf("a line is %s", f[1])
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
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

// old is an agent that does not know what it takes.
type old struct{ *agent }

func (old) Usage(context.Context) ([]wormbell.Usage, error) {
	return nil, &client.Error{Status: http.StatusNotFound, Text: "there is no such call"}
}

// TestReaders: who read a file lately is said, with the alert that it belongs
// to; that it is not known, only where that is so.
func TestReaders(t *testing.T) {
	t.Parallel()
	read := day.Add(-time.Hour)
	row := func(g wormbell.Guarded, lang language.Tag) string {
		a := sample()
		a.guarded = []wormbell.Guarded{g}
		body := visit(t, serve(t, a, func(c *dashboard.Config) { c.Words = words.In(lang) }), "/").get("/credentials", nil).body
		_, body, _ = strings.Cut(body, "<tbody>")
		body, _, _ = strings.Cut(body, "</tbody>")
		return tags.ReplaceAllStringFunc(body, func(tag string) string { // links stay
			if strings.HasPrefix(tag, "<a ") {
				return tag
			}
			return ""
		})
	}
	for _, tt := range []struct {
		name        string
		g           wormbell.Guarded
		want, never []string
	}{
		{"two", wormbell.Guarded{State: wormbell.GuardOn, LastRead: &read, LastBy: "b", Readers: []wormbell.Reader{{Time: read, By: "steal.js <x>", Alert: "worm2345"}, {Time: read.Add(-time.Hour), By: "npm (pid 7)"}}},
			[]string{"steal.js &lt;x&gt;", "08:14:03", `/alerts/worm2345">`, "alert worm2345", "npm (pid 7)", "07:14:03"}, []string{"not known", "not since"}},
		{"one that nobody saw", wormbell.Guarded{State: wormbell.GuardOn, LastRead: &read, Readers: []wormbell.Reader{{Time: read}}}, []string{"By whom is not known", "08:14:03"}, []string{"not since"}},
		{"of before the start", wormbell.Guarded{State: wormbell.GuardOn, LastRead: &read, LastBy: "gh (pid 8)"}, []string{"gh (pid 8)", "08:14:03"}, []string{"not known"}},
		{"nobody", wormbell.Guarded{State: wormbell.GuardOn}, []string{"not since Wormbell watches it"}, []string{"not known"}},
		{"not guarded", wormbell.Guarded{State: wormbell.GuardNot}, []string{"not known"}, []string{"not since"}},
	} {
		tt.g.Store, tt.g.Path = "npm", "~/.npmrc"
		got := row(tt.g, language.English)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in %s", tt.name, want, got)
			}
		}
		if i := slices.IndexFunc(tt.never, func(s string) bool { return strings.Contains(got, s) }); i >= 0 {
			t.Errorf("%s: it says %q", tt.name, tt.never[i])
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// TestOldAgent: one that does not know what it takes has a status page all the same.
func TestOldAgent(t *testing.T) {
	t.Parallel()
	a := sample()
	b := visit(t, serve(t, a, func(c *dashboard.Config) { c.Dial = func() (dashboard.Agent, error) { return old{a}, nil } }), "/")
	if got := b.get("/status", nil); got.status != 200 || !strings.Contains(got.body, "Nothing has been measured yet") {
		t.Errorf("%d", got.status)
	}
}

// TestDetectors: what each detector looks for is said in both languages.
func TestDetectors(t *testing.T) {
	t.Parallel()
	for _, d := range detect.All {
		if en, known := words.In(language.English).Detector(d.ID); !known || en != d.Title {
			t.Errorf("%s is %q, to the agent %q", d.ID, en, d.Title)
		}
		if ja, _ := words.In(language.Japanese).Detector(d.ID); ja == "" || ja == d.Title {
			t.Errorf("%s has no Japanese: %q", d.ID, ja)
		}
	}
}

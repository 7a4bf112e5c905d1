package dashboard_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// spoken is a response that says what responses say: the plan is a real one.
func spoken(ctx context.Context, id string, how dashboard.How, person respond.Person) (*dashboard.Prepared, error) {
	token := respond.Token{Kind: "npm", Name: "npm:registry.example.com", Site: "https://registry.example.com", Places: []respond.Place{{Path: "~/.npmrc", Key: "token"}}}
	r := &respond.Rotator{Patience: 2 * time.Minute}
	o := respond.Options{ContainNow: how.ContainNow, Alert: id}
	steps := []string{"Freeze every process that alert " + id + " is about, and all they started: they stop where they are and lose nothing.",
		"Look once more for what was left behind to start again, or to wait for a token to die. So far:", "  1 thing must be disabled before a token is revoked; 1 of them running",
		"  blocks abcd2345: systemd user unit ~/.config/systemd/user/gh-token-monitor.service (running, pid 4711): it asks api.github.com with a token; it looks whether the service refuses the token; it deletes the home folder",
		"  note cdef2345: running process /usr/bin/bash (running, pid 4712): nobody can tell what it runs: its command line names no script and holds no code",
		"  note dcba2345: running process /usr/bin/zsh (running, pid 4713): nobody can tell what it runs: its command line names no script and holds no code",
		"  not looked at: cron: permission denied",
		"Disable the systemd user unit ~/.config/systemd/user/gh-token-monitor.service: stop it and move it away, with a copy from which it can be put back.",
		"Nothing is revoked while one of these is alive. If you would rather take no risk: take this machine off the network now, and revoke from another one."}
	steps = append(append(steps, r.Steps(token, o)...), r.Notices([]respond.Token{token}, o)...)
	steps = append(steps, "End the frozen processes, and close the alert if nothing is left to do.")
	return &dashboard.Prepared{
		Steps: steps, Problems: []string{`read "/home/dev/.config/pnpm/rc": permission denied`},
		Do: func(ctx context.Context) (incident.Result, error) {
			person.Say("stopped 3 processes")
			person.Say("Asking the service about npm:registry.example.com.")
			if _, err := person.Secret(ctx, "Password of alice at registry.example.com, which wants it for a new token"); err != nil {
				person.Say("A new npm token must be made by hand: " + fmt.Errorf("%w: %w", respond.ErrNobody, fmt.Errorf("no password was given")).Error() + ".")
			}
			yes, err := person.Confirm(ctx, "This was not there when the plan was made: blocks efgh2345: autostart entry ~/.config/autostart/x.desktop: it runs what it downloads. Disable it?")
			if err != nil {
				return incident.Result{}, err
			}
			if yes {
				person.Say("Disabled the autostart entry ~/.config/autostart/x.desktop. 'wormbell restore 20261122-ab' puts it back.")
			}
			return incident.Result{
				Rotations: []respond.Outcome{{Token: "npm:registry.example.com", Sentence: "Both work: the old npm token npm:registry.example.com is not revoked yet, the new one stands in ~/.npmrc."}},
				Problems:  []string{"rotation 20261122-1 of npm:registry.example.com: revoke the token, but the service answered 503 Service Unavailable"},
				Left: []string{"npm:registry.example.com: Revoke the old one.", "Then run this again; with --force tokens are revoked all the same.",
					"The processes of the alert stay stopped: 'wormbell alert kill " + id + "' ends them.", "Something that nobody has words for."},
			}, nil
		},
	}, nil
}

var (
	inTags  = regexp.MustCompile(`<[^>]*>`)
	english = regexp.MustCompile(`<span lang="en">([^<]*)</span>`)
)

// TestRespondJapanese: whatever a person is shown of a response is Japanese, and
// what is not is marked; no page names a flag, in either language.
func TestRespondJapanese(t *testing.T) {
	t.Parallel()
	for _, tag := range []language.Tag{language.English, language.Japanese} {
		t.Run(tag.String(), func(t *testing.T) {
			t.Parallel()
			b := visit(t, serve(t, sample(), func(c *dashboard.Config) { c.Prepare, c.Words = spoken, words.In(tag) }), "/")
			run := ""
			until := func(what, has string) string {
				t.Helper()
				for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
					got := b.get("/alerts/worm2345/respond", nil).body
					if strings.Contains(got, has) {
						if m := regexp.MustCompile(`name="run" value="([^"]+)"`).FindStringSubmatch(got); m != nil {
							run = m[1]
						}
						return got
					}
					if time.Now().After(deadline) {
						t.Fatalf("%s did not come: %s", what, got)
					}
				}
			}
			check := func(page string, stays ...string) {
				t.Helper()
				main := page[strings.Index(page, "<main"):]
				for _, flag := range []string{"--force", "--contain-now", "--resume", "wormbell alert"} {
					if strings.Contains(main, flag) {
						t.Errorf("the page names %s", flag)
					}
				}
				if tag == language.English {
					if strings.Contains(main, `lang="en"`) {
						t.Error("English is marked on an English page")
					}
					return
				}
				var marked []string
				for _, m := range english.FindAllStringSubmatch(main, -1) {
					marked = append(marked, m[1])
				}
				if fmt.Sprint(marked) != fmt.Sprint(stays) {
					t.Errorf("marked as English: %q, want %q", marked, stays)
				}
				rest := inTags.ReplaceAllString(english.ReplaceAllString(main[strings.Index(main, "<ol"):], ""), "\n")
				if m := regexp.MustCompile(`[a-z]{3,} [a-z]{2,} [a-z]{2,}[^\n]*`).FindString(rest); m != "" {
					t.Errorf("English on a Japanese page: %q", m)
				}
			}
			answer := func(page, do string) {
				t.Helper()
				q := regexp.MustCompile(`name="question" value="([^"]+)"`).FindStringSubmatch(page)
				if q == nil {
					t.Fatalf("there is no question: %s", page)
				}
				b.post("/alerts/worm2345/respond", url.Values{"csrf": {b.csrf()}, "run": {run}, "question": {q[1]}, "do": {do}}, nil)
			}
			plan := until("the plan", `id="start"`)
			check(plan)
			list := regexp.MustCompile(`(?s)<ul class="plan">.*?<form`).FindString(plan)
			if hidden := regexp.MustCompile(`(?s)<details>.*?</details>`).FindString(list); strings.Count(list, "<details>") != 1 || strings.Count(hidden, "<li>") != 3 || !strings.Contains(hidden, "/usr/bin/zsh") {
				t.Errorf("what asks for nothing is not behind one line: %s", list)
			}
			if strings.Contains(list, "abcd2345") || strings.Contains(list, "cdef2345") || !strings.Contains(list, "gh-token-monitor") {
				t.Error("the plan does not say what must go, without what only a command needs")
			}
			b.post("/alerts/worm2345/respond", url.Values{"csrf": {b.csrf()}, "run": {run}, "do": {"start"}}, nil)
			page := until("the password", `id="secret"`)
			check(page)
			answer(page, "no") // go on without it
			page = until("the question", `value="yes"`)
			check(page)
			answer(page, "yes")
			page = until("the result", `id="result"`)
			check(page, "503 Service Unavailable", "Something that nobody has words for.")
			if !strings.Contains(page, `action="`) || !strings.Contains(page, "/alerts/worm2345/close") {
				t.Error("the alert cannot be closed from the result")
			}
			if len(choice.FindAllString(page, -1)) != 3 {
				t.Error("the result does not ask what becomes of what is frozen")
			}
			for _, form := range regexp.MustCompile(`(?s)<form[^>]*/close".*?</form>`).FindAllString(page, -1) {
				if !strings.Contains(form, `name="csrf" value="`+b.csrf()+`"`) {
					t.Error("the form that closes has not its mark")
				}
			}
		})
	}
}

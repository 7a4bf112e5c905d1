package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
)

// mine is an alert about a program of this user's: one that is on the disk of
// every machine.
func mine(paths ...string) wormbell.Alert {
	shell := &wormbell.Process{PID: 2, Start: noon, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true, Foreground: true, Cwd: "/home/me"}
	p := &wormbell.Process{PID: 3, Start: noon, Exe: "/bin/ls", Args: []string{"ls", "-l"}, Cwd: "/home/me/app", TTY: "/dev/pts/0", Foreground: true, Parent: shell}
	a := wormbell.Alert{ID: "ab12cd34", Title: "T", Severity: wormbell.High, State: wormbell.Open, User: strconv.Itoa(os.Getuid()), First: noon, Last: noon, Count: 1}
	for _, path := range paths {
		a.Findings = append(a.Findings, wormbell.Finding{Detector: "credential-read", Subject: path, Summary: "ls read it", Severity: wormbell.High,
			Evidence: []wormbell.Event{{Time: noon, Kind: wormbell.FileRead, User: a.User, Process: p, Path: path}}})
	}
	return a
}

func TestAlertTrust(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no rows for programs of this system yet")
	}
	s := &standIn{alerts: []wormbell.Alert{mine("~/.npmrc", "~/.git-credentials")}}
	out, errs, status := wormbellRun(t, s, "alert", "trust", "ab12cd34", "--yes", "--for", "1d")
	if status != exitFine || errs != "" {
		t.Fatalf("ends with %d: %s", status, errs)
	}
	for _, want := range []string{"The program ls (ls -l, started by bash in a terminal, in ~/app) read your npm tokens (~/.npmrc)", "/bin/ls may read your npm tokens (~/.npmrc) when you start it in a terminal, until ",
		"git passwords (~/.git-credentials)", "tomorrow at", "wormbell trust remove r0w", "is closed"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("not said: %s\n%s", want, out)
		}
	}
	want := []string{"trust npm|exe:/bin/ls|person|~/.npmrc|it was me: ls read npm tokens (alert ab12cd34)",
		"trust git|exe:/bin/ls|person|~/.git-credentials|it was me: ls read git passwords (alert ab12cd34)", "close ab12cd34 it was me"}
	if diff := cmp.Diff(s.asked, want); diff != "" {
		t.Error(diff)
	}
	out, errs, status = wormbellRun(t, s, "alert", "trust", "ab12cd34", "--yes", "--json")
	var answer struct {
		Alert string
		Trust []wormbell.TrustRow
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || status != exitFine || answer.Alert != "ab12cd34" || len(answer.Trust) != 2 || answer.Trust[0].Until == nil {
		t.Errorf("ends with %d: %v: %s", status, err, out)
	} else if in := time.Until(*answer.Trust[0].Until); in > 30*24*time.Hour || in < 29*24*time.Hour {
		t.Errorf("for %v", in)
	}
	if !strings.Contains(errs, "may read") {
		t.Errorf("what is allowed is not said: %s", errs)
	}
}

// Without a yes, without a row and in half, nothing is changed.
func TestAlertTrustNot(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no rows for programs of this system yet")
	}
	other, worm, interpreter := mine("~/.npmrc"), mine("~/.npmrc"), mine("~/.npmrc")
	other.User = "54321"
	worm.Findings[0].Evidence[0].Process.Package, worm.Findings[0].Evidence[0].Process.Lifecycle = &wormbell.Package{Name: "evil"}, "postinstall"
	interpreter.Findings[0].Evidence[0].Process.Exe = "/usr/bin/node"
	for _, tt := range []struct {
		name  string
		alert wormbell.Alert
		args  []string
		want  string // of what is said
	}{
		{"nobody agrees", mine("~/.npmrc"), nil, "nobody agreed"},
		{"another user's", other, []string{"--yes"}, "uid 54321"},
		{"an install script", worm, []string{"--yes"}, "dependency's install script"},
		{"an interpreter", interpreter, []string{"--yes"}, "interpreter"},
		{"for ever", mine("~/.npmrc"), []string{"--yes", "--for", "366d"}, "at most 365 days"},
		{"for no time", mine("~/.npmrc"), []string{"--yes", "--for", "0s"}, "at most 365 days"},
		{"for some time", mine("~/.npmrc"), []string{"--yes", "--for", "soon"}, "no number of days|no time"},
		{"no alert", wormbell.Alert{ID: "zzzzzzzz"}, []string{"--yes"}, "no alert"},
	} {
		s := &standIn{alerts: []wormbell.Alert{tt.alert}}
		_, errs, status := wormbellRun(t, s, append([]string{"alert", "trust", "ab12cd34"}, tt.args...)...)
		if status != exitCannot || !regexp.MustCompile(tt.want).MatchString(errs) || !strings.Contains(errs, "hint:") && tt.name != "no alert" || len(s.asked) > 0 {
			t.Errorf("%s: ends with %d, asked %q: %s", tt.name, status, s.asked, errs)
		}
	}
	s := &standIn{alerts: []wormbell.Alert{mine("~/.npmrc")}, refuse: errors.New("refused to trust")}
	if _, errs, status := wormbellRun(t, s, "alert", "trust", "ab12cd34", "--yes"); status != exitCannot || !strings.Contains(errs, "refused to trust") || len(s.asked) != 1 {
		t.Errorf("ends with %d, asked %q: %s", status, s.asked, errs)
	}
}

// once is an agent that takes one row and then no more.
type once struct{ *standIn }

func (o once) AddTrust(ctx context.Context, row wormbell.TrustRow) (wormbell.TrustRow, error) {
	if len(o.asked) > 0 {
		return row, errors.New("no more")
	}
	return o.standIn.AddTrust(ctx, row)
}

func TestAlertTrustHalf(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no rows for programs of this system yet")
	}
	s := &standIn{}
	var out, errs strings.Builder
	a := &app{streams: Streams{strings.NewReader(""), &out, &errs}, zone: time.UTC}
	err := a.itWasMe(t.Context(), once{s}, mine("~/.npmrc", "~/.git-credentials"), time.Hour, true)
	if err == nil || len(s.asked) != 2 || s.asked[1] != "distrust r0w" {
		t.Errorf("%v, asked %q", err, s.asked)
	}
}

// TestStillFrozen: what stays frozen when an alert is closed or hidden is said.
func TestStillFrozen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		actions []wormbell.Action
		want    string // "" for nothing
	}{
		"running":          {nil, ""},
		"frozen":           {[]wormbell.Action{{What: "freeze", Done: 2}}, "2 processes are still frozen: 'wormbell alert resume ab12cd34' lets them go on, 'wormbell alert kill ab12cd34' ends them."},
		"one of it":        {[]wormbell.Action{{What: "freeze", Done: 1}}, "1 process is still frozen: 'wormbell alert resume ab12cd34' lets it go on, 'wormbell alert kill ab12cd34' ends it."},
		"not counted":      {[]wormbell.Action{{What: "freeze", Outcome: "stopped 2 processes"}}, "Its processes are still frozen: "},
		"some go on":       {[]wormbell.Action{{What: "freeze", Done: 5}, {What: "resume", Done: 2, Left: 3}, {What: "note"}}, "3 processes are still frozen: "},
		"beside a shell":   {[]wormbell.Action{{What: "freeze", Done: 5, Left: 1}, {What: "resume", Done: 2, Left: 4}}, "3 processes are still frozen: "},
		"resumed":          {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 2}}, ""},
		"ended":            {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "kill", Done: 2}}, ""},
		"nothing was left": {[]wormbell.Action{{What: "freeze-none"}}, ""},
	} {
		a := mine("~/.npmrc")
		a.Actions = tt.actions
		for _, verb := range []string{"close", "mute", "reopen"} {
			want := tt.want
			if verb == "reopen" {
				want = ""
			}
			out, errs, status := wormbellRun(t, &standIn{alerts: []wormbell.Alert{a}}, "alert", verb, "ab12cd34")
			if out = strings.Join(strings.Fields(out), " "); status != exitFine || !strings.Contains(out, want) || want == "" && strings.Contains(out, "frozen") || !strings.HasPrefix(out, "The alert is ") {
				t.Errorf("%s, %s: ends with %d: %s%s", name, verb, status, out, errs)
			}
			out, _, _ = wormbellRun(t, &standIn{alerts: []wormbell.Alert{a}}, "alert", verb, "ab12cd34", "--json")
			var answer struct {
				Outcome string
				Frozen  bool
			}
			if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Frozen != (want != "") || strings.Contains(answer.Outcome, "frozen") {
				t.Errorf("%s, %s: %v: %s", name, verb, err, out)
			}
		}
	}
}

// TestAlertTrustFrozen: what was frozen because of an alert goes on when it was
// the person, and what does not is told.
func TestAlertTrustFrozen(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no rows for programs of this system yet")
	}
	for name, tt := range map[string]struct {
		froze  bool
		resume error
		stuck  int
		status int
		want   string
	}{
		"not frozen":      {false, nil, 0, exitFine, "The alert is closed."},
		"frozen":          {true, nil, 0, exitFine, "The alert is closed. 3 processes go on."},
		"refused":         {true, errors.New("the agent is busy"), 0, exitCannot, "still frozen: the agent is busy hint: let them go on with 'wormbell alert resume ab12cd34'"},
		"some of it goes": {true, nil, 1, exitCannot, "some of its processes are still frozen hint: let them go on with 'wormbell alert resume ab12cd34'"},
	} {
		a := mine("~/.npmrc")
		if tt.froze {
			a.Actions = []wormbell.Action{{What: "freeze", Done: 3}}
		}
		stand := func() *standIn {
			return &standIn{alerts: []wormbell.Alert{a}, resume: tt.resume, stuck: tt.stuck}
		}
		s := stand()
		out, errs, status := wormbellRun(t, s, "alert", "trust", "ab12cd34", "--yes")
		said := strings.Join(strings.Fields(out+errs), " ")
		if status != tt.status || !strings.Contains(said, tt.want) || strings.Contains(said, "they go on then") != tt.froze || !strings.Contains(out, "Allowed as r0w") {
			t.Errorf("%s: ends with %d: %s", name, status, said)
		}
		want := []string{"trust npm|exe:/bin/ls|person|~/.npmrc|it was me: ls read npm tokens (alert ab12cd34)", "close ab12cd34 it was me"}
		if tt.froze {
			want = append(want, "resume ab12cd34")
		}
		if diff := cmp.Diff(want, s.asked); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		out, _, status = wormbellRun(t, stand(), "alert", "trust", "ab12cd34", "--yes", "--json")
		var answer struct {
			Trust  []wormbell.TrustRow
			Frozen *bool
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil || status != tt.status || len(answer.Trust) != 1 || (answer.Frozen != nil) != tt.froze || tt.froze && *answer.Frozen != (tt.status != exitFine) {
			t.Errorf("%s: ends with %d: %v: %s", name, status, err, out)
		}
	}
}

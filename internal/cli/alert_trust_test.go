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

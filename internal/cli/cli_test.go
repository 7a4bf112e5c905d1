package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// standIn is an agent that answers from memory and notes what it is asked. The
// real one is met in the end-to-end tests.
type standIn struct {
	status wormbell.Status
	alerts []wormbell.Alert
	files  []wormbell.Guarded
	rows   []wormbell.TrustRow
	events []wormbell.Event
	unwell error            // what it is asked how it is is answered with
	refuse error            // what every change is answered with
	resume error            // what to let processes go on is answered with
	stuck  int              // processes that do not go on
	stream []wormbell.Alert // what Follow tells before it waits
	asked  []string
	plants
}

func (s *standIn) note(format string, args ...any) error {
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
	return s.refuse
}

func (s *standIn) Status(context.Context) (wormbell.Status, error) { return s.status, s.unwell }
func (s *standIn) Alerts(_ context.Context, all bool) ([]wormbell.Alert, error) {
	var list []wormbell.Alert
	for _, a := range s.alerts {
		if all || a.State == wormbell.Open {
			list = append(list, a)
		}
	}
	return list, nil
}
func (s *standIn) Alert(_ context.Context, id string) (wormbell.Alert, error) {
	for _, a := range s.alerts {
		if a.ID == id {
			return a, nil
		}
	}
	return wormbell.Alert{}, fmt.Errorf("no alert %q", id)
}
func (s *standIn) Close(_ context.Context, id, reason string) error {
	return s.note("close %s %s", id, reason)
}
func (s *standIn) Mute(_ context.Context, id, reason string) error {
	return s.note("mute %s %s", id, reason)
}
func (s *standIn) Reopen(_ context.Context, id, reason string) error {
	return s.note("reopen %s %s", id, reason)
}
func (s *standIn) Freeze(_ context.Context, id string) (string, error) {
	return "froze 3 processes", s.note("freeze %s", id)
}
func (s *standIn) Resume(_ context.Context, id string) (string, error) {
	err := s.note("resume %s", id)
	if s.resume != nil {
		err = s.resume
	}
	for i := range s.alerts {
		if s.alerts[i].ID == id && err == nil {
			s.alerts[i].Actions = append(slices.Clip(s.alerts[i].Actions), wormbell.Action{What: "resume", Outcome: "3 processes go on", Done: 3 - s.stuck, Left: s.stuck})
		}
	}
	return "3 processes go on", err
}
func (s *standIn) Kill(_ context.Context, id string) (string, error) {
	return "ended 3 processes", s.note("kill %s", id)
}
func (s *standIn) Act(_ context.Context, id string, a wormbell.Action) error {
	return s.note("act %s %s: %s", id, a.What, a.Outcome)
}
func (s *standIn) Announce(_ context.Context, paths []string, d time.Duration) error {
	return s.note("announce %s %v", strings.Join(paths, " "), d)
}
func (s *standIn) Trust(context.Context) ([]wormbell.TrustRow, error) { return s.rows, nil }
func (s *standIn) AddTrust(_ context.Context, row wormbell.TrustRow) (wormbell.TrustRow, error) {
	row.ID = "r0w"
	return row, s.note("trust %s|%s|%s|%s|%s", row.Store, row.Who, row.Under, row.Path, row.Reason)
}
func (s *standIn) RemoveTrust(_ context.Context, id string) error          { return s.note("distrust %s", id) }
func (s *standIn) Credentials(context.Context) ([]wormbell.Guarded, error) { return s.files, nil }
func (s *standIn) Pause(_ context.Context, d time.Duration) error          { return s.note("pause %v", d) }
func (s *standIn) Protect(_ context.Context, on bool) error                { return s.note("protect %v", on) }
func (s *standIn) Calls(context.Context) ([]wormbell.Event, error)         { return s.events, nil }
func (s *standIn) Demo(context.Context, string, time.Duration) error       { return nil }
func (s *standIn) Events(ctx context.Context, each func(wormbell.Event) error) error {
	for _, e := range s.events {
		if err := each(e); err != nil {
			return err
		}
	}
	return errors.New("gone")
}
func (s *standIn) Follow(ctx context.Context, each func(wormbell.Alert)) error {
	for _, a := range s.stream {
		each(a)
	}
	<-ctx.Done()
	return ctx.Err()
}

// wormbellRun runs one command line against s.
func wormbellRun(t *testing.T, s *standIn, args ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{streams: Streams{strings.NewReader(""), &o, &e}, zone: time.UTC, connect: func(socket string) (Agent, error) {
		if s == nil {
			return connect(socket) // where nobody listens
		}
		return s, nil
	}}
	status = a.run(t.Context(), append([]string{"--socket", filepath.Join(t.TempDir(), "none.sock")}, args...))
	return o.String(), e.String(), status
}

// TestHelp keeps what a person reads from changing unseen.
func TestHelp(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	var all func(*cobra.Command)
	all = func(c *cobra.Command) {
		if c.Name() == "completion" || c.Name() == "help" {
			return
		}
		out, _, status := wormbellRun(t, nil, append(strings.Fields(c.CommandPath())[1:], "--help")...)
		if status != exitFine {
			t.Errorf("%s --help ends with %d", c.CommandPath(), status)
		}
		fmt.Fprintf(&b, "$ %s --help\n%s\n", c.CommandPath(), out)
		for _, sub := range c.Commands() {
			all(sub)
		}
	}
	all((&app{}).root())
	golden(t, "help.golden", b.String())
}

func sample() *standIn {
	theft, farm := theft(), farm()
	closed := theft
	closed.ID, closed.State = "c105ed00", wormbell.Closed
	read := noon
	until := after(time.Hour)
	_, npm, _, _, child, _ := stealer()
	return &standIn{
		status: wormbell.Status{Version: "1.2.3", PID: 42, User: "0", Privileged: true, Started: noon, Uptime: 3725, CPU: 1.5, RSS: 21_500_000,
			Socket: "/run/wormbell/wormbell.sock", State: "/var/lib/wormbell", Homes: []string{"/home/alice"}, Lost: 2, Events: 1234, Alerts: 1,
			Sensors: []wormbell.Sensor{
				{Name: "credentials", Backend: "fanotify", Who: true, Events: 12},
				{Name: "manifests", Backend: "fsnotify", Events: 3, Lost: 2, Restarts: 1, Why: "fanotify is refused on overlayfs"},
				{Name: "processes", Why: "no /proc"}},
			Detectors: []wormbell.DetectorStatus{{ID: "credential-read", Title: "A program opened credentials", Sees: "sees"}, {ID: "publish-loop", Title: "npm publish runs in a loop", Sees: "blind"}},
			Problems:  []string{"the alert store cannot be written: disk full"},
			Notices:   []string{`trust: "/etc/wormbell/trust.d/10.toml" lets "exe:/opt/x" read "*", which is a lot (row file-a)`},
			Settings: []wormbell.Setting{
				{Key: "homes", Value: []any{"/home/alice"}, From: "default"},
				{Key: "stores", Value: []any{}, From: "/etc/wormbell/config.toml"},
				{Key: "log_level", Value: "info", From: "/etc/wormbell/conf.d/50-fleet.toml", Locked: true, LockedBy: "/etc/wormbell/conf.d/50-fleet.toml"},
				{Key: "protect", Value: false, From: "default", Locked: true, LockedBy: "/etc/wormbell/conf.d/50-fleet.toml"},
				{Key: "pause", Value: "refused", From: "/etc/wormbell/config.toml", Locked: true, LockedBy: "/etc/wormbell/config.toml"}}},
		alerts: []wormbell.Alert{theft, farm, closed},
		files: []wormbell.Guarded{
			{Store: "npm", Kind: "npm tokens", Path: "~/.npmrc", User: "1000", State: wormbell.GuardOn, LastRead: &read, LastBy: "npm install (pid 4211)"},
			{Store: "aws", Kind: "AWS keys", Path: "~/.aws/credentials", User: "1000", State: wormbell.GuardNot, Why: "on NFS"},
			{Store: "gh", Kind: "GitHub token", Path: "~/.config/gh/hosts.yml", User: "1000", State: wormbell.GuardAbsent}},
		rows: []wormbell.TrustRow{
			{ID: "store-reader", Store: "*", Who: "reader", Under: "not-a-dependency-script", Reason: "its own program", By: "built-in"},
			{ID: "file-abcdefgh", Store: "aws", Who: "exe:/opt/backup/bin/backup", Under: "not-a-dependency-script", Reason: "nightly backup", By: "admin", File: "/etc/wormbell/trust.d/10.toml"},
			{ID: "a1b2c3d4", Store: "npm", Who: "exe:/usr/bin/vim", Under: "person", Path: "~/.npmrc", Reason: "editing it", By: "1000", Until: &until}},
		events: []wormbell.Event{
			{Time: noon, Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Process: npm, Path: "~/.npmrc"},
			{Time: after(time.Second), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Process: child, Path: "~/.npmrc"}},
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		status int
	}{
		{"status", []string{"status"}, exitFine},
		{"alerts", []string{"alerts"}, exitFine},
		{"alerts-all", []string{"alerts", "--all"}, exitFine},
		{"credentials", []string{"credentials"}, exitFine},
		{"credentials-all", []string{"credentials", "--all"}, exitFine},
		{"trust", []string{"trust", "list"}, exitFine},
		{"settings", []string{"settings"}, exitFine},
		{"trust-export", []string{"trust", "export"}, exitFine},
		{"calls", []string{"calls"}, exitFine},
	} {
		out, errs, status := wormbellRun(t, sample(), tt.args...)
		if status != tt.status || errs != "" {
			t.Errorf("%v ends with %d: %s", tt.args, status, errs)
		}
		golden(t, tt.name+".golden", out)
		out, _, status = wormbellRun(t, &standIn{}, tt.args...)
		if status != exitFine || out == "" {
			t.Errorf("%v with an empty agent ends with %d: %q", tt.args, status, out)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		key  string // of the array in it
		n    int
	}{
		{[]string{"alerts", "--json"}, "alerts", 1},
		{[]string{"alerts", "--json", "--all"}, "alerts", 3},
		{[]string{"credentials", "--json"}, "credentials", 3},
		{[]string{"trust", "list", "--json"}, "trust", 3},
		{[]string{"trust", "export", "--json"}, "trust", 1},
		{[]string{"settings", "--json"}, "settings", 5},
		{[]string{"calls", "--json"}, "calls", 2},
	} {
		out, _, _ := wormbellRun(t, sample(), tt.args...)
		var doc map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Errorf("%v: %v: %s", tt.args, err, out)
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(doc[tt.key], &list); err != nil || len(list) != tt.n || string(doc["version"]) != "1" {
			t.Errorf("%v: %d things of version %s, want %d: %v", tt.args, len(list), doc["version"], tt.n, err)
		}
		if out, _, _ = wormbellRun(t, &standIn{}, tt.args...); out != `{"`+min(tt.key, "version")+`":`+map[bool]string{true: "[],\"version\":1}\n", false: "1,\"" + tt.key + "\":[]}\n"}[tt.key < "version"] {
			t.Errorf("%v of nothing is %s", tt.args, out)
		}
	}
	out, _, _ := wormbellRun(t, sample(), "alert", "show", "k7f3m9qx", "--json")
	var got wormbell.Alert
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "k7f3m9qx" || len(got.Findings) != 3 || got.Findings[0].Evidence[0].Process.Package.String() != "colour-strings@1.0.3" {
		t.Errorf("alert show --json lost something: %s", out)
	}
	out, _, _ = wormbellRun(t, sample(), "status", "--json")
	var status wormbell.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample().status, status); diff != "" {
		t.Error("status (-want +got):", diff)
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"alerts"}, exitFine},
		{[]string{"alerts", "--min-severity", "critical"}, exitAlerts},
		{[]string{"alerts", "--min-severity", "low", "--json"}, exitAlerts},
		{[]string{"alerts", "--min-severity", "fatal"}, exitCannot},
		{[]string{"alerts", "extra"}, exitCannot},
		{[]string{"alert", "show"}, exitCannot},
		{[]string{"alert", "show", "nosuchid"}, exitCannot},
		{[]string{"alert"}, exitFine},
		{[]string{"nonsense"}, exitCannot},
		{[]string{"alert", "nonsense"}, exitCannot},
		{[]string{"pause", "soon"}, exitCannot},
		{[]string{"pause", "-1h"}, exitCannot},
		{[]string{"pause", "1h", "--end"}, exitCannot},
		{[]string{"protect"}, exitCannot},
		{[]string{"protect", "maybe"}, exitCannot},
		{[]string{"trust", "add", "--store", "npm"}, exitCannot},
		{[]string{"trust", "add", "--store", "npm", "--who", "exe:/x", "--reason", " "}, exitCannot},
		{[]string{"trust", "add", "--store", "npm", "--who", "exe:/x", "--reason", "r", "--for", "-1h"}, exitCannot},
		{[]string{"replay", "/does/not/exist"}, exitCannot},
		{[]string{"replay", "/"}, exitCannot},
		{[]string{"demo", "wannacry"}, exitCannot},
		{[]string{"status", "--nope"}, exitCannot},
	} {
		out, errs, status := wormbellRun(t, sample(), tt.args...)
		if status != tt.want {
			t.Errorf("%v ends with %d, want %d: %s%s", tt.args, status, tt.want, out, errs)
		}
		first, rest, _ := strings.Cut(errs, "\n")
		if status == exitCannot && (!strings.HasPrefix(first, "wormbell: ") || rest != "" && !strings.HasPrefix(rest, "hint: ")) {
			t.Errorf("%v says\n%s", tt.args, errs)
		}
		if status != exitCannot && errs != "" {
			t.Errorf("%v complains: %s", tt.args, errs)
		}
	}
	if _, _, status := wormbellRun(t, &standIn{}, "alerts", "--min-severity", "low"); status != exitFine {
		t.Errorf("no alerts end with %d", status)
	}
	muted := sample()
	muted.alerts = muted.alerts[1:]
	if _, _, status := wormbellRun(t, muted, "alerts", "--all", "--min-severity", "low"); status != exitFine {
		t.Errorf("only muted and closed alerts end with %d", status)
	}
}

func TestNoAgent(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status"}, {"alerts"}, {"alerts", "--follow"}, {"alert", "show", "x"}, {"credentials"}, {"record"}, {"trust", "list"}} {
		_, errs, status := wormbellRun(t, nil, args...)
		if status != exitCannot || !strings.Contains(errs, "nobody listens\nhint: 'wormbell run' starts one") {
			t.Errorf("%v ends with %d and says %s", args, status, errs)
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"alert", "close", "k7f3m9qx", "--reason", "dealt with"}, "close k7f3m9qx dealt with"},
		{[]string{"alert", "mute", "k7f3m9qx"}, "mute k7f3m9qx "},
		{[]string{"alert", "reopen", "k7f3m9qx"}, "reopen k7f3m9qx "},
		{[]string{"alert", "freeze", "k7f3m9qx"}, "freeze k7f3m9qx"},
		{[]string{"alert", "resume", "k7f3m9qx"}, "resume k7f3m9qx"},
		{[]string{"alert", "kill", "k7f3m9qx"}, "kill k7f3m9qx"},
		{[]string{"pause"}, "pause 1h0m0s"},
		{[]string{"pause", "90m"}, "pause 1h30m0s"},
		{[]string{"pause", "--end"}, "pause 0s"},
		{[]string{"protect", "on"}, "protect true"},
		{[]string{"protect", "off"}, "protect false"},
		{[]string{"trust", "remove", "a1b2c3d4"}, "distrust a1b2c3d4"},
		{[]string{"trust", "add", "--store", "npm", "--who", "exe:/usr/bin/vim", "--path", "~/.npmrc", "--under", "person", "--reason", "mine"},
			"trust npm|exe:/usr/bin/vim|person|~/.npmrc|mine"},
	} {
		s := sample()
		out, errs, status := wormbellRun(t, s, tt.args...)
		if status != exitFine || out == "" {
			t.Errorf("%v ends with %d: %s%s", tt.args, status, out, errs)
		}
		if diff := cmp.Diff([]string{tt.want}, s.asked); diff != "" {
			t.Errorf("%v asked (-want +got): %s", tt.args, diff)
		}
		s = sample()
		s.refuse = errors.New("refused: \x1b[2Jthe caller is below an installer")
		_, errs, status = wormbellRun(t, s, tt.args...)
		if status != exitCannot || !strings.Contains(errs, `refused: \x1b[2Jthe caller`) {
			t.Errorf("%v, refused, ends with %d and says %q", tt.args, status, errs)
		}
	}
}

// followed runs alerts --follow over a stream and returns what was written.
func followed(t *testing.T, stream []wormbell.Alert, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	s := &endless{standIn{stream: stream}, cancel}
	a := &app{streams: Streams{strings.NewReader(""), &out, os.Stderr}, zone: time.UTC, connect: func(string) (Agent, error) { return s, nil }}
	if status := a.run(ctx, append([]string{"alerts", "--follow"}, args...)); status != exitFine {
		t.Errorf("Ctrl-C ends it with %d", status)
	}
	return out.String()
}

// endless is a stream that Ctrl-C ends once it was told.
type endless struct {
	standIn
	interrupt func()
}

func (e *endless) Follow(ctx context.Context, each func(wormbell.Alert)) error {
	for _, a := range e.stream {
		each(a)
	}
	e.interrupt()
	<-ctx.Done()
	return ctx.Err()
}

func TestFollow(t *testing.T) {
	t.Parallel()
	full := theft()
	first, second, closed := full, full, full
	first.Findings, first.Severity, first.Count = full.Findings[:1], wormbell.High, 1
	second.Findings, second.Severity, second.Count = full.Findings[:1], wormbell.High, 2
	closed.State = wormbell.Closed
	low := farm()
	low.ID, low.State, low.Severity = "10w10w10", wormbell.Open, wormbell.Low
	golden(t, "follow.golden", followed(t, []wormbell.Alert{first, second, low, full, closed}, "--min-severity", "medium"))

	out := followed(t, []wormbell.Alert{first, low, closed}, "--json", "--min-severity", "medium")
	var states []string
	for line := range strings.Lines(out) {
		var a wormbell.Alert
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		states = append(states, a.ID+" "+string(a.State))
	}
	if diff := cmp.Diff([]string{"k7f3m9qx open", "k7f3m9qx closed"}, states); diff != "" {
		t.Error("lines (-want +got):", diff)
	}
}

type broken struct{ standIn }

func (*broken) Follow(context.Context, func(wormbell.Alert)) error {
	return errors.New("connection reset")
}

// TestFollowEnds: when the agent goes away, a follower must not look quiet.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Follow(t.Context(), &broken{}, &out); err == nil || !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("Follow says %v", err)
	}
	if err := Follow(t.Context(), &endless{standIn{stream: []wormbell.Alert{theft()}}, func() {}}, full{}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Follow into nothing says %v", err)
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestRecordAndReplay: what is recorded can be replayed and finds the same,
// also when the agent goes away in between.
func TestRecordAndReplay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.txtar")
	s := sample()
	s.status.Homes = []string{"/home/alice"}
	_, errs, status := wormbellRun(t, s, "record", "-o", file)
	if status != exitCannot || !strings.Contains(errs, "gone") || !strings.Contains(errs, "~/.npmrc") {
		t.Errorf("record ends with %d and says %s", status, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := scene.Parse(text)
	if err != nil || len(parsed.Events) != 2 || !strings.Contains(parsed.Findings, "credential-read") {
		t.Fatalf("%v: %s", err, text)
	}
	out, errs, status := wormbellRun(t, nil, "replay", file)
	if status != exitFine || !strings.Contains(out, "credential-read") {
		t.Errorf("replay ends with %d: %s%s", status, out, errs)
	}
	// A scene that expects something else, and one whose quiet events ring.
	for name, change := range map[string]func(string) string{
		"differs": func(s string) string { return strings.ReplaceAll(s, "high credential-read", "low credential-read") },
		"quiet":   func(s string) string { return strings.ReplaceAll(s, "-- events --", "-- quiet --") },
	} {
		other := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(other, []byte(change(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, _, status := wormbellRun(t, nil, "replay", other); status != exitAlerts || !strings.Contains(out, "The scene says") && !strings.Contains(out, "the scene says") {
			t.Errorf("%s: replay ends with %d: %s", name, status, out)
		}
		out, _, _ := wormbellRun(t, nil, "replay", "--json", other)
		var doc struct {
			AsExpected *bool `json:"as_expected"`
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.AsExpected == nil || *doc.AsExpected {
			t.Errorf("%s: replay --json says %s", name, out)
		}
	}
	if err := os.WriteFile(file, []byte("-- nonsense --\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, status := wormbellRun(t, nil, "replay", file); status != exitCannot {
		t.Errorf("nonsense ends with %d", status)
	}
}

// TestDemoScenes: on a machine without node the demonstration is these scenes,
// and they must ring as the real ones do.
func TestDemoScenes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"npmrc-read":      {"credential-read"},
		"shai-hulud":      {"credential-read", "credential-sweep", "publish-by-install-script"},
		"indonesianfoods": {"private-flag-removed", "publish-loop"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "demo", "scenes", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scene.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		found := scene.Findings(scene.Replay(s.Events, detect.NewEngine(detect.All, detect.NewTrust()).Observe))
		for _, id := range want {
			if !strings.Contains(found, " "+id+" ") {
				t.Errorf("%s: no %s in\n%s", name, id, found)
			}
		}
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	out, _, status := wormbellRun(t, sample(), "doctor")
	if status != exitAlerts || !strings.Contains(out, "disk full") || !strings.Contains(out, "no /proc") {
		t.Errorf("doctor ends with %d: %s", status, out)
	}
	out, _, status = wormbellRun(t, nil, "doctor", "--json")
	var doc struct {
		Checks []struct{ Check, State string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Checks) == 0 || doc.Checks[0].State != "fail" || status != exitAlerts {
		t.Errorf("doctor --json ends with %d, %v: %s", status, err, out)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"version", "--json"}} {
		if out, _, status := wormbellRun(t, sample(), args...); status != exitFine || !strings.Contains(out, "1.2.3") {
			t.Errorf("%v ends with %d: %s", args, status, out)
		}
	}
	if _, _, status := wormbellRun(t, nil, "version"); status != exitFine {
		t.Errorf("version without an agent ends with %d", status)
	}
}

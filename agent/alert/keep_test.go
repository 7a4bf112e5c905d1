package alert_test

import (
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

	"wormbell"
	"wormbell/agent/alert"
)

// What a hostile user can make the store keep is bounded; nothing is dropped
// silently: counts go on.
func TestBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	sh := shell()
	p := proc(61, sh, "/bin/sh", "evil")
	var a wormbell.Alert
	for i := range 120 {
		f := read(p, fmt.Sprint("subject ", i), time.Second)
		if i == 119 {
			f.Detector = "publish-loop"
		}
		a = record(t, s, f)
	}
	if a.Count != 120 || len(a.Findings) > 51 || a.Severity != wormbell.Critical {
		t.Errorf("count %d, %d findings, %s", a.Count, len(a.Findings), a.Severity)
	}
	for i := range 580 {
		a = record(t, s, read(proc(1000+i, sh, "/opt/x", ""), "~/.npmrc", time.Second))
	}
	if n := len(s.Alerts(alert.Filter{})); n > 501 {
		t.Errorf("%d open alerts", n)
	}
	if a.Count < 50 {
		t.Errorf("findings beyond the limit are not gathered: count %d", a.Count)
	}
	other := record(t, s, func() wormbell.Finding {
		f := read(proc(5000, sh, "/opt/x", ""), "~/.npmrc", time.Second)
		f.Evidence[0].User = "1001"
		return f
	}())
	if other.Count != 1 || other.User != "1001" {
		t.Errorf("another user's alert was drowned: %+v", other)
	}

	huge := proc(9000, sh, "/opt/x", "")
	for i := range 200 {
		huge = proc(9001+i, huge, strings.Repeat("é", 3000), "")
		huge.Args = slices.Repeat([]string{strings.Repeat("x", 5000)}, 50)
	}
	f := read(huge, strings.Repeat("p\n", 5000), time.Second)
	f.Evidence[0].User = "1002"
	f.Summary = "line\nbreak\x1b[31m" + strings.Repeat("s", 5000)
	a = record(t, s, f)
	b, err := json.Marshal(a)
	if err != nil || len(b) > 64<<10 {
		t.Errorf("a huge event makes an alert of %d bytes, %v", len(b), err)
	}
	if strings.ContainsAny(a.Findings[0].Summary, "\n\x1b") {
		t.Error("control characters in a summary")
	}
	if !json.Valid(b) {
		t.Error("not JSON")
	}
	s.Close()
	if n := len(open(t, alert.Config{Dir: dir}).Alerts(alert.Filter{})); n > 503 {
		t.Errorf("%d alerts after a restart", n)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &clock{t: t0}
	s := open(t, alert.Config{Dir: dir, Now: c.now})
	open1 := record(t, s, read(proc(61, shell(), "/bin/sh", "a"), "~/.npmrc", 0))
	closed := record(t, s, read(proc(62, shell(), "/bin/sh", "b"), "~/.npmrc", 0))
	if _, err := s.SetState(closed.ID, wormbell.Closed, "0", ""); err != nil {
		t.Fatal(err)
	}
	s.Close()
	c.add(89 * 24 * time.Hour)
	s = open(t, alert.Config{Dir: dir, Now: c.now})
	if n := len(s.Alerts(alert.Filter{})); n != 2 {
		t.Fatalf("%d alerts after 89 days, want 2", n)
	}
	s.Close()
	c.add(2 * 24 * time.Hour)
	s = open(t, alert.Config{Dir: dir, Now: c.now})
	if got := ids(s.Alerts(alert.Filter{})); !slices.Equal(got, []string{open1.ID}) {
		t.Errorf("after 91 days: %v, want the open one", got)
	}
}

func TestBook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &clock{t: t0}
	s := open(t, alert.Config{Dir: dir, Now: c.now})
	until := t0.Add(time.Hour)
	row, err := s.AddTrust(wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x", Under: "person", Reason: "mine", By: "1000", Until: &until})
	if err != nil || len(row.ID) != 8 {
		t.Fatalf("%+v %v", row, err)
	}
	forever, err := s.AddTrust(wormbell.TrustRow{Store: "gh", By: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetSetting("paused_until", "later"); err != nil {
		t.Fatal(err)
	}
	s.AddCall(alert.Call{Time: t0, User: "1000", PID: 7, Exe: "/usr/bin/wormbell", What: "close abcd2345"})
	s.AddCall(alert.Call{Time: t0, User: "1001", PID: 8, Exe: "/usr/bin/wormbell", What: "mute"})
	s.Close()
	s = open(t, alert.Config{Dir: dir, Now: c.now})
	if got := s.Trust(); len(got) != 2 {
		t.Errorf("trust %+v", got)
	}
	if got := s.Setting("paused_until"); got != "later" {
		t.Errorf("setting %q", got)
	}
	calls, err := s.Calls("1000", 10)
	if d := cmp.Diff(calls, []alert.Call{{Time: t0, User: "1000", PID: 7, Exe: "/usr/bin/wormbell", What: "close abcd2345"}}); d != "" || err != nil {
		t.Error(d, err)
	}
	if calls, _ := s.Calls("", 1); len(calls) != 1 || calls[0].User != "1001" {
		t.Errorf("latest call: %+v", calls)
	}
	c.add(2 * time.Hour)
	if got := s.Trust(); len(got) != 1 || got[0].ID != forever.ID {
		t.Errorf("after expiry: %+v", got)
	}
	if _, err := s.RemoveTrust(forever.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.RemoveTrust(forever.ID); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	s := open(t, alert.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	ch := s.Subscribe(ctx)
	for i := range 3 {
		record(t, s, read(proc(61+i, shell(), "/bin/sh", "x"), "~/.npmrc", 0))
	}
	<-ch
	if n := len(s.Alerts(alert.Filter{})); n != 3 {
		t.Errorf("told, but %d alerts", n)
	}
	cancel()
	for range ch { // drains what is left and ends because it is closed
	}
	record(t, s, read(proc(70, shell(), "/bin/sh", "x"), "~/.npmrc", 0))
}

func TestSuspectAndProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	sh := shell()
	npm := proc(60, sh, "/usr/bin/node", "")
	evil := proc(61, npm, "/bin/sh", "evil")
	node := proc(62, evil, "/usr/bin/node", "evil")
	a := record(t, s, read(node, "~/.npmrc", 0))
	check := func(s *alert.Store) {
		t.Helper()
		for _, tt := range []struct {
			p    *wormbell.Process
			want bool
		}{{proc(90, node, "/usr/bin/wormbell", ""), true}, {proc(91, evil, "/usr/bin/wormbell", ""), true}, {npm, false}, {proc(92, sh, "/usr/bin/wormbell", ""), false}, {nil, false}} {
			if id, ok := s.Suspect(tt.p); ok != tt.want || ok && id != a.ID {
				t.Errorf("Suspect(%v) = %q, %v", tt.p, id, ok)
			}
		}
		got, err := s.Processes(a.ID)
		if d := cmp.Diff(got, []wormbell.ProcessID{evil.ID(), node.ID()}); d != "" || err != nil {
			t.Errorf("processes: %v\n%s", err, d)
		}
	}
	check(s)
	s.Close()
	s = open(t, alert.Config{Dir: dir})
	check(s)
	if _, err := s.SetState(a.ID, wormbell.Closed, "1000", ""); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Suspect(node); ok {
		t.Error("suspect after the alert was closed")
	}
}

func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, alert.Config{Dir: dir})
	record(t, s, read(proc(61, shell(), "/bin/sh", "x"), "~/.npmrc", 0))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 2 {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range append(entries, nil) {
		name := dir
		if e != nil {
			name = filepath.Join(dir, e.Name())
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// The fixture was written by the first version of the schema and stays for ever.
func TestSchemaV1(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := os.ReadFile("testdata/v1.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wormbell.db"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, alert.Config{Dir: dir, Now: func() time.Time { return t0 }})
	if p := s.Problems(); len(p) > 0 {
		t.Fatal(p)
	}
	var lines []string
	for _, a := range s.Alerts(alert.Filter{}) {
		lines = append(lines, fmt.Sprintln(a.ID, a.State, a.Severity, a.User, a.Count, len(a.Findings), len(a.Findings[0].Evidence), a.Findings[0].Evidence[0].Process))
	}
	want, err := os.ReadFile("testdata/v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Join(lines, ""), string(want)); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if len(s.Trust()) != 1 || s.Setting("paused_until") == "" {
		t.Error("trust rows or settings are gone")
	}
	if c, err := s.Calls("", 10); len(c) != 1 || err != nil {
		t.Error(c, err)
	}
}

// The fixture is the first one, opened by the second version of the schema, with
// a freeze and a resume added.
func TestSchemaV2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := os.ReadFile("testdata/v2.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wormbell.db"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, alert.Config{Dir: dir, Now: func() time.Time { return t0 }})
	if p := s.Problems(); len(p) > 0 {
		t.Fatal(p)
	}
	a, err := s.Get("v3998gu5")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range a.Actions {
		got = append(got, fmt.Sprint(x.What, " ", x.Done, " ", x.Left))
	}
	if n := len(got); n < 2 || got[n-2] != "freeze 2 1" || got[n-1] != "resume 2 1" {
		t.Errorf("actions %q", got)
	}
}

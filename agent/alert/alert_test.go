package alert_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/agent/alert"
)

var t0 = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t *testing.T, cfg alert.Config) *alert.Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return t0 }
	}
	s, err := alert.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// proc makes a process; pkg makes it a dependency's.
func proc(pid int, parent *wormbell.Process, exe, pkg string) *wormbell.Process {
	p := &wormbell.Process{PID: pid, Start: t0.Add(time.Duration(pid) * time.Second), Exe: exe, User: "1000", Parent: parent}
	if pkg != "" {
		p.Lifecycle, p.Package = "postinstall", &wormbell.Package{Ecosystem: "npm", Name: pkg, Version: "1.0.0"}
	}
	return p
}

func shell() *wormbell.Process {
	p := proc(50, proc(1, nil, "/usr/lib/systemd/systemd", ""), "/bin/bash", "")
	p.Signer, p.TTY, p.Leader = "deb:bash", "/dev/pts/1", true
	return p
}

func read(p *wormbell.Process, path string, after time.Duration) wormbell.Finding {
	e := wormbell.Event{Time: t0.Add(after), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Process: p, Path: path}
	return wormbell.Finding{Detector: "credential-read", Subject: path, Summary: "somebody read " + path, Severity: wormbell.High, Process: p,
		Evidence: []wormbell.Event{e}, Time: e.Time}
}

func record(t *testing.T, s *alert.Store, f wormbell.Finding) wormbell.Alert {
	t.Helper()
	a, err := s.Record(f, alert.Meta{Title: "title of " + f.Detector, Advice: "advice of " + f.Detector})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ids(as []wormbell.Alert) []string {
	out := []string{}
	for _, a := range as {
		out = append(out, a.ID)
	}
	slices.Sort(out)
	return out
}

func TestIncidents(t *testing.T) {
	t.Parallel()
	sh := shell()
	npm := proc(60, sh, "/usr/bin/node", "")
	evil := proc(61, npm, "/bin/sh", "evil")
	evilNode := proc(62, evil, "/usr/bin/node", "evil")
	other := proc(71, npm, "/bin/sh", "other")
	tool := proc(80, sh, "/opt/tool", "")
	toolChild := proc(81, tool, "/opt/tool", "")

	nobody := func(after time.Duration, subject string) wormbell.Finding {
		f := read(nil, subject, after)
		return f
	}
	user := func(f wormbell.Finding, user string) wormbell.Finding {
		f.Evidence = slices.Clone(f.Evidence)
		f.Evidence[0].User = user
		return f
	}
	demo := func(f wormbell.Finding) wormbell.Finding {
		f.Evidence = slices.Clone(f.Evidence)
		f.Evidence[0].Demo = true
		return f
	}
	min := time.Minute
	for _, tt := range []struct {
		name  string
		in    []wormbell.Finding
		alive []int // PIDs that live on
		want  []int // which alert each finding lands in, numbered by appearance
	}{
		{"one dependency's tree", []wormbell.Finding{read(evil, "~/.npmrc", 0), read(evilNode, "~/.netrc", min)}, nil, []int{0, 0}},
		{"two dependencies of one install", []wormbell.Finding{read(evil, "~/.npmrc", 0), read(other, "~/.npmrc", min)}, nil, []int{0, 1}},
		{"a dependency and the installer itself", []wormbell.Finding{read(evil, "~/.npmrc", 0), read(npm, "~/.netrc", min)}, nil, []int{0, 1}},
		{"two programs under one shell", []wormbell.Finding{read(npm, "~/.npmrc", 0), read(tool, "~/.npmrc", min)}, nil, []int{0, 1}},
		{"a program and its child", []wormbell.Finding{read(toolChild, "~/.npmrc", 0), read(tool, "~/.npmrc", min)}, nil, []int{0, 0}},
		{"ten minutes on", []wormbell.Finding{read(evil, "~/.npmrc", 0), read(evil, "~/.npmrc", 10*min)}, nil, []int{0, 0}},
		{"after ten minutes", []wormbell.Finding{read(evil, "~/.npmrc", 0), read(evil, "~/.npmrc", 11*min)}, nil, []int{0, 1}},
		{"after ten minutes from the last", []wormbell.Finding{read(evil, "~/.npmrc", 0), read(evil, "~/.npmrc", 9*min), read(evil, "~/.npmrc", 18*min)}, nil, []int{0, 0, 0}},
		{"hours later, root alive", []wormbell.Finding{read(evilNode, "~/.npmrc", 0), read(evilNode, "~/.npmrc", 300*min)}, []int{61}, []int{0, 0}},
		{"hours later, child alive", []wormbell.Finding{read(evilNode, "~/.npmrc", 0), read(evil, "~/.npmrc", 300*min)}, []int{62}, []int{0, 0}},
		{"another user", []wormbell.Finding{read(evil, "~/.npmrc", 0), user(read(evil, "~/.npmrc", min), "1001")}, nil, []int{0, 1}},
		{"nobody, same subject, a day later", []wormbell.Finding{nobody(0, "~/a"), nobody(24*60*min, "~/a")}, nil, []int{0, 0}},
		{"nobody, another subject", []wormbell.Finding{nobody(0, "~/a"), nobody(min, "~/b")}, nil, []int{0, 1}},
		{"a demonstration never hides the real thing", []wormbell.Finding{demo(read(evil, "~/.npmrc", 0)), read(evil, "~/.npmrc", min)}, nil, []int{0, 1}},
		{"the same pid, another process", []wormbell.Finding{read(tool, "~/.npmrc", 0), func() wormbell.Finding {
			p := *tool
			p.Start = p.Start.Add(time.Millisecond)
			return read(&p, "~/.npmrc", min)
		}()}, nil, []int{0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, alert.Config{Alive: func(id wormbell.ProcessID) bool { return slices.Contains(tt.alive, id.PID) }})
			var got []int
			var seen []string
			for _, f := range tt.in {
				a := record(t, s, f)
				if !slices.Contains(seen, a.ID) {
					seen = append(seen, a.ID)
				}
				got = append(got, slices.Index(seen, a.ID))
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Errorf("alerts (-got +want):\n%s", d)
			}
			if n := len(s.Alerts(alert.Filter{})); n != len(seen) {
				t.Errorf("%d alerts listed, want %d", n, len(seen))
			}
		})
	}
}

// A finding whose evidence or whose root belongs to two alerts makes them one.
func TestLinkMergesTheYoungerIntoTheOlder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	sh := shell()
	npm := proc(60, sh, "/usr/bin/node", "")
	unknown := proc(61, npm, "/bin/sh", "") // not known yet to be a dependency's
	child := proc(62, unknown, "/usr/bin/node", "")
	first := record(t, s, read(child, "~/.npmrc", 0))
	tool := proc(80, sh, "/opt/tool", "")
	second := record(t, s, read(tool, "~/.netrc", time.Minute))
	if first.ID == second.ID {
		t.Fatal("unrelated findings share an alert")
	}
	if _, err := s.SetState(first.ID, wormbell.Muted, "1000", ""); err != nil {
		t.Fatal(err)
	}

	known := proc(61, npm, "/bin/sh", "evil")
	f := read(proc(63, known, "/usr/bin/node", "evil"), "~/.aws/credentials", 2*time.Minute)
	f.Evidence = append(f.Evidence, wormbell.Event{Time: t0.Add(2 * time.Minute), Kind: wormbell.FileWrite, User: "1000", Process: tool, Path: "~/x"})
	both := record(t, s, f)
	if both.ID != first.ID {
		t.Errorf("merged into %s, want the older %s", both.ID, first.ID)
	}
	if both.State != wormbell.Open {
		t.Error("an open alert merged into a muted one became mute")
	}
	if both.Count != 3 || len(both.Findings) != 3 {
		t.Errorf("count %d, %d findings, want 3 and 3", both.Count, len(both.Findings))
	}
	check := func(s *alert.Store) {
		t.Helper()
		if got := ids(s.Alerts(alert.Filter{})); !slices.Equal(got, []string{first.ID}) {
			t.Errorf("listed %v, want only %s", got, first.ID)
		}
		for _, id := range []string{second.ID, second.ID[:5], strings.ToUpper(second.ID)} {
			a, err := s.Find(id, "")
			if err != nil || a.ID != first.ID {
				t.Errorf("the merged ID %s leads to %q, %v", id, a.ID, err)
			}
			if err == nil && (a.Count != 3 || len(a.Findings) != 3 || len(a.Findings[1].Evidence) != 1) {
				t.Errorf("after merge: %+v", a)
			}
		}
	}
	check(s)
	s.Close()
	s = open(t, alert.Config{Dir: dir})
	check(s)
	if _, err := s.SetState(second.ID, wormbell.Closed, "1000", ""); err != nil {
		t.Fatal(err)
	}
	check(s)
}

func TestClosedAndMuted(t *testing.T) {
	t.Parallel()
	s := open(t, alert.Config{})
	evil := proc(61, shell(), "/bin/sh", "evil")
	a := record(t, s, read(evil, "~/.npmrc", 0))
	if _, err := s.SetState(a.ID, wormbell.Muted, "1000", "mine"); err != nil {
		t.Fatal(err)
	}
	b := record(t, s, read(evil, "~/.npmrc", time.Minute))
	if b.ID != a.ID || b.State != wormbell.Muted || b.Count != 2 {
		t.Errorf("muted alert went on as %s %s count %d", b.ID, b.State, b.Count)
	}
	if _, err := s.SetState(a.ID, wormbell.Closed, "1000", ""); err != nil {
		t.Fatal(err)
	}
	c := record(t, s, read(evil, "~/.npmrc", 2*time.Minute))
	if c.ID == a.ID || c.State != wormbell.Open || c.Count != 1 {
		t.Errorf("after closing: %s %s count %d, want a new open alert", c.ID, c.State, c.Count)
	}
	if got := ids(s.Alerts(alert.Filter{States: []wormbell.State{wormbell.Open}})); !slices.Equal(got, []string{c.ID}) {
		t.Errorf("open: %v", got)
	}
	if got := len(s.Alerts(alert.Filter{})); got != 2 {
		t.Errorf("%d alerts altogether, want 2", got)
	}
	old, err := s.SetState(a.ID, wormbell.Open, "1000", "not done yet")
	if err != nil || old.State != wormbell.Open {
		t.Fatalf("reopen: %v %v", old.State, err)
	}
	var what []string
	for _, x := range old.Actions {
		what = append(what, x.By+" "+x.What+" "+x.Outcome)
	}
	if d := cmp.Diff(what, []string{"1000 mute mine", "1000 close done", "1000 reopen not done yet"}); d != "" {
		t.Error(d)
	}
	if d := record(t, s, read(evil, "~/.npmrc", 3*time.Minute)); d.ID != a.ID || d.Count != 4 {
		t.Errorf("both open: %s count %d, want %s with 4", d.ID, d.Count, a.ID)
	}
	for _, id := range []string{"zzzzzzzz", "", "abc", "../../etc", "a b", strings.Repeat("a", 5000)} {
		if _, err := s.Find(id, ""); !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("Find(%.10q): %v", id, err)
		}
	}
	if _, err := s.Find(a.ID, "1001"); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("found for another user: %v", err)
	}
}

func TestSeverityAndTitle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   []string // detector:severity
		want wormbell.Severity
		by   string // detector whose title it has
	}{
		{"highest", []string{"a:medium", "b:high", "c:low"}, wormbell.High, "b"},
		{"first of equals", []string{"a:high", "b:high"}, wormbell.High, "a"},
		{"read and publish", []string{"credential-read:high", "publish-loop:high"}, wormbell.Critical, "credential-read"},
		{"sweep and publish", []string{"publish-by-install-script:high", "credential-sweep:medium"}, wormbell.Critical, "publish-by-install-script"},
		{"private and publish", []string{"private-flag-removed:low", "publish-loop:medium"}, wormbell.Critical, "publish-loop"},
		{"private and read", []string{"private-flag-removed:low", "credential-read:high"}, wormbell.High, "credential-read"},
		{"two publishes", []string{"publish-loop:medium", "publish-by-install-script:high"}, wormbell.High, "publish-by-install-script"},
		{"never lower", []string{"a:high", "a:low"}, wormbell.High, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, alert.Config{Dir: dir})
			p := proc(61, shell(), "/bin/sh", "evil")
			var a wormbell.Alert
			for i, in := range tt.in {
				det, sev, _ := strings.Cut(in, ":")
				f := read(p, "x", time.Duration(i)*time.Second)
				f.Detector = det
				f.Severity, _ = wormbell.ParseSeverity(sev)
				f.Summary = in
				a = record(t, s, f)
			}
			s.Close()
			kept, err := open(t, alert.Config{Dir: dir}).Get(a.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []wormbell.Alert{a, kept} {
				if a.Severity != tt.want || a.Title != "title of "+tt.by || a.Advice != "advice of "+tt.by {
					t.Errorf("%s %q %q, want %s by %s", a.Severity, a.Title, a.Advice, tt.want, tt.by)
				}
				for _, f := range a.Findings {
					if !strings.HasSuffix(f.Summary, f.Severity.String()) {
						t.Errorf("it is %s by %q, and says %q", f.Severity, f.Detector, f.Summary)
					}
				}
			}
		})
	}
}

// Evidence keeps the first five and the last fifteen events, shown again or not,
// in memory as on disk.
func TestEvidence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	p := proc(61, shell(), "/bin/sh", "evil")
	var all []wormbell.Event
	var a wormbell.Alert
	for i := range 60 {
		f := read(p, fmt.Sprint("~/f", i), time.Duration(i)*time.Second)
		all = append(all, f.Evidence[0])
		f.Subject, f.Summary = "many", fmt.Sprint("read ", i)
		f.Evidence = slices.Clone(all[max(0, i-30):]) // detectors show a window
		a = record(t, s, f)
	}
	var want []string
	for i := range 60 {
		if i < 5 || i >= 45 {
			want = append(want, fmt.Sprint("~/f", i))
		}
	}
	check := func(a wormbell.Alert) {
		t.Helper()
		if a.Count != 60 || len(a.Findings) != 1 {
			t.Fatalf("count %d, %d findings", a.Count, len(a.Findings))
		}
		var got []string
		for _, e := range a.Findings[0].Evidence {
			got = append(got, e.Path)
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("evidence (-got +want):\n%s", d)
		}
		if a.Findings[0].Summary != "read 59" {
			t.Errorf("summary %q is not the latest", a.Findings[0].Summary)
		}
	}
	check(a)
	s.Close()
	s = open(t, alert.Config{Dir: dir})
	b, err := s.Get(a.ID)
	if err != nil {
		t.Fatal(err)
	}
	check(b)
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if d := cmp.Diff(string(y), string(x)); d != "" {
		t.Errorf("after a restart (-got +want):\n%s", d)
	}
	c := record(t, s, read(p, "~/last", time.Hour-50*time.Minute))
	if c.ID != a.ID || c.Count != 61 || len(c.Findings[0].Evidence) != 20 {
		t.Errorf("after a restart it goes on as %s count %d, %d events", c.ID, c.Count, len(c.Findings[0].Evidence))
	}
}

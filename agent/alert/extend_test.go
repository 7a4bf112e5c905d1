package alert_test

import (
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
)

// TestExtend: evidence that comes later joins the finding of its tree and changes
// nothing else; to what was closed it is nothing.
func TestExtend(t *testing.T) {
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	p := proc(20, shell(), "/usr/bin/node", "evil")
	read := wormbell.Event{Time: t0, Kind: wormbell.FileRead, User: "1000", Path: "~/.npmrc", Process: p}
	f := wormbell.Finding{Detector: "credential-read", Subject: "~/.npmrc", Summary: "read", Severity: wormbell.High, Process: p, Time: t0, Evidence: []wormbell.Event{read}}
	before, err := s.Record(f, alert.Meta{Title: "T"})
	if err != nil {
		t.Fatal(err)
	}
	extend := func(subject, address string, after time.Duration) {
		t.Helper()
		g := f
		g.Subject, g.Again = subject, true
		g.Evidence = []wormbell.Event{{Time: t0.Add(after), Kind: wormbell.ConnectionSeen, User: "1000", Address: address, Process: p}}
		if err := s.Extend(g); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, events int) {
		t.Helper()
		if n := s.Count("1000"); n > 1 || len(s.Alerts(alert.Filter{})) != 1 {
			t.Fatalf("%s: %d alerts", when, n)
		}
		a, err := s.Get(before.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Findings) != 1 || len(a.Findings[0].Evidence) != events || a.Count != 1 || !a.Last.Equal(before.Last) || a.Title != "T" || a.Severity != wormbell.High || a.Findings[0].Summary != "read" {
			t.Errorf("%s: %+v, want %d pieces of evidence and nothing else changed", when, a, events)
		}
	}
	extend("~/.npmrc", "192.0.2.1:443", time.Second)
	extend("~/.npmrc", "192.0.2.1:443", time.Second) // the same
	extend("~/.npmrc", "192.0.2.2:443", time.Second)
	extend("~/.other", "192.0.2.3:443", time.Second)
	check("added", 3)
	s.Close()
	s = open(t, alert.Config{Dir: dir})
	check("read again", 3)
	if _, err := s.SetState(before.ID, wormbell.Closed, "1000", ""); err != nil {
		t.Fatal(err)
	}
	extend("~/.npmrc", "192.0.2.4:443", 2*time.Second)
	check("closed", 3)
}

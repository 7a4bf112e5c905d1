package alert_test

import (
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
)

// usual is a finding of severity low of which one alert a day is made.
func usual(p *wormbell.Process, after time.Duration) wormbell.Finding {
	f := read(p, "~/.npmrc", after)
	f.Severity, f.Gathered = wormbell.Low, true
	return f
}

// TestGathered: a day's usual findings are one alert, also after a new start; a
// closed or muted one, another user's, a demonstration's and yesterday's take
// nothing in.
func TestGathered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	tool := func(pid int) *wormbell.Process { return proc(pid, shell(), "/usr/bin/node", "") }
	first := record(t, s, usual(tool(100), 0))
	second := record(t, s, usual(tool(101), 3*time.Hour))
	if second.ID != first.ID || second.Severity != wormbell.Low || second.Count != 2 || len(second.Findings) != 1 || len(second.Findings[0].Evidence) != 2 {
		t.Errorf("the second is %+v, not one with %s", second, first.ID)
	}
	s.Close()
	s = open(t, alert.Config{Dir: dir})
	if third := record(t, s, usual(tool(102), 23*time.Hour)); third.ID != first.ID || third.Count != 3 {
		t.Errorf("after a new start: %+v", third)
	}
	flag := usual(tool(103), 23*time.Hour)
	flag.Detector, flag.Subject = "private-flag-removed", "~/app/package.json"
	if a := record(t, s, flag); a.ID != first.ID || a.Title != "title of credential-read" {
		t.Errorf("another detector's: %+v", a)
	}

	theirs, demo := usual(tool(104), 23*time.Hour), usual(tool(105), 23*time.Hour)
	theirs.Evidence[0].User, demo.Evidence[0].Demo = "1001", true
	for name, f := range map[string]wormbell.Finding{"another user's": theirs, "a demonstration's": demo} {
		if a := record(t, s, f); a.ID == first.ID {
			t.Errorf("%s joined", name)
		}
	}
	next := record(t, s, usual(tool(106), 25*time.Hour))
	if next.ID == first.ID {
		t.Error("it takes in the next day's")
	}
	for i, state := range []wormbell.State{wormbell.Muted, wormbell.Closed} {
		if _, err := s.SetState(next.ID, state, "1000", ""); err != nil {
			t.Fatal(err)
		}
		a := record(t, s, usual(tool(107+i), 26*time.Hour))
		if a.ID == next.ID || a.State != wormbell.Open {
			t.Errorf("a %s one takes in more", state)
		}
		next = a
	}
}

// TestGatheredApart: what is graver about a tree begins an alert of its own that
// knows of the tree's usual finding, and of no other tree's; also if somebody has
// muted that of the day.
func TestGatheredApart(t *testing.T) {
	s := open(t, alert.Config{})
	lerna, other := proc(100, shell(), "/usr/bin/node", ""), proc(101, shell(), "/usr/bin/node", "")
	day := record(t, s, usual(other, 0))
	record(t, s, usual(lerna, time.Second))
	if _, err := s.SetState(day.ID, wormbell.Muted, "1000", ""); err != nil {
		t.Fatal(err)
	}
	grave := record(t, s, read(proc(102, lerna, "/usr/bin/cat", ""), "~/.aws/credentials", 2*time.Second))
	if grave.ID == day.ID || grave.State != wormbell.Open || grave.Severity != wormbell.High || len(grave.Findings) != 2 {
		t.Fatalf("what is graver is %+v", grave)
	}
	if f := grave.Findings[0]; f.Subject != "~/.npmrc" || len(f.Evidence) != 1 || f.Evidence[0].Process.PID != lerna.PID || f.Severity != wormbell.Low {
		t.Errorf("of the usual one it knows %+v", f)
	}
	if again := record(t, s, read(lerna, "~/.netrc", 3*time.Second)); again.ID != grave.ID || len(again.Findings) != 3 {
		t.Errorf("the next of that tree: %+v", again)
	}
	late := usual(lerna, 4*time.Second)
	late.Subject = "~/work/.npmrc"
	if a := record(t, s, late); a.ID != grave.ID {
		t.Error("a usual finding does not join its tree's own alert")
	}
	procs, err := s.Processes(grave.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if p.PID == other.PID {
			t.Error("another tool's tree is frozen with it")
		}
	}
	if a, _ := s.Get(day.ID); a.Severity != wormbell.Low || len(a.Findings) != 1 || len(a.Findings[0].Evidence) != 2 {
		t.Errorf("that of the day is now %+v", a)
	}
	publish := read(other, "many", 5*time.Second)
	publish.Detector = "publish-loop"
	if a := record(t, s, publish); a.ID == day.ID || a.Severity != wormbell.Critical {
		t.Errorf("a read and a publish of one tree: %+v", a)
	}
}

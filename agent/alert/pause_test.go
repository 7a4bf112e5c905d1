package alert_test

import (
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
)

// A pause is one user's or everybody's, ends by itself and outlives a restart.
// What comes up while it lasts is kept as always, and says so.
func TestPause(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &clock{t: t0}
	s := open(t, alert.Config{Dir: dir, Now: c.now})
	check := func(when, user string, until time.Duration, all bool) {
		t.Helper()
		want := time.Time{}
		if until > 0 {
			want = t0.Add(until)
		}
		if got, everybody := s.Paused(user); !got.Equal(want) || everybody != all {
			t.Errorf("%s, %q: paused until %v, for all %v; want %v, %v", when, user, got, everybody, want, all)
		}
	}
	pause := func(user string, until time.Duration) {
		t.Helper()
		at := time.Time{}
		if until > 0 {
			at = t0.Add(until)
		}
		if err := s.Pause(user, at); err != nil {
			t.Fatal(err)
		}
	}
	pid := 100
	marked := func(user string) bool {
		t.Helper()
		pid++
		f := read(proc(pid, shell(), "/opt/x", ""), "~/.npmrc", c.now().Sub(t0))
		f.Evidence[0].User = user
		a := record(t, s, f)
		if a.Count != 1 || a.State != wormbell.Open {
			t.Errorf("recorded as %+v", a)
		}
		if len(a.Actions) == 0 {
			return false
		}
		if x := a.Actions[0]; len(a.Actions) != 1 || x.What != "paused" || x.By != "agent" || !x.Time.Equal(a.First) || x.Outcome == "" {
			t.Errorf("done about it: %+v", a.Actions)
		}
		return true
	}
	versions := func() [3]uint64 { return [3]uint64{s.Version("1000"), s.Version("1001"), s.Version("")} }
	changes := s.Subscribe(t.Context())
	// told checks whose view changed since, and that whoever listens is told.
	told := func(when string, before, want [3]uint64) {
		t.Helper()
		now := versions()
		for i := range now {
			now[i] -= before[i]
		}
		if now != want {
			t.Errorf("%s: told %v, want %v", when, now, want)
		}
		select {
		case <-changes:
		default:
			t.Errorf("%s: nobody who listens is told", when)
		}
	}
	check("at first", "1000", 0, false)
	before := versions()
	pause("1000", time.Hour)
	told("their own", before, [3]uint64{1, 0, 0})
	check("their own", "1000", time.Hour, false)
	check("somebody else's", "1001", 0, false)
	check("somebody else's", "0", 0, false)
	check("somebody else's", "", 0, false)
	if !marked("1000") || marked("1001") {
		t.Error("the wrong alerts are marked as come during a pause")
	}
	before = versions()
	for len(changes) > 0 {
		<-changes
	}
	pause("", 30*time.Minute)
	told("everybody's", before, [3]uint64{1, 1, 1})
	check("both, their own the longer", "1000", time.Hour, false)
	check("everybody's", "1001", 30*time.Minute, true)
	check("everybody's", "", 30*time.Minute, true)
	pause("", 2*time.Hour)
	check("both, everybody's the longer", "1000", 2*time.Hour, true)
	if !marked("1001") {
		t.Error("an alert during everybody's pause is not marked")
	}
	pause("1000", 0)
	check("their own ended", "1000", 2*time.Hour, true)
	pause("1000", 3*time.Hour)

	s.Close()
	s = open(t, alert.Config{Dir: dir, Now: c.now})
	check("after a restart", "1000", 3*time.Hour, false)
	check("after a restart", "1001", 2*time.Hour, true)
	c.add(2 * time.Hour)
	check("everybody's is over", "1001", 0, false)
	check("everybody's is over", "1000", 3*time.Hour, false)
	c.add(time.Hour)
	check("all are over", "1000", 0, false)
	if marked("1000") {
		t.Error("an alert after the pause is marked")
	}
	for i := range 300 { // what is over leaves nothing behind
		if err := s.Pause(string(rune('a'+i%26))+time.Duration(i).String(), c.now().Add(time.Second)); err != nil {
			t.Fatalf("pause %d: %v", i, err)
		}
		c.add(time.Minute)
	}
}

// What joins an alert from before a pause does not make it one that came in it.
func TestPauseJoined(t *testing.T) {
	t.Parallel()
	c := &clock{t: t0}
	s := open(t, alert.Config{Now: c.now})
	p := proc(60, shell(), "/opt/x", "")
	record(t, s, read(p, "~/.npmrc", 0))
	if err := s.Pause("1000", t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	if a := record(t, s, read(p, "~/.netrc", time.Minute)); len(a.Findings) != 2 || len(a.Actions) != 0 {
		t.Errorf("%d findings, done: %+v", len(a.Findings), a.Actions)
	}
}

package api_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wormbell"
)

// status is what the agent tells a user.
func (r *rig) status(uid int) (s wormbell.Status) {
	r.t.Helper()
	_, out := r.askAs(uid, "GET", "status", "")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// A person pauses for themselves, for an hour at most; root for everybody.
func TestPause(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	const (
		other  = nobody - 1
		minute = -1 // nobody asks, and a minute passes
	)
	var ahead atomic.Int64 // of the machine's clock
	r := rigAt(t, "", func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	r.says(signed(bash, "root"))
	until := func(s wormbell.Status) time.Duration { return time.Until(*s.PausedUntil) - time.Duration(ahead.Load()) }
	paused := func(uid int, within time.Duration, all bool) {
		t.Helper()
		s := r.status(uid)
		switch {
		case s.Owner != (uid == 0):
			t.Errorf("uid %d is told: owner %v", uid, s.Owner)
		case within == 0 && s.PausedUntil == nil && !s.PausedForAll:
		case within > 0 && s.PausedUntil != nil && s.PausedForAll == all && until(s) <= within && until(s) > within-10*time.Minute:
		default:
			t.Errorf("uid %d is told: paused until %v, for all %v; want %v from now, %v", uid, s.PausedUntil, s.PausedForAll, within, all)
		}
	}
	for i, tt := range []struct {
		uid, seconds int
		want         int
		person       time.Duration // until when nobody is paused after it; 0: not
		others       time.Duration // and other users
		all          bool          // these are everybody's pauses
	}{
		{nobody, 3601, 400, 0, 0, false},
		{nobody, 3600, 200, time.Hour, 0, false},
		{nobody, 3600, 409, time.Hour, 0, false}, // it cannot be made longer
		{nobody, 0, 200, 0, 0, false},
		{nobody, 0, 200, 0, 0, false},  // twice does no harm
		{nobody, 60, 409, 0, 0, false}, // what came up is told first
		{minute, 0, 0, 0, 0, false},
		{0, 24 * 3600, 200, 24 * time.Hour, 24 * time.Hour, true},
		{nobody, 0, 403, 24 * time.Hour, 24 * time.Hour, true},    // not theirs to end
		{nobody, 3600, 200, 24 * time.Hour, 24 * time.Hour, true}, // theirs is kept beside it
		{0, 0, 200, time.Hour, 0, false},
		{0, 24*3600 + 1, 400, time.Hour, 0, false},
		{nobody, -1, 400, time.Hour, 0, false},
		{nobody, 0, 200, 0, 0, false},
		{minute, 0, 0, 0, 0, false},
		{nobody, 30, 200, time.Minute / 2, 0, false},
		{minute, 0, 0, 0, 0, false}, // it has ended half a minute ago
		{nobody, 60, 409, 0, 0, false},
		{minute, 0, 0, 0, 0, false},
		{nobody, 60, 200, time.Minute, 0, false},
		{nobody, 0, 200, 0, 0, false},
		{minute, 0, 0, 0, 0, false},
	} {
		if tt.uid == minute {
			ahead.Add(int64(time.Minute))
			continue
		}
		status, out := r.askAs(tt.uid, "POST", "pause", `{"seconds":`+strconv.Itoa(tt.seconds)+`}`)
		if status != tt.want {
			t.Errorf("%d: uid %d asks for %d s: %d %s, want %d", i, tt.uid, tt.seconds, status, out, tt.want)
		}
		paused(nobody, tt.person, tt.all)
		paused(other, tt.others, tt.all)
		paused(0, tt.others, tt.all)
	}
	// It loosens the guard: it is judged, kept and announced like all that does.
	r.says(child(evil))
	if status, out := r.askAs(nobody, "POST", "pause", `{"seconds":60}`); status != 403 {
		t.Errorf("from below a postinstall: %d %s", status, out)
	}
	// A worm makes itself a terminal and starts a shell of the system's there.
	// What it does is accepted and told; this would keep that back.
	dropper := &wormbell.Process{PID: 82, Start: start, Exe: "/home/u/.cache/dropper", TTY: "/dev/pts/1", Parent: bash}
	r.says(signed(&wormbell.Process{PID: 83, Start: start, Exe: "/bin/bash", Signer: "deb:bash", TTY: "/dev/pts/2", Leader: true, Parent: dropper}, "root"))
	before := len(r.lines())
	if status, out := r.askAs(nobody, "POST", "pause", `{"seconds":60}`); status != 403 {
		t.Errorf("from below an unknown program: %d %s", status, out)
	}
	if said := strings.Join(r.lines()[before:], "|"); !strings.HasPrefix(said, "refused pause: ") {
		t.Errorf("from below an unknown program: event %q", said)
	}
	if status, out := r.askAs(0, "POST", "pause", `{"seconds":60}`); status != 200 {
		t.Errorf("root from there: %d %s", status, out)
	}
	if status, out := r.askAs(0, "POST", "pause", `{"seconds":0}`); status != 200 {
		t.Errorf("root from there: %d %s", status, out)
	}
	calls, err := r.store.Calls(strconv.Itoa(nobody), 10)
	if err != nil || len(calls) != 4 {
		t.Errorf("calls of the person: %+v, %v", calls, err)
	}
	paused(nobody, 0, false)
}

// Who ends a pause that there is not wakes nobody.
func TestPauseOfNothing(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	r := newRig(t)
	r.says(signed(bash, "root"))
	user := strconv.Itoa(nobody)
	before := r.store.Version(user)
	for _, uid := range []int{nobody, 0} {
		if status, out := r.askAs(uid, "POST", "pause", `{"seconds":0}`); status != 200 {
			t.Errorf("uid %d: %d %s", uid, status, out)
		}
	}
	if now := r.store.Version(user); now != before {
		t.Errorf("who listens was woken: version %d, before %d", now, before)
	}
	if status, out := r.askAs(nobody, "POST", "pause", `{"seconds":60}`); status != 200 {
		t.Fatalf("a pause: %d %s", status, out)
	}
	if status, out := r.askAs(nobody, "POST", "pause", `{"seconds":0}`); status != 200 || r.store.Version(user) == before {
		t.Errorf("the end of one: %d %s, version %d", status, out, r.store.Version(user))
	}
}

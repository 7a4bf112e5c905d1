package watchers

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
)

// fakeRing hands over what a test has put in.
type fakeRing struct {
	said   []*decode.Exec
	lost   int
	err    error
	closed bool
}

func (r *fakeRing) Drain(each func(*decode.Exec)) (int, error) {
	for _, e := range r.said {
		each(e)
	}
	lost := r.lost
	r.said, r.lost = nil, 0
	return lost, r.err
}

func (r *fakeRing) Close() error { r.closed = true; return nil }

func newFakeExecs(r *fakeRing) *execs {
	return &execs{ring: r, log: slog.New(slog.DiscardHandler), waiting: map[int32][]*decode.Exec{}}
}

// at are the times of these tests: a microsecond is shorter than any two execs.
const at = 1_000_000

func record(pid int32, time uint64, args string) *decode.Exec {
	return &decode.Exec{PID: pid, Time: time * at, Args: []byte(args)}
}

func message(what uint32, pid int32, time uint64) *decode.Proc {
	return &decode.Proc{What: what, PID: pid, TGID: pid, Time: time*at + at/10}
}

// TestRecordsFindTheirMessages: each message of an exec gets the record that
// was made just before it, also when some of either were lost.
func TestRecordsFindTheirMessages(t *testing.T) {
	ring := &fakeRing{said: []*decode.Exec{record(7, 1, "a"), record(7, 2, "b"), record(8, 2, "other"), record(7, 4, "d"), record(9, 5, "killed"), record(9, 9, "next")}}
	x := newFakeExecs(ring)
	for _, step := range []struct {
		p    *decode.Proc
		want string
	}{
		{message(decode.ProcFork, 7, 0), ""},
		{message(decode.ProcExec, 7, 1), "a"},
		{message(decode.ProcExec, 7, 2), "b"},
		{message(decode.ProcExec, 7, 3), ""}, // its record was lost, and the next one's is not its
		{message(decode.ProcExec, 8, 2), "other"},
		{message(decode.ProcExec, 7, 4), "d"},
		{message(decode.ProcExit, 9, 6), ""}, // before its message was sent
		{message(decode.ProcExec, 9, 9), "next"},
	} {
		got := ""
		if e := x.of(step.p); e != nil {
			got = string(e.Args)
		}
		if got != step.want {
			t.Errorf("%+v: %q, want %q", step.p, got, step.want)
		}
	}
	if x.count != 0 || len(x.waiting) != 0 {
		t.Errorf("%d records are left", x.count)
	}
	ring.said = []*decode.Exec{record(9, 10, "killed, too")}
	x.of(message(decode.ProcExec, 10, 10))
	if x.of(message(decode.ProcExit, 9, 9)); x.count != 1 {
		t.Errorf("%d records are left after the exit of who had the PID before", x.count)
	}
	if x.of(message(decode.ProcExit, 9, 11)); x.count != 0 {
		t.Errorf("%d records are left of who was killed", x.count)
	}

	// One that was not there yet is had later, and is nobody else's.
	if e := x.of(message(decode.ProcExec, 7, 10)); e != nil {
		t.Errorf("%+v out of nothing", e)
	}
	ring.said = []*decode.Exec{record(7, 10, "late")}
	if e := x.late(7, message(decode.ProcExec, 7, 9).Time); e != nil {
		t.Errorf("%+v is of a later exec", e)
	}
	if e := x.late(7, message(decode.ProcExec, 7, 10).Time); e == nil || string(e.Args) != "late" || x.count != 0 {
		t.Errorf("%+v, and %d are left", e, x.count)
	}

	// The message of "lost" was lost: its record is not the next exec's.
	ring.said = []*decode.Exec{record(7, 11, "lost"), record(7, 12, "kept")}
	if e := x.of(message(decode.ProcExec, 7, 12)); e == nil || string(e.Args) != "kept" || x.count != 0 {
		t.Errorf("%+v, and %d are left", e, x.count)
	}
}

// TestRecordsAreBounded: what no message claims is forgotten, the oldest first.
func TestRecordsAreBounded(t *testing.T) {
	ring := &fakeRing{}
	x := newFakeExecs(ring)
	for pid := range int32(2 * waitingMax) {
		ring.said = append(ring.said, record(pid+1, uint64(pid), "x"))
		if pid%100 == 99 {
			x.of(message(decode.ProcExec, 1_000_000, uint64(pid)))
		}
	}
	if x.count > waitingMax || x.count < waitingMax/2 || len(x.waiting) != x.count {
		t.Errorf("%d records of %d processes wait", x.count, len(x.waiting))
	}
	if e := x.of(message(decode.ProcExec, 2*waitingMax, 2*waitingMax)); e == nil {
		t.Error("the youngest is forgotten")
	}
	x.before(3 * waitingMax * at)
	if x.count != 0 || len(x.waiting) != 0 {
		t.Errorf("%d records are left", x.count)
	}
}

// TestRingThatFallsSilent: the sensor says so when the kernel tells nothing any more.
func TestRingThatFallsSilent(t *testing.T) {
	ring := &fakeRing{}
	x := newFakeExecs(ring)
	for n := range uint64(silentMax) {
		x.of(message(decode.ProcExec, 5, n))
	}
	if name, why := x.backend(); name != "ebpf" || why != "" || ring.closed {
		t.Errorf("%q, %q: too soon", name, why)
	}
	x.of(message(decode.ProcExec, 5, silentMax))
	if name, why := x.backend(); name != "procconn" || why != "the kernel says no more of execs" || !ring.closed {
		t.Errorf("%q, %q", name, why)
	}
	broken := &fakeRing{said: []*decode.Exec{record(5, 1, "last")}, err: errors.New("nonsense")}
	x = newFakeExecs(broken)
	x.of(message(decode.ProcExec, 5, 1))
	if name, why := x.backend(); name != "procconn" || !strings.Contains(why, "broke down") || !broken.closed {
		t.Errorf("%q, %q", name, why)
	}
	if e := x.of(message(decode.ProcExec, 5, 2)); e != nil {
		t.Error("a closed ring says something")
	}
}

// said applies an exec of which the kernel said something.
func (m *fakeMachine) said(e *decode.Exec) {
	e.Start = m.tab.nodes[int(e.PID)].guess * (1e9 / procs.TicksPerSecond)
	m.tab.apply(&decode.Proc{What: decode.ProcExec, PID: e.PID, TGID: e.PID}, e)
}

// TestGoneButKnown: of a process that ended before anybody could look, the
// command line is known, without secrets, and nothing is held against it.
func TestGoneButKnown(t *testing.T) {
	const decoy = "npm_" + "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi"
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.said(&decode.Exec{PID: 200, UID: 1000, Exe: "/usr/bin/dash", Cwd: "/p", ArgStart: 99, Args: []byte("sh\x00-c\x00x --_authToken=" + decoy + "\x00")})
	m.exit(200)
	m.tell()
	p := m.tab.at(200)
	if p == nil || p.Exe != "/usr/bin/dash" || p.Cwd != "/p" || p.User != "1000" || p.Signer != "" || !p.Unjudged || !p.Foreign || len(p.Args) != 3 || p.Args[1] != "-c" ||
		p.Parent == nil || p.Parent.PID != npm {
		t.Errorf("%+v", p)
	}
	if strings.Contains(strings.Join(p.Args, " "), decoy) {
		t.Error("the command line has a secret in it")
	}
	if m.tab.missed != 0 || m.tab.unread != 0 {
		t.Errorf("%d and %d command lines are counted as lost", m.tab.missed, m.tab.unread)
	}

	// One that became something else before it could be judged is not blamed for it.
	m.fork(50, 300)
	m.said(&decode.Exec{PID: 300, UID: 1000, Exe: "/home/u/x", Cwd: "/", ArgStart: 98, Args: []byte("x\x00")})
	m.exec(300, false, &procs.Env{}, "/", "/usr/bin/cat")
	if p := m.tab.at(300); p.Exe != "/usr/bin/cat" || p.Unjudged || p.Replaced != "" || p.Signer != "root" {
		t.Errorf("%+v", p)
	}

	// Without the kernel's word nothing is known, and that is counted and told once.
	m.fork(npm, 201)
	m.exec(201, true, nil, "", "/usr/bin/dash")
	m.fork(npm, 202)
	m.said(&decode.Exec{PID: 202, Exe: "/usr/bin/dash", Cwd: "/p"}) // its arguments could not be read
	m.exit(202)
	m.tell()
	if p := m.tab.at(201); m.tab.missed != 2 || m.tab.unread != 1 || m.tab.unreadTold.IsZero() || p.Exe != "" || p.Unjudged { // the first is told at once, others within a minute
		t.Errorf("%d and %d command lines are counted as lost; %+v", m.tab.missed, m.tab.unread, p)
	}
}

// TestTitle: a process that has written over its arguments ran what it was told.
func TestTitle(t *testing.T) {
	m := newFakeMachine(t)
	m.installer("/p")
	m.fork(50, 300)
	i := m.procs[300]
	i.Exe, i.Args, i.Cwd, i.Env, i.UID, i.ArgStart = "/usr/bin/node", []string{"npm install evil"}, "/p", &procs.Env{}, 1000, 77
	m.procs[300] = i
	m.said(&decode.Exec{PID: 300, UID: 1000, Exe: "/usr/bin/node", Cwd: "/p", ArgStart: 77, Args: []byte("node\x00/usr/bin/npm\x00install\x00evil\x00")})
	m.tell()
	if p := m.tab.at(300); p.Script != "/usr/bin/npm" || p.Unjudged || p.Signer != "root" || !m.tab.nodes[300].run.installer {
		t.Errorf("%+v", p)
	}
	// In /proc it is further already than what the record tells of.
	m.fork(50, 301)
	i.ArgStart, i.Start = 78, m.ticks()
	m.procs[301] = i
	m.said(&decode.Exec{PID: 301, UID: 1000, Exe: "/usr/bin/env", Cwd: "/p", ArgStart: 77, Args: []byte("env\x00node\x00")})
	m.tell()
	if r := m.tab.nodes[301].run; r.img.exe != "/usr/bin/env" || !r.img.unjudged {
		t.Errorf("%+v", r.img)
	}
}

// TestForkThatWasLost: what the kernel says of an exec has the parent, too.
func TestForkThatWasLost(t *testing.T) {
	m := newFakeMachine(t)
	npm := m.installer("/p")
	e := &decode.Exec{PID: 400, Parent: int32(npm), UID: 1000, Start: m.ticks() * 1e7, Exe: "/usr/bin/dash", Cwd: "/p", Args: []byte("sh\x00-c\x00x\x00")}
	m.tab.apply(&decode.Proc{What: decode.ProcExec, PID: 400, TGID: 400}, e)
	m.tell()
	if p := m.tab.at(400); p == nil || p.Parent == nil || p.Parent.PID != npm || len(p.Args) != 3 {
		t.Errorf("%+v", p)
	}
	// Another process has had the PID, and its exit was lost as well.
	e = &decode.Exec{PID: 400, Parent: 50, UID: 1000, Start: (m.ticks() + 500) * 1e7, Exe: "/usr/bin/cat", Cwd: "/p", Args: []byte("cat\x00")}
	was := m.tab.nodes[400]
	m.tab.apply(&decode.Proc{What: decode.ProcExec, PID: 400, TGID: 400}, e)
	m.tell()
	if p := m.tab.at(400); p == nil || p.Parent == nil || p.Parent.PID != 50 || p.Replaced != "" || !was.ended {
		t.Errorf("%+v", p)
	}
}

// TestStartIsNeverEarly: that we are kept waiting between two looks at the
// clocks makes no process begin before its fork was told of.
func TestStartIsNeverEarly(t *testing.T) {
	m := newFakeMachine(t)
	m.tab.uptime = func() time.Duration {
		now := procs.Uptime()
		time.Sleep(30 * time.Millisecond)
		return now
	}
	began := uint64(procs.Uptime() / (time.Second / procs.TicksPerSecond))
	if got := m.tab.ticks(uint64(procs.Monotonic())); got < began {
		t.Errorf("%d ticks before it began", began-got)
	}
}

// TestHalfGone: what has no command line any more when it is read is counted,
// and what we may not read is not.
func TestHalfGone(t *testing.T) {
	for _, tc := range []struct {
		name    string
		all     bool
		uid     int
		exe     string
		args    []string
		stalled bool
		want    int
	}{
		{"another's", false, 1, "", nil, false, 0},
		{"of root's agent", true, 1, "", nil, false, 1},
		{"ours", false, os.Geteuid(), "", nil, false, 1},
		{"gone between program and arguments", true, 1, "/usr/bin/x", nil, false, 1},
		{"kept from us", true, 1, "/usr/bin/x", nil, true, 0}, // told as such
		{"all there", true, 1, "/usr/bin/x", []string{"x"}, false, 0},
	} {
		m := newFakeMachine(t)
		m.installer("/p")
		m.tab.all = tc.all
		m.tab.unread, m.tab.unreadTold = 0, m.tab.now()
		m.fork(50, 300)
		i := m.procs[300]
		i.Exe, i.Args, i.UID, i.Stalled = tc.exe, tc.args, tc.uid, tc.stalled
		m.procs[300] = i
		m.apply(decode.Proc{What: decode.ProcExec, PID: 300, TGID: 300})
		m.tell()
		if m.tab.unread != tc.want {
			t.Errorf("%s: %d are counted as lost, want %d", tc.name, m.tab.unread, tc.want)
		}
	}
}

package watchers

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
)

// fakeKernel tells what a test has put in.
type fakeKernel struct {
	told   []decode.Proc
	lost   int
	err    error
	near   []int
	closed bool
	wake   chan struct{}
}

func (k *fakeKernel) Drain(_ time.Duration, each func(*decode.Proc, *decode.Exec)) (int, error) {
	for i := range k.told {
		each(&k.told[i], nil)
	}
	lost := k.lost
	k.told, k.lost = nil, 0
	return lost, k.err
}

func (k *fakeKernel) Listen(ctx context.Context, ready func() error) error {
	for {
		if err := ready(); err != nil {
			return err
		}
		select {
		case <-k.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *fakeKernel) Near(pid int) { k.near = append(k.near, pid) }

func (k *fakeKernel) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *fakeKernel) Close() error { k.closed = true; return nil }

// TestWhatTellsIsReplaced: when the kernel's programs fail, or say nothing any
// more, the next best tells from then on, processes that began meanwhile are
// known, and all of that is said.
func TestWhatTellsIsReplaced(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		why   string
		fails func(l *Lineage, k *fakeKernel)
	}{
		{"it fails", "eBPF broke down", func(l *Lineage, k *fakeKernel) { k.err = errors.New("nonsense"); l.drain() }},
		{"it is silent", "the kernel says no more of processes", func(l *Lineage, k *fakeKernel) {
			l.words = 1
			if !l.listening() {
				t.Error("it has just said something")
			}
			delete(l.tab.nodes, os.Getppid()) // began long ago, and nobody told
			if l.listening() {
				t.Error("it is silent, and that is not noticed")
			}
			l.broken = errSilent
			k.Wake()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := &fakeKernel{wake: make(chan struct{}, 1)}
			l := NewLineage(LineageConfig{Refuse: []string{"ebpf", "procconn"}})
			t.Cleanup(l.Close)
			l.from = source{kernel: k, name: "ebpf"}
			out := watchProcesses(t, l)
			l.mu.Lock()
			tc.fails(l, k)
			l.mu.Unlock()
			eventually(t, "another that tells", func() bool {
				out.mu.Lock()
				defer out.mu.Unlock()
				return len(out.sees) == 2
			})
			if want := "poll true the proc connector is refused by the configuration; processes that live shorter than 100 ms are not seen"; out.sees[0] != "ebpf true " && os.Getuid() == 0 || out.sees[1] != want {
				t.Errorf("the sensor says %q", out.sees)
			}
			eventually(t, "a gap", func() bool {
				_, ok := out.find(func(e wormbell.Event) bool { return e.Kind == wormbell.Gap })
				return ok
			})
			l.mu.Lock()
			defer l.mu.Unlock()
			if n := l.tab.nodes[os.Getppid()]; !k.closed || n == nil {
				t.Errorf("closed %v, and of a process that is there it knows %v", k.closed, n)
			}
		})
	}
	// What is said if there is a next best.
	l := NewLineage(LineageConfig{Refuse: []string{"ebpf"}})
	defer l.Close()
	if l.from.name != "procconn" {
		t.Skip("there is no proc connector here: ", l.from.why)
	}
	if s := openSource(nil, "eBPF broke down", 0, slog.New(slog.DiscardHandler)); s.kernel == nil || s.name != "procconn" || s.why != "eBPF broke down" {
		t.Errorf("%+v", s)
	} else {
		s.kernel.Close()
	}
}

// TestExactTimes: where the kernel tells when a process began and that its last
// thread has ended, nothing is read to learn it.
func TestExactTimes(t *testing.T) {
	m := newFakeMachine(t)
	m.installer("/p")
	const start uint64 = 7_654_320_000_000
	tell := func(what uint32, start uint64) {
		m.tab.apply(&decode.Proc{What: what, PID: 300, TGID: 300, ParentPID: 50, ParentTGID: 50, Start: start}, nil)
	}
	tell(decode.ProcFork, start)
	if n := m.tab.nodes[300]; n == nil || n.start != start/10_000_000 || n.run.parent.node.pid != 50 {
		t.Fatalf("%+v", n)
	}
	m.procs[300] = procs.Info{Stat: procs.Stat{Start: start / 10_000_000, Threads: 3, State: 'R'}} // not a zombie yet
	tell(decode.ProcExit, start+1_000_000_000)
	if m.tab.nodes[300].ended {
		t.Error("the end of who had the PID before ends it")
	}
	tell(decode.ProcExit, start)
	if !m.tab.nodes[300].ended || len(m.tab.limbo) > 0 {
		t.Error("it has ended and is not")
	}
}

// TestNear: what is at or below an installer that is vouched for is to be told at once.
func TestNear(t *testing.T) {
	m := newFakeMachine(t)
	k := &fakeKernel{}
	m.tab.near = k.Near
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "x")
	m.fork(50, 300)
	m.exec(300, false, &procs.Env{}, "/p", "/usr/bin/cat")
	m.tell()
	if len(k.near) != 1 || k.near[0] != npm {
		t.Errorf("near are %v, want %d, and the kernel adds what is below", k.near, npm)
	}
	if !m.tab.nodes[200].near || m.tab.nodes[300].near {
		t.Error("the script is not taken for near, or cat is")
	}
}

// TestIntoTheBackground: a program that goes into the background by a fork ends
// before it is looked at; who goes on runs the same, and is vouched for.
func TestIntoTheBackground(t *testing.T) {
	m := newFakeMachine(t)
	m.installer("/p")
	start := func(first, second int, exe string) {
		m.fork(50, first)
		i := m.procs[first]
		i.Exe, i.Args, i.Cwd, i.Env, i.UID, i.ArgStart = exe, []string{"a title"}, "/", &procs.Env{}, 1000, 99
		m.procs[first] = i
		m.said(&decode.Exec{PID: int32(first), UID: 1000, Exe: exe, Cwd: "/", ArgStart: 99, Args: []byte(exe + "\x00--daemon\x00")})
		m.fork(first, second)
		m.exit(first)
		m.tell()
	}
	start(300, 301, "/usr/bin/gpg-agent")
	if p := m.tab.at(301); p.Exe != "/usr/bin/gpg-agent" || p.Signer != "root" || p.Unjudged || p.Foreign || len(p.Args) != 2 || p.Args[1] != "--daemon" || !p.Parent.Unjudged {
		t.Errorf("%+v", p)
	}
	start(400, 401, "/home/u/evil")
	if p := m.tab.at(401); p.Exe != "/home/u/evil" || p.Signer != "" || p.Unjudged {
		t.Errorf("%+v", p)
	}
	// It executes something, which the kernel is about to tell.
	m.fork(50, 500)
	m.said(&decode.Exec{PID: 500, UID: 1000, Exe: "/home/u/evil", Cwd: "/", ArgStart: 98, Args: []byte("x\x00")})
	m.fork(500, 501)
	i := m.procs[501]
	i.Exe, i.Args, i.Env, i.ArgStart = "/usr/bin/cat", []string{"cat"}, &procs.Env{}, 97
	m.procs[501] = i
	m.exit(500)
	m.tell()
	if p := m.tab.at(501); p.Exe != "/home/u/evil" || !p.Unjudged {
		t.Errorf("%+v", p)
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

// TestStalled: a process that was kept from us for a moment is known once it lets us
// read, with what it had started by then, and one that executes something else is not.
func TestStalled(t *testing.T) {
	m := newFakeMachine(t)
	m.installer("/p")
	stalled := func(parent, pid int, ticket uint64, args string) {
		m.fork(parent, pid)
		i := m.procs[pid]
		i.Exe, i.Cwd, i.UID, i.Env, i.Args, i.Stalled, i.Ticket = "/usr/bin/node", "/p", 1000, nil, nil, true, ticket
		i.ArgStart += 4096
		m.procs[pid] = i
		m.said(&decode.Exec{PID: int32(pid), UID: 1000, Exe: i.Exe, Cwd: "/p", ArgStart: i.ArgStart, Args: []byte(args)})
		m.tell()
		if p := m.tab.at(pid); p.Signer != "" || !p.Foreign {
			t.Fatalf("%d is stalled and vouched for: %+v", pid, p)
		}
	}
	stalled(50, 300, 1, "node\x00/usr/bin/npm\x00install\x00")
	stalled(300, 301, 2, "node\x00/p/node_modules/evil/x.js\x00")
	stalled(50, 302, 3, "node\x00/usr/bin/npm\x00whoami\x00")
	i := m.procs[302]
	i.Stalled, i.Ticket = false, 0
	m.procs[302] = i
	m.exec(302, false, nil, "/p", "/usr/bin/node", "/usr/bin/npm", "whoami") // of which nothing was read
	stalled(50, 303, 4, "node\x00/usr/bin/npm\x00whoami\x00")
	m.late = []procs.Late{{Ticket: 1, Args: []string{"a title"}, Env: &procs.Env{}}, {Ticket: 1}, {Ticket: 2, Env: script("evil", "/p")}, {Ticket: 3, Env: &procs.Env{}}, {Ticket: 9}}
	m.tab.lately()
	if p := m.tab.at(300); p.Signer != "root" || p.Foreign || p.Script != "/usr/bin/npm" || !m.tab.nodes[300].run.installer {
		t.Errorf("%+v", p)
	}
	if p := m.want(301, "evil@1.0.0"); p.Parent == nil || p.Parent.Signer != "root" {
		t.Errorf("%+v", p)
	}
	if p := m.tab.at(302); p.Signer != "" {
		t.Errorf("it executes something else, and is vouched for as %q", p.Signer)
	}
	if p := m.tab.at(303); p.Signer != "" || len(m.tab.stalls) != 1 {
		t.Errorf("nothing was read of it, and it is vouched for as %q; %d are waited for", p.Signer, len(m.tab.stalls))
	}
	lost := func() (count int) {
		for n, ok := m.tab.takeNews(); ok; n, ok = m.tab.takeNews() {
			count += n.count
		}
		return count
	}
	if n := lost(); n != 1 {
		t.Errorf("%d are counted as lost, want the one that executes something else", n)
	}
	m.up += 2 * stalledFor
	if n := lost() + lost(); n != 1 {
		t.Errorf("%d are counted as lost, want the one that does not let us read", n)
	}
	m.late = []procs.Late{{Ticket: 4, Env: &procs.Env{}}}
	m.tab.lately()
	if p := m.tab.at(303); p.Signer != "root" || lost() != 0 {
		t.Errorf("read at last, it is vouched for as %q", p.Signer)
	}
}

// TestBackground: a program that goes into the background ends its first process right
// away. That it ended while it was judged says nothing of the one that stays.
func TestBackground(t *testing.T) {
	m := newFakeMachine(t)
	m.installer("/p")
	m.fork(50, 300)
	i := m.procs[300]
	i.Exe, i.Args, i.Cwd, i.Env, i.UID, i.ArgStart = "/usr/bin/gpg-agent", []string{"gpg-agent", "--daemon"}, "/p", &procs.Env{}, 1000, 77
	m.procs[300] = i
	m.apply(decode.Proc{What: decode.ProcExec, PID: 300, TGID: 300})
	m.fork(300, 301)
	m.fork(301, 302)
	m.asked = func(pid int) { delete(m.procs, 300) }
	m.tell()
	if !m.tab.nodes[300].run.torn {
		t.Fatal("it was judged while it was there")
	}
	for _, pid := range []int{301, 302} {
		if p := m.tab.at(pid); p.Signer != "root" || p.Foreign || p.Exe != "/usr/bin/gpg-agent" {
			t.Errorf("%+v", p)
		}
	}
}

// TestDirectScript: the newer yarn starts what a script says by itself, without a
// shell between, and that may be a package manager.
func TestDirectScript(t *testing.T) {
	m := newFakeMachine(t)
	yarn := m.installer("/p")
	m.fork(yarn, 200)
	m.exec(200, false, script("evil", "/p"), "/p/node_modules/evil", "/usr/bin/node", "/usr/bin/npm", "publish", "./sub")
	m.want(200, "evil@1.0.0")
	m.fork(200, 201)
	m.exec(201, false, script("evil", "/p"), "/p", "/usr/bin/cat", "x")
	m.want(201, "evil@1.0.0")
	m.fork(yarn, 210)
	m.exec(210, false, &procs.Env{}, "/p", "/usr/bin/node", "/usr/bin/npm", "publish") // as pnpm has npm publish
	m.want(210, "")
	if !m.tab.nodes[210].run.installer {
		t.Error("it is no package manager")
	}
}

// TestManyEnded: processes that end are forgotten while others are told of.
func TestManyEnded(t *testing.T) {
	m := newFakeMachine(t)
	m.installer("/p")
	for i := range 3 * endedMax {
		pid := 1000 + i
		m.apply(decode.Proc{What: decode.ProcFork, ParentPID: 50, ParentTGID: 50, PID: int32(pid), TGID: int32(pid), Start: uint64(1e9 + i*1e7)})
		m.apply(decode.Proc{What: decode.ProcExit, PID: int32(pid), TGID: int32(pid), Start: uint64(1e9 + i*1e7)})
	}
	if n := len(m.tab.ended); n > 2*endedMax || len(m.tab.nodes) > n+10 {
		t.Errorf("%d that have ended are remembered, of %d", n, len(m.tab.nodes))
	}
}

// TestMovedArguments: a process that puts its arguments elsewhere has executed
// nothing where the kernel tells of each exec, and may have where it does not, or
// where something was lost since.
func TestMovedArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		said, lost bool
		exe        string
		signer     string
	}{
		{"told by the kernel", true, false, "/usr/bin/node", ""},
		{"something was lost since", true, true, "/usr/bin/python3", "root"},
		{"not told", false, false, "/usr/bin/python3", "root"},
	} {
		m := newFakeMachine(t)
		m.procs[1] = procs.Info{Stat: procs.Stat{Start: 1, Threads: 1, ArgStart: 1}, Exe: "/usr/sbin/init", Args: []string{"init"}, Env: &procs.Env{}}
		m.tab.appeared(1, nil, false)
		m.fork(1, 50)
		m.exec(50, false, &procs.Env{}, "/", "/usr/bin/node", "/usr/bin/npm")
		if tt.said {
			m.said(&decode.Exec{PID: 50, UID: 1000, Exe: "/usr/bin/node", Cwd: "/", ArgStart: m.procs[50].ArgStart, Args: []byte("node\x00/usr/bin/npm\x00")})
		}
		if p := m.tab.at(50); p.Signer != "root" || len(p.Args) != 2 {
			t.Fatalf("%s: it is %+v", tt.name, p)
		}
		m.fork(50, 51)
		if tt.lost {
			m.tab.losses++
		}
		i := m.procs[50]
		i.ArgStart, i.Exe, i.Args = 1<<20, tt.exe, []string{"python3", "/usr/bin/gh"}
		m.procs[50] = i
		if p := m.tab.at(50); p.Signer != tt.signer || p.Foreign == (tt.signer != "") || p.Exe != tt.exe || p.ArgsLate || tt.said && !tt.lost && p.Args[1] != "/usr/bin/npm" {
			t.Errorf("%s: it is %+v", tt.name, p)
		}
		if p := m.tab.at(51); p.Signer != "root" {
			t.Errorf("%s: what it forked before is %+v", tt.name, p)
		}
		if tt.said && !tt.lost { // what was lost is known later: it was an exec
			m.tab.losses++
			i.Exe = "/usr/bin/python3"
			m.procs[50] = i
			if p := m.tab.at(50); p.Signer != "root" || p.Exe != "/usr/bin/python3" {
				t.Errorf("%s: after a loss it is %+v", tt.name, p)
			}
		}
		m.exec(50, false, &procs.Env{}, "/", "/usr/bin/cat")
		if p := m.tab.at(50); p.Signer != "root" || p.Exe != "/usr/bin/cat" {
			t.Errorf("%s: what it really executes then is %+v", tt.name, p)
		}
	}
}

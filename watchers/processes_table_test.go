package watchers

import (
	"fmt"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
)

func (m *fakeMachine) Led(_ int, name string, _ time.Duration) string {
	return m.led[name]
}
func TestReusedPID(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "x")
	old := m.want(200, "a@1.0.0")
	m.exit(200)
	if p := m.want(200, "a@1.0.0"); p.ID() != old.ID() {
		t.Errorf("having ended it is %v", p.ID())
	}
	if m.tab.alive(old.ID()) {
		t.Error("it has ended and is alive")
	}
	m.fork(50, 200) // by its fork
	m.exec(200, false, &procs.Env{}, "/p", "/usr/bin/cat")
	cat := m.want(200, "")
	if cat.ID() == old.ID() || m.tab.alive(old.ID()) || !m.tab.alive(cat.ID()) || cat.Parent.PID != 50 {
		t.Errorf("%v is who had its PID before: %v", cat.ID(), old.ID())
	}
	m.up += time.Second // by its start alone: exit and fork were lost
	i := m.procs[200]
	i.Start, i.Exe, i.Parent = m.ticks(), "/usr/bin/tac", 50
	m.procs[200] = i
	if p := m.want(200, ""); p.Exe != "/usr/bin/tac" || m.tab.alive(cat.ID()) {
		t.Errorf("after a loss it is %v, and %v is alive", p, cat)
	}
	if ids := m.tab.living(old.ID()); len(ids) != 0 {
		t.Errorf("below the first lives %v", ids)
	}
}

func TestScriptThatWasGoneTooFast(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.fork(200, 201) // before anything could be read
	m.exec(200, true, nil, "", "/usr/bin/dash")
	m.exit(200)
	m.exec(201, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/node", "x.js")
	p := m.want(201, "a@1.0.0")
	m.fork(npm, 210)
	m.exec(210, true, nil, "", "/usr/bin/dash")
	m.fork(210, 211)
	m.exit(210)
	m.exec(211, false, script("b", "/p"), "/p/node_modules/b", "/usr/bin/node", "x.js")
	p = m.want(211, "b@1.0.0")
	if p.Parent.Exe != "" || p.Parent.PID != 210 {
		t.Errorf("what was not seen is %q", p.Parent.Exe)
	}
	m.fork(211, 212)
	m.exec(212, false, &procs.Env{LifecycleEvent: "postinstall", PackageName: "innocent"}, "/", "/usr/bin/cat")
	m.want(212, "b@1.0.0")
	if m.tab.missed != 2 {
		t.Errorf("%d command lines were missed, not 2", m.tab.missed)
	}
}

func TestExecsUnderOnePID(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200) // sh -c 'node x.js' becomes node
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "node x.js")
	m.exec(200, false, &procs.Env{}, "/p/node_modules/a", "/usr/bin/node", "x.js")
	if p := m.want(200, "a@1.0.0"); p.Exe != "/usr/bin/node" || p.Parent.PID != npm {
		t.Errorf("it is %+v", p)
	}
	own := script("app", "/p")
	own.PackageJSON = "/p/package.json"
	m.fork(npm, 201) // the project's own script pretends to be another's
	m.exec(201, false, own, "/p", "/usr/bin/dash", "-c", "x")
	m.exec(201, false, script("innocent", "/p"), "/p", "/usr/bin/node", "x.js")
	m.want(201, "")
	m.fork(201, 202)
	m.exec(202, false, script("innocent", "/p"), "/p", "/usr/bin/node", "x.js")
	m.want(202, "")
	// Two execs before anything is read: the first must not be shown as the second.
	m.fork(npm, 203)
	n := m.tab.nodes[203]
	m.tab.execed(n, nil)
	first := n.run
	m.tab.execed(n, nil)
	m.procs[203] = procs.Info{Stat: procs.Stat{Start: m.ticks(), Threads: 1}, Exe: "/usr/bin/cat", Args: []string{"cat"}, Env: script("b", "/p"), Cwd: "/p/node_modules/b"}
	if p := m.tab.snapshot(first); p.Exe != "" || m.tab.missed != 1 {
		t.Errorf("the first is %q", p.Exe)
	}
	if p := m.want(203, "b@1.0.0"); p.Exe != "/usr/bin/cat" {
		t.Errorf("the second is %q", p.Exe)
	}
	// And one that becomes known only after the read.
	m.fork(npm, 204)
	n = m.tab.nodes[204]
	m.tab.execed(n, nil)
	first = n.run
	m.tab.drain = func() {
		m.tab.drain = nil
		m.tab.execed(n, nil)
	}
	if p := m.tab.snapshot(first); p.Exe != "" {
		t.Errorf("it is shown as what it became: %q", p.Exe)
	}
}

func TestBrotherOfAScript(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 199)
	m.exec(199, false, &procs.Env{Command: "install"}, "/p", "/tmp/helper")
	m.want(199, "") // no script runs
	m.fork(npm, 200)
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "x")
	m.fork(npm, 201) // by CLONE_PARENT
	m.exec(201, false, &procs.Env{}, "/", "/usr/bin/cat", "/home/u/.npmrc")
	m.want(201, "a@1.0.0")
	m.fork(npm, 202)
	m.exec(202, false, &procs.Env{Command: "install"}, "/p", "/usr/bin/git", "ls-remote")
	m.want(202, "")
	own := script("app", "/p")
	own.PackageJSON = "/p/package.json"
	m.fork(npm, 203)
	m.exec(203, false, own, "/p", "/usr/bin/dash", "-c", "x")
	m.want(203, "")
}

// A script may not bring its own code into a program that is vouched for; what
// the person has set is theirs.
func TestWhereAProgramLooksForCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, before, after string
		vouched             bool
	}{
		{"nothing", "", "", true},
		{"the person's own", "HOME=/home/u\nLD_LIBRARY_PATH=/home/u/lib", "HOME=/home/u\nLD_LIBRARY_PATH=/home/u/lib", true},
		{"brought by the script", "HOME=/home/u", "HOME=/home/u\nLD_LIBRARY_PATH=/tmp/x", false},
		{"changed by the script", "HOME=/home/u\nNODE_PATH=/home/u/lib", "HOME=/home/u\nNODE_PATH=/tmp/x", false},
	} {
		m := newFakeMachine(t)
		npm := m.installer("/home/u/p")
		e := script("evil", "/home/u/p")
		e.Around = tc.before
		m.fork(npm, 200)
		m.exec(200, false, e, "/home/u/p/node_modules/evil", "/usr/bin/sh", "-c", "x")
		m.fork(200, 201)
		m.exec(201, false, &procs.Env{Around: tc.after}, "/home/u/p", "/usr/bin/node", "/usr/bin/npm", "config", "list")
		m.want(200, "evil@1.0.0")
		if p := m.want(201, "evil@1.0.0"); (p.Signer != "") != tc.vouched || ancestry.Installer(p) != tc.vouched {
			t.Errorf("%s: npm below the script is vouched for by %q", tc.name, p.Signer)
		}
	}
}

// Whoever keeps us from reading what they run blinds us, and that is told.
func TestStalledReadsAreTold(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/home/u/p")
	m.tell()
	for pid := 200; pid < 203; pid++ {
		m.fork(npm, pid)
		i := m.procs[pid]
		i.Exe, i.Args, i.Env, i.Stalled = "/usr/bin/node", nil, nil, true
		m.procs[pid] = i
		m.apply(decode.Proc{What: decode.ProcExec, PID: int32(pid), TGID: int32(pid)})
	}
	lost := 0
	for {
		n, ok := m.tab.takeNews()
		if !ok {
			break
		}
		if n.run != nil {
			m.tab.snapshot(n.run)
		} else if n.kind == wormbell.Gap && n.what != "" {
			lost += n.count
		}
	}
	if lost != 3 {
		t.Errorf("%d told, want 3", lost)
	}
}

func TestHelperOfANestedInstaller(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	own := &procs.Env{LifecycleEvent: "release", PackageName: "app", PackageVersion: "1.0.0", PackageJSON: "/p/package.json", LocalPrefix: "/p", Command: "run-script"}
	m.fork(npm, 200)
	m.exec(200, false, own, "/p", "/usr/bin/dash", "-c", "cd sub; npm ci")
	m.fork(200, 201)
	m.exec(201, false, own, "/p/sub", "/usr/bin/node", "/usr/bin/npm", "ci")
	helper := *own // git inherits all of it, and the inner npm's prefix
	helper.LocalPrefix, helper.Command = "/p/sub", "ci"
	m.fork(201, 202)
	m.exec(202, false, &helper, "/p/sub", "/usr/bin/git")
	m.want(202, "")
	m.fork(201, 203)
	m.exec(203, false, script("a", "/p/sub"), "/p/sub/node_modules/a", "/usr/bin/dash", "-c", "x")
	m.want(203, "a@1.0.0")
}

func TestLongChains(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "x")
	root := m.want(200, "a@1.0.0")
	last := 200
	for i := range 2000 { // each forks the next and ends
		next := 1000 + i
		m.fork(last, next)
		if last != 200 {
			m.exit(last)
		}
		if i%3 == 0 {
			m.exec(next, false, &procs.Env{}, "/", "/usr/bin/cat", fmt.Sprint(i))
		}
		last = next
	}
	p := m.want(last, "a@1.0.0")
	if d := ancestry.Dependency(p); d.ID() != root.ID() || ancestry.BelowInstaller(d) == nil {
		t.Errorf("its root is %v", d)
	}
	n := 0
	for a := p; a != nil; a = a.Parent {
		n++
	}
	if n > 64 || !p.Within(m.id(1, 1)) {
		t.Errorf("the chain is %d long, or does not end at init", n)
	}
	if ids := m.tab.living(root.ID()); len(ids) != 2 {
		t.Errorf("%d live below the root, not 2", len(ids))
	}
	n = 0
	for a := m.tab.nodes[last].run; a != nil; a = a.parent {
		n++
	}
	if n > chainMax+10 {
		t.Errorf("%d ancestors are kept", n)
	}
}

func TestEndedAreForgotten(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "x")
	root := m.want(200, "a@1.0.0")
	m.fork(200, 201)
	m.exit(200)
	m.up += keepEnded + time.Second
	m.tab.evict()
	if m.tab.nodes[200] != nil {
		t.Error("it is remembered after its time")
	}
	p := m.want(201, "a@1.0.0")
	if !p.Within(root.ID()) {
		t.Error("what lives has lost its ancestor")
	}
	if ids := m.tab.living(root.ID()); len(ids) != 1 || ids[0] != p.ID() {
		t.Errorf("below it live %v", ids)
	}
	for i := range endedMax + 500 {
		m.fork(50, 1000+i)
		m.exit(1000 + i)
	}
	m.tab.evict()
	if n := len(m.tab.nodes); n > endedMax+10 {
		t.Errorf("%d processes are remembered", n)
	}
}

func TestFirstThreadEnds(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	i := m.procs[npm]
	i.Threads, i.State = 5, 'Z' // its first thread has ended, the others run
	m.procs[npm] = i
	m.apply(decode.Proc{What: decode.ProcExit, PID: int32(npm), TGID: int32(npm)})
	id := m.want(npm, "").ID()
	if !m.tab.alive(id) || len(m.tab.living(id)) != 1 {
		t.Error("it is not alive")
	}
	i.Threads = 1
	m.procs[npm] = i
	if len(m.tab.living(id)) != 0 || m.tab.alive(id) {
		t.Error("it is alive after all its threads have ended")
	}
	// A thread that executes takes the place of the first, which ends.
	m.fork(50, 300)
	m.exec(300, false, &procs.Env{}, "/p", "/usr/bin/node", "x.js")
	m.apply(decode.Proc{What: decode.ProcExit, PID: 300, TGID: 300})
	m.exec(300, false, &procs.Env{}, "/p", "/usr/bin/cat")
	if p := m.want(300, ""); p.Exe != "/usr/bin/cat" || !m.tab.alive(p.ID()) || p.Parent.PID != 50 || len(m.tab.living(p.ID())) != 1 {
		t.Errorf("it is %+v", p)
	}
}

func TestTerminalIsSampledAgain(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	m.installer("/p")
	at := func(pid int, leader, foreground bool) {
		i := m.procs[pid]
		i.TTY, i.Group, i.TTYGroup, i.Session = 136<<8|3, pid, 1, 50
		if foreground {
			i.TTYGroup = pid
		}
		m.procs[pid] = i
	}
	at(50, true, false)
	m.fork(50, 300)
	at(300, false, false)
	m.apply(decode.Proc{What: decode.ProcExec, PID: 300, TGID: 300})
	early := m.tab.snapshot(m.tab.nodes[300].run)
	if early.Foreground || early.TTY != "/dev/pts/3" {
		t.Errorf("early it is %+v", early)
	}
	if m.tab.isSettled(m.tab.nodes[300].run) && m.tab.nodes[50].run.leader {
		t.Error("its place at the terminal is taken for settled")
	}
	at(300, false, true) // the shell has called tcsetpgrp
	p := m.tab.at(300)
	if !p.Foreground || !p.Parent.Leader || p.Parent.TTY != "/dev/pts/3" || early.Foreground {
		t.Errorf("now it is %+v below %+v", p, p.Parent)
	}
	if m.tab.at(300) != p {
		t.Error("an unchanged process is made anew")
	}
}

func TestNewsAreBounded(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	m.installer("/p")
	n := m.tab.nodes[50]
	for range newsMax + 7 {
		m.tab.execed(n, nil)
	}
	kinds := map[wormbell.Kind]int{}
	count := 0
	for {
		n, ok := m.tab.takeNews()
		if !ok {
			break
		}
		kinds[n.kind]++
		count += n.count
	}
	if kinds[wormbell.Gap] != 1 || count != 7 || kinds[wormbell.ProcessStart] != newsMax {
		t.Errorf("%v, %d lost", kinds, count)
	}
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	q := newQuiet(at(0))
	for _, tc := range []struct {
		from, to int
		want     bool
	}{{-5, -5, false}, {5, 5, true}, {11, 11, false}, {20, 30, false}, {25, 25, false}, {41, 41, true}, {5, 50, false}, {60, 60, false}, {58, 58, true}} {
		if q.alive == 0 && len(q.spans) == 0 {
			q.more(at(10))
			q.more(at(20))
			q.less(at(30))
			q.less(at(40))
			q.more(at(60))
		}
		if got := q.was(at(tc.from), at(tc.to)); got != tc.want {
			t.Errorf("from %d to %d: %v", tc.from, tc.to, got)
		}
	}
}

func TestScriptsMakeNoise(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	quietNow := func() bool { return m.tab.quiet.was(m.tab.now(), m.tab.now()) }
	if !quietNow() {
		t.Error("an installer alone is no noise")
	}
	m.fork(npm, 200)
	m.exec(200, false, script("a", "/p"), "/p/node_modules/a", "/usr/bin/dash", "-c", "x")
	m.fork(200, 201) // executes nothing, as a daemon does
	m.up += time.Minute
	m.exit(200)
	m.up += time.Minute
	if quietNow() {
		t.Error("a script's daemon is alive, and all is quiet")
	}
	m.exit(201)
	m.up += time.Minute
	if !quietNow() {
		t.Error("all have ended, and it is not quiet")
	}
	if m.tab.quiet.was(m.tab.now().Add(-90*time.Second), m.tab.now()) {
		t.Error("the past was not quiet")
	}
}

func TestUpdatesItself(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want bool
	}{
		{[]string{"install", "-g", "npm@latest"}, true},
		{[]string{"i", "--global", "npm"}, true},
		{[]string{"i", "--location=global", "corepack"}, true},
		{[]string{"upgrade"}, true},
		{[]string{"install"}, false},
		{[]string{"install", "npm"}, false},
		{[]string{"install", "-g", "typescript"}, false},
	} {
		if got := updatesItself(tc.args); got != tc.want {
			t.Errorf("%v: %v", tc.args, got)
		}
	}
}

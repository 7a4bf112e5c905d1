package watchers

import (
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// fakeMachine is a /proc and a kernel of a test's own.
type fakeMachine struct {
	t     *testing.T
	tab   *table
	procs map[int]procs.Info
	files *signer.Files
	reads int
	late  []procs.Late
	asked func(pid int) // is called when somebody is to be vouched for; may be nil
	up    time.Duration
	ended []string // labels of tools that were updated
	led   map[string]string
}

func newFakeMachine(t *testing.T) *fakeMachine {
	m := &fakeMachine{t: t, procs: map[int]procs.Info{}, files: signer.NewFiles(), up: time.Hour}
	t.Cleanup(m.files.Close)
	m.tab = newTable(m, m, newQuiet(time.Unix(0, 0)), newWork(time.Unix(0, 0)), time.Unix(1e9, 0), nil)
	m.tab.uptime = func() time.Duration { return m.up }
	m.tab.now = func() time.Time { return time.Unix(1e9, 0).Add(m.up) }
	return m
}

func (m *fakeMachine) Stat(pid int) (procs.Stat, error) {
	i, ok := m.procs[pid]
	if !ok {
		return procs.Stat{}, procs.ErrGone
	}
	return i.Stat, nil
}

func (m *fakeMachine) Read(pid int) (procs.Info, error) {
	m.reads++
	i, ok := m.procs[pid]
	if !ok {
		return i, procs.ErrGone
	}
	return i, nil
}

func (m *fakeMachine) LastPid() (int, error)      { return 0, nil }
func (m *fakeMachine) Late() (all []procs.Late)   { all, m.late = m.late, nil; return all }
func (m *fakeMachine) Close()                     {}
func (m *fakeMachine) Files() *signer.Files       { return m.files }
func (m *fakeMachine) Updating(string, time.Time) {}
func (m *fakeMachine) Tool(signer.Query) string   { return "" }
func (m *fakeMachine) Corepack(script string) bool {
	return script == "/usr/lib/node_modules/corepack/dist/npm.js"
}
func (m *fakeMachine) Updated(label string, _, _ time.Time) { m.ended = append(m.ended, label) }
func (m *fakeMachine) ticks() uint64                        { return uint64(m.up / (10 * time.Millisecond)) }
func (m *fakeMachine) apply(p decode.Proc)                  { m.tab.apply(&p, nil) }
func (m *fakeMachine) id(pid int, start uint64) wormbell.ProcessID {
	return wormbell.ProcessID{PID: pid, Start: m.tab.time(start)}
}

// Vouch vouches for what lies in /usr, as the signer would.
func (m *fakeMachine) Vouch(q signer.Query) string {
	if m.asked != nil {
		m.asked(q.PID)
	}
	if _, there := m.procs[q.PID]; !there {
		return ""
	}
	if q.Env == nil || q.Run.Script != "" && len(q.Run.Script) > 5 && q.Run.Script[:5] != "/usr/" || len(q.Exe) < 5 || q.Exe[:5] != "/usr/" {
		return ""
	}
	if q.Run.Code && q.Run.Kind != procs.Shell {
		return ""
	}
	return "root"
}

func (m *fakeMachine) Foreign(q signer.Query) bool { return q.Env == nil }

// fork makes a process that has executed nothing.
func (m *fakeMachine) fork(parent, child int) {
	m.up += 10 * time.Millisecond
	i := m.procs[parent]
	i.Parent, i.Start, i.Threads, i.State = parent, m.ticks(), 1, 'S'
	m.procs[child] = i
	m.apply(decode.Proc{What: decode.ProcFork, ParentPID: int32(parent), ParentTGID: int32(parent), PID: int32(child), TGID: int32(child),
		Time: uint64(procs.Monotonic() + m.up - procs.Uptime())})
	m.tab.nodes[child].guess = m.ticks() // the fake clock is not the machine's
}

// exec executes a program; gone is one that ends before it can be looked at.
func (m *fakeMachine) exec(pid int, gone bool, env *procs.Env, cwd string, args ...string) {
	i := m.procs[pid]
	i.Exe, i.Args, i.Cwd, i.Env, i.UID = args[0], args, cwd, env, 1000
	i.ArgStart += 4096
	m.procs[pid] = i
	if gone {
		delete(m.procs, pid)
	}
	m.apply(decode.Proc{What: decode.ProcExec, PID: int32(pid), TGID: int32(pid)})
	m.tell()
}

func (m *fakeMachine) exit(pid int) {
	delete(m.procs, pid)
	m.apply(decode.Proc{What: decode.ProcExit, PID: int32(pid), TGID: int32(pid)})
}

// tell takes all news, as the watcher would.
func (m *fakeMachine) tell() (kinds []wormbell.Kind) {
	for {
		n, ok := m.tab.takeNews()
		if !ok {
			return kinds
		}
		if n.run != nil {
			m.tab.snapshot(n.run)
		}
		kinds = append(kinds, n.kind)
	}
}

// installer starts init, a shell and an npm that installs in project.
func (m *fakeMachine) installer(project string) (npm int) {
	m.procs[1] = procs.Info{Stat: procs.Stat{Start: 1, Threads: 1, ArgStart: 1}, Exe: "/usr/sbin/init", Args: []string{"init"}, Env: &procs.Env{}}
	m.tab.appeared(1, nil, false)
	m.fork(1, 50)
	m.exec(50, false, &procs.Env{}, project, "/usr/bin/bash")
	m.fork(50, 100)
	m.exec(100, false, &procs.Env{}, project, "/usr/bin/node", "/usr/bin/npm", "install")
	return 100
}

func script(name, project string) *procs.Env {
	return &procs.Env{LifecycleEvent: "postinstall", PackageName: name, PackageVersion: "1.0.0", Command: "install",
		PackageJSON: project + "/node_modules/" + name + "/package.json", LocalPrefix: project}
}

func (m *fakeMachine) want(pid int, pkg string) *wormbell.Process {
	m.t.Helper()
	p := m.tab.at(pid)
	if p == nil {
		m.t.Fatalf("process %d is not known", pid)
	}
	if p.Package.String() != pkg {
		m.t.Errorf("process %d is of %q, not of %q", pid, p.Package.String(), pkg)
	}
	return p
}

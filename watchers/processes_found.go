package watchers

import (
	"slices"

	"wormbell"
	"wormbell/internal/mask"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// lost says that the kernel's queue overflowed: /proc is looked at again.
func (t *table) lost(times int) {
	t.losses++
	t.news = append(t.news, news{kind: wormbell.Gap, at: t.now()})
	t.scan(true)
}

// adopt takes in a process as /proc shows it now, and its ancestors. It
// returns nil if there is no such process.
func (t *table) adopt(pid int, tell bool) *node { return t.adoptBelow(pid, tell, 0) }

func (t *table) adoptBelow(pid int, tell bool, depth int) *node {
	if pid <= 0 || depth > chainMax {
		return nil
	}
	info, err := t.reader.Read(pid)
	if err != nil {
		return nil
	}
	if old := t.nodes[pid]; old != nil && !old.ended {
		t.end(old)
	}
	var above *run
	if p := t.nodes[info.Parent]; p != nil && !p.ended {
		above = p.run
	} else if p = t.adoptBelow(info.Parent, tell, depth+1); p != nil {
		above = p.run
	}
	n := &node{pid: pid, start: info.Start, guess: info.Start}
	for _, s := range t.self {
		n.self = n.self || s == pid
	}
	n.run = t.below(n, above)
	n.run.forked, n.run.img = false, &image{}
	t.nodes[pid] = n
	t.take(n.run, &info)
	t.settle(n.run)
	if tell {
		t.tell(wormbell.ProcessStart, n.run)
	}
	if info.Gone() {
		t.end(n)
	}
	return n
}

// take stores what /proc said of a run, and asks who vouches for it.
func (t *table) take(r *run, info *procs.Info) {
	if info.Stalled {
		t.keepsUs(r, info)
	}
	r.tty, r.leader, r.foreground = info.TTYPath(), info.Leader(r.node.pid), info.Foreground()
	if info.UID >= 0 {
		r.uid = info.UID
	}
	if info.Exe == "" {
		r.img.argStart = info.ArgStart
		return // a kernel thread, a zombie or somebody else's
	}
	does := procs.Parse(info.Exe, info.Args, info.Cwd)
	r.img = &image{exe: info.Exe, script: does.Script, cwd: info.Cwd, kind: does.Kind, argStart: info.ArgStart,
		args: shortArgs(mask.Args(info.Args)), late: !info.Told, env: info.Env}
	asked := signer.Query{PID: r.node.pid, Exe: info.Exe, Deleted: info.Deleted, Cwd: info.Cwd, Run: does, Env: info.Env}
	r.img.signer = t.sign.Vouch(asked)
	if r.img.signer == "" {
		r.img.tool = t.sign.Tool(asked)
		r.img.foreign = t.sign.Foreign(asked) // what is vouched for loads nothing else
		if files := t.sign.Files(); files != nil && does.Script != "" {
			if found, err := files.Lookup(does.Script); err == nil {
				r.img.file = found.Ident
				if found.Regular && found.Path != does.Script {
					r.img.led = found.Path
				}
			}
		}
		st, err := t.reader.Stat(r.node.pid)
		r.torn = err != nil || st.ArgStart != info.ArgStart // every exec lays the arguments elsewhere
	}
	if e := r.img.env; e != nil { // what it loads has been judged
		if r.img.around = e.Around; r.parent != nil && r.parent.img.around == e.Around {
			r.img.around = r.parent.img.around // one copy for all
		}
		r.nameSecrets(e)
		e.NodeOptions, e.BunOptions, e.Preload, e.Audit, e.LibraryPath, e.Around, e.SecretNames = "", "", "", "", "", "", ""
		if *e == (procs.Env{}) {
			r.img.env = noEnv
		}
	}
}

// keepsUs notes a run whose memory could not be read yet.
func (t *table) keepsUs(r *run, info *procs.Info) {
	if info.Ticket == 0 {
		t.stalled++
		return
	}
	if len(t.stalls) >= stallsMax {
		t.stalls[0].count(t)
		t.stalls = slices.Delete(t.stalls, 0, 1)
	}
	kept := *info
	kept.Args = mask.Args(info.Args) // for as long as it keeps us waiting
	t.stalls = append(t.stalls, stall{run: r, info: kept, since: t.uptime()})
}

// count counts a stalled run as one of which the command line is lost, once.
func (s *stall) count(t *table) {
	if !s.counted {
		s.counted = true
		t.stalled++
	}
}

// countStalled counts those that have not let us read for long.
func (t *table) countStalled() {
	for i := range t.stalls {
		if s := &t.stalls[i]; s.run.node.ended || t.uptime()-s.since >= stalledFor {
			s.count(t)
		}
	}
}

// lately takes in what stalled processes have let us read in the end: a program that
// waits for a slow disk holds on to its memory as well, for a tenth of a second or more.
// What came of it until then stays as it was told.
func (t *table) lately() {
	if len(t.stalls) == 0 {
		return
	}
	for _, l := range t.reader.Late() {
		i := slices.IndexFunc(t.stalls, func(s stall) bool { return s.info.Ticket == l.Ticket })
		if i < 0 || l.Env == nil {
			continue // it was told before, by the other reader, or may be yet
		}
		s := t.stalls[i]
		r, info := s.run, s.info
		t.stalls = slices.Delete(t.stalls, i, i+1)
		st, err := t.reader.Stat(r.node.pid)
		if r.node.run != r || r.node.ended || err != nil || !t.same(r.node, &st) || st.ArgStart != info.ArgStart {
			s.count(t) // it has ended, or executes something else
			continue
		}
		if !info.Told {
			info.Args = l.Args
		}
		info.Env, info.Stalled = l.Env, false
		t.take(r, &info)
		if r.snap = nil; r.settled {
			t.place(r)
			t.approach(r)
		}
	}
}

// noEnv is the environment of most processes: nothing that we keep.
var noEnv = &procs.Env{}

// argsBytes bounds the arguments that are kept of a process.
const argsBytes = 4096

// shortArgs cuts masked arguments to what is kept.
func shortArgs(args []string) []string {
	left := argsBytes
	for i, a := range args {
		if left -= len(a) + 1; left < 0 {
			cut := append([]string(nil), args[:i+1]...)
			cut[i] = string([]byte(a[:len(a)+left+1])) // a copy, so that the rest can go
			for j := range i {
				cut[j] = string([]byte(cut[j]))
			}
			return cut
		}
	}
	return args
}

// same reports whether a process of /proc is n, and learns n's start from it.
func (t *table) same(n *node, st *procs.Stat) bool {
	if n.start == 0 {
		const slack = 3 // the fork event comes a little after the start, and ticks are coarse
		if st.Start > n.guess || n.guess-st.Start > slack {
			return false
		}
		n.start = st.Start
	}
	return n.start == st.Start
}

// scan looks at all of /proc: it takes in who is new, notices who executed
// something unseen, and ends who is gone.
func (t *table) scan(tell bool) {
	pids, err := procs.Pids()
	if err != nil {
		return
	}
	there := make(map[int]bool, len(pids))
	for _, pid := range pids {
		there[pid] = true
		n := t.nodes[pid]
		if n == nil || n.ended {
			t.appeared(pid, n, tell)
			continue
		}
		if st, err := t.reader.Stat(pid); err == nil && !t.same(n, &st) {
			t.adopt(pid, tell)
		} else if err == nil {
			t.forkedThenExecuted(n, &st)
			t.reexecuted(n, &st)
		}
	}
	t.vanished(there)
	t.fullScan, t.execScan = t.uptime(), t.uptime()
}

// appeared takes in a process that the table has not, or has as ended: n may
// be a zombie still.
func (t *table) appeared(pid int, n *node, tell bool) {
	if st, err := t.reader.Stat(pid); err != nil || n != nil && t.same(n, &st) && st.Gone() {
		return
	}
	if n = t.adopt(pid, tell); n != nil && tell && !n.ended {
		t.young = append(t.young, n)
	}
}

// vanished ends the processes that are not there.
func (t *table) vanished(there map[int]bool) {
	for pid, n := range t.nodes {
		if !n.ended && !there[pid] {
			t.end(n)
		}
	}
}

// forkedThenExecuted notices the first exec of a process whose fork was seen.
func (t *table) forkedThenExecuted(n *node, st *procs.Stat) {
	if r := n.run; r.forked && r.parent != nil && st.ArgStart != 0 && r.img.argStart != 0 && r.img.argStart != st.ArgStart {
		t.execed(n, nil)
	}
}

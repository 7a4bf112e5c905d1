package watchers

import (
	"strconv"

	"wormbell"
	"wormbell/watchers/internal/procs"
)

// snapMax bounds the chain of what is handed out, as chainMax does within;
// [wormbell.Process.Chain] follows 64.
const snapMax = 60

// at returns the process that has pid now, or had it last.
func (t *table) at(pid int) *wormbell.Process {
	n := t.nodes[pid]
	st, err := t.reader.Stat(pid)
	switch {
	case err != nil:
		if n == nil {
			return nil
		}
	case n == nil || !t.same(n, &st):
		if n = t.adopt(pid, true); n == nil {
			return nil
		}
	default:
		if n.ended && !st.Gone() {
			n.ended = false // it was a thread's exec
		}
		t.reexecuted(n, &st)
		t.resample(n.run, &st)
	}
	// A shell may put a child in the foreground after it started it, and the
	// child may have started while its parent was not yet what it is.
	if p := n.run.parent; p != nil && !p.node.ended && p.node.run == p {
		if st, err := t.reader.Stat(p.node.pid); err == nil && t.same(p.node, &st) {
			t.resample(p, &st)
		}
	}
	p := t.snapshot(n.run)
	if t.lead(n.run) {
		p = t.snapshot(n.run)
	}
	return p
}

// reexecuted notices an exec that nobody reported. Where the kernel reports each
// and none was lost there is none: a process has put its arguments elsewhere,
// PR_SET_MM_MAP of prctl(2), which needs no right. What /proc tells of its
// command line and its environment is then what it wants us to see, and it is
// nobody's from here on.
func (t *table) reexecuted(n *node, st *procs.Stat) {
	r := n.run
	if r.pending || r.forked || r.img.argStart == 0 || st.ArgStart == 0 {
		return
	}
	if r.moved && r.losses != t.losses { // that something was lost is known with the next record only: it was an exec, maybe
		t.execed(n, nil)
		return
	}
	if r.img.argStart == st.ArgStart {
		return
	}
	if !r.kernel || r.losses != t.losses {
		t.execed(n, nil)
		return
	}
	if t.drain != nil {
		if t.drain(); n.run != r || r.losses != t.losses {
			return // it was about to be reported
		}
	}
	img := *r.img // forked children may have the same
	img.signer, img.tool, img.foreign, img.unjudged, img.argStart = "", "", true, false, st.ArgStart
	r.img, r.installer, r.snap, r.moved = &img, false, nil, true
}

func (t *table) resample(r *run, st *procs.Stat) {
	tty, leader, fg := st.TTYPath(), st.Leader(r.node.pid), st.Foreground()
	if tty != r.tty || leader != r.leader || fg != r.foreground {
		r.tty, r.leader, r.foreground, r.snap = tty, leader, fg, nil
	}
}

func (t *table) alive(id wormbell.ProcessID) bool {
	st, err := t.reader.Stat(id.PID)
	return err == nil && !st.Gone() && t.time(st.Start).Equal(id.Start)
}

func (t *table) living(root wormbell.ProcessID) []wormbell.ProcessID {
	t.checkLimbo()
	var ids []wormbell.ProcessID
	for _, n := range t.nodes {
		if n.ended {
			continue
		}
		for a := n.run; a != nil; a = a.parent {
			if a.node.pid == root.PID && t.id(a.node) == root {
				ids = append(ids, t.id(n))
				break
			}
		}
	}
	return ids
}

// snapshot returns r as it is handed out.
func (t *table) snapshot(r *run) *wormbell.Process {
	t.fill(r)
	t.settle(r)
	var parent *wormbell.Process
	depth := 1
	if r.parent != nil {
		parent = t.snapshot(r.parent)
		depth = r.parent.snapDepth + 1
	}
	if r.snap != nil && r.snapParent == parent {
		return r.snap
	}
	r.snapParent, r.snapDepth = parent, depth
	id := t.id(r.node)
	p := &wormbell.Process{PID: id.PID, Start: id.Start, Exe: r.img.exe, Script: r.img.script, ScriptFile: r.led, Args: r.img.args, Cwd: r.img.cwd,
		TTY: r.tty, Leader: r.leader, Foreground: r.foreground, Signer: r.img.signer, Foreign: r.img.foreign, Unjudged: r.img.unjudged, ArgsLate: r.img.late && r.img.kind == procs.Node,
		Secrets: r.img.secrets, Tool: r.img.tool, Replaced: r.replaced, Parent: parent}
	if r.uid >= 0 {
		p.User = strconv.Itoa(r.uid)
	}
	if r.img.env != nil {
		p.DryRun = r.img.env.DryRun
	}
	if r.life != nil {
		p.Lifecycle, p.Package = r.life.event, r.life.pkg
	}
	if depth > snapMax {
		r.snapDepth = shortChain(p)
	}
	r.snap = p
	return p
}

// shortChain leaves out the middle of p's ancestors, in copies, and returns
// how long the chain is now. Where a dependency's script begins is kept.
func shortChain(p *wormbell.Process) int {
	const near, top = 16, 24
	var chain []*wormbell.Process
	for a := p.Parent; a != nil; a = a.Parent {
		chain = append(chain, a)
	}
	last, n := p, 1
	for i, a := range chain {
		keepTop := i >= len(chain)-top
		begins := a.Package != nil && (a.Parent == nil || a.Parent.Package == nil)
		if i >= near && !keepTop && !begins {
			continue
		}
		n++
		if keepTop { // shared from here on
			last.Parent = a
			return n + len(chain) - i - 1
		}
		c := *a
		last.Parent, last = &c, &c
	}
	last.Parent = nil
	return n
}

// shorten leaves ended processes out of the middle of a chain of ancestors:
// not the nearest and not the topmost, nor where a dependency's script begins.
func (r *run) shorten() {
	const near, top = 32, 64
	chain := make([]*run, 0, r.depth+1)
	for a := r; a != nil; a = a.parent {
		chain = append(chain, a)
	}
	last := chain[0]
	for i, a := range chain {
		begins := a.life != nil && (a.parent == nil || a.parent.life == nil)
		if i < near || i >= len(chain)-top || !a.node.ended || begins {
			if a != last {
				last.parent, last.snap = a, nil
			}
			last = a
		}
	}
	depth := 0
	for a := r.parent; a != nil; a = a.parent {
		depth++
	}
	for a := r; a != nil; a = a.parent {
		a.depth = depth
		depth--
	}
}

package watchers

import (
	"os"
	"strings"
	"time"

	"wormbell/internal/mask"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
)

// fill reads what a process executes, as long as it is there. What the kernel
// said of it goes before what can be read later: by then the process may have
// written a title over its arguments.
func (t *table) fill(r *run) {
	if !r.pending {
		return
	}
	said, n := r.said, r.node
	r.pending, r.said = false, nil
	if n.run != r || n.ended { // it has executed something else since, or is gone
		t.unseen(r, said)
		return
	}
	info, err := t.reader.Read(n.pid)
	if t.drain != nil {
		t.drain() // to learn whether it executed something else meanwhile
	}
	if err != nil || !t.same(n, &info.Stat) || n.run != r {
		t.unseen(r, said)
		return
	}
	if said != nil && (info.Exe == "" || info.ArgStart != said.ArgStart) { // it ends, or executes something else
		t.unseen(r, said)
		return
	}
	if said != nil && said.Args != nil {
		info.Args, info.Told = procs.ParseArgs(said.Args, said.ArgsCut), true
	}
	if len(info.Args) == 0 {
		t.missed++
		// Else it is somebody else's, and we may not know, or is counted as stalled.
		if !info.Stalled && (info.Gone() || t.all || info.UID == os.Geteuid()) {
			t.unread++
		}
	}
	t.take(r, &info)
}

// unseen takes what the kernel said of a run that is over. Nobody can say any
// more who vouches for it: what it runs could not be compared with what lies
// at the path, and its environment is not known.
func (t *table) unseen(r *run, said *decode.Exec) {
	if said == nil || said.Args == nil {
		t.missed++
		t.unread++
	}
	if said == nil {
		return
	}
	args := procs.ParseArgs(said.Args, said.ArgsCut)
	exe, cwd := strings.ToValidUTF8(said.Exe, "�"), strings.ToValidUTF8(said.Cwd, "�")
	does := procs.Parse(exe, args, cwd)
	r.uid = int(said.UID)
	r.img = &image{exe: exe, script: does.Script, cwd: cwd, kind: does.Kind, argStart: said.ArgStart,
		args: shortArgs(mask.Args(args)), foreign: true, unjudged: true}
}

// inherit gives a process that was forked what its parent ran, which may have
// been read only since. If the parent was gone before anybody could look or judge, as
// one that goes into the background is, the process itself is looked at: it runs the same.
func (t *table) inherit(r *run) {
	n, up := r.node, r.parent
	if up == nil {
		return
	}
	r.img, r.torn = up.img, up.torn
	if !r.img.unjudged && !r.torn || n.ended || n.run != r {
		return
	}
	info, err := t.reader.Read(n.pid)
	if t.drain != nil {
		t.drain()
	}
	if err != nil || !t.same(n, &info.Stat) || n.run != r || info.Exe == "" || info.ArgStart != up.img.argStart {
		return // it has ended, or executed something
	}
	info.Args, info.Told = up.img.args, !up.img.late // it may have written a title over its own
	r.torn = false
	t.take(r, &info)
}

// born takes in a process whose fork was not seen, as the kernel described it
// when it executed something.
func (t *table) born(said *decode.Exec) *node {
	var above *run
	if p := t.nodes[int(said.Parent)]; p != nil {
		above = p.run
	} else if p = t.adopt(int(said.Parent), true); p != nil {
		above = p.run
	}
	n := &node{pid: int(said.PID), start: ticksOf(said.Start), guess: ticksOf(said.Start)}
	n.run = t.below(n, above)
	if above == nil {
		n.run.img = &image{}
	}
	t.nodes[n.pid] = n
	return n
}

// ticksOf turns nanoseconds after boot into the unit of [procs.Stat].
func ticksOf(start uint64) uint64 {
	return start / uint64(time.Second/procs.TicksPerSecond)
}

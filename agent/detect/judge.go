package detect

import (
	"slices"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/stores"
)

// Judge says which reads of guarded files are to be refused while the reader
// waits for the answer. It refuses less than the detectors tell of: what comes
// from a dependency's script or is part of a sweep. What it is not shown it does
// not know: reads before it was first asked make no sweep. It has no clock and no
// I/O, and its methods must be called by one goroutine at a time.
type Judge struct {
	announced announced
	suspects  suspects
	reads     *Recent[wormbell.ProcessID] // of each tree one of each kind that no row vouches for
}

// NewJudge returns a judge that knows of no read yet.
func NewJudge() *Judge { return &Judge{reads: NewRecent[wormbell.ProcessID](sweepWindow, 4000)} }

// Observe takes in what e says about reads that our own programs announce. It is
// to be shown every event that is not a read, as an [Engine] is.
func (j *Judge) Observe(e wormbell.Event) { j.announced.observe(e) }

// Suspect reports whether p, or an ancestor of p below the shell, terminal or
// service manager that it hangs below, has read what no row vouched for.
func (j *Judge) Suspect(p *wormbell.Process) bool { return j.suspects.above(p) }

// Refuses reports whether the read e is to be refused; vouched says that a row
// covers it ([Trust.Vouched] with Suspect, which may wait for a disk and so is
// not asked from here), usual that it is as often harmless ([Trust.Usual]): then
// it counts in a sweep and is not refused by itself. Whom nobody knows, and what hosts a person's work, is
// never refused.
func (j *Judge) Refuses(e wormbell.Event, vouched, usual bool) bool {
	p, store := e.Process, stores.Of(e.Path)
	if p == nil || unseen(p) || p.Package == nil && ancestry.Boundary(p) {
		return false
	}
	script := ancestry.Dependency(p) != nil
	if e.Decoy {
		return script // who reads one otherwise may have come across it
	}
	if store == nil || vouched || j.announced.covers(e) {
		return false
	}
	if !usual { // as in the engine, where what is low makes no suspect
		j.suspects.add(p)
	}
	return j.sweeps(e, store.Kind) || script && !usual
}

// sweeps notes e and reports whether its tree has opened enough kinds of
// credentials by now.
func (j *Judge) sweeps(e wormbell.Event, kind string) bool {
	root := ancestry.Root(e.Process).ID()
	var kinds []string
	for _, r := range j.reads.Of(root, e.Time) {
		kinds = append(kinds, stores.Of(r.Path).Kind)
	}
	if !slices.Contains(kinds, kind) {
		j.reads.Add(root, e)
		kinds = append(kinds, kind)
	}
	return len(kinds) >= sweepKinds
}

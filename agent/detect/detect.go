// Package detect turns events into findings.
//
// A [Detector] is a value: one file, one line in [All], one scene in testdata.
// Detectors have no goroutines, no clock and no I/O, and no memory but
// [Recent]: the same events give the same findings, everywhere. Who may read
// which credential is a table ([Trust]), never a clause in a detector.
package detect

import (
	"fmt"
	"slices"

	"wormbell"
	"wormbell/internal/ancestry"
)

// Detector describes one detection. It is a value; its memory is made by New.
type Detector struct {
	ID       string            // file name, scene name and contract name, with hyphens
	Title    string            // what happened, for a person: "A package's install script read your npm token"
	Advice   string            // what to do next, one or two sentences
	Doc      string            // when it fires and when not, for its page in docs/detectors; when not begins with "Quiet"
	Blind    string            // what it cannot see, for that page
	Severity wormbell.Severity // of a finding that does not say its own
	Kinds    []wormbell.Kind   // the events it wants to see; the first is the one it cannot do without
	Who      bool              // it needs to know which process did it
	Named    bool              // it knows what it looks for by names or digests, which an author changes: never the only one for a campaign
	Follow   bool              // where the tree of its finding connects to is evidence, too
	New      func() Check      // makes a check with fresh memory
}

// Check looks at one event and reports what it makes of it.
type Check func(e wormbell.Event, s *Scope)

// ByID returns the detector of [All] with this ID; the zero Detector if there
// is none, as for an alert that an older version recorded.
func ByID(id string) Detector {
	for _, d := range All {
		if d.ID == id {
			return d
		}
	}
	return Detector{ID: id, Title: id}
}

// Tells returns the title and the advice of a finding of d's. Of a read that was
// denied they are true also if the same alert knows of one that was not.
func (d Detector) Tells(f wormbell.Finding) (title, advice string) {
	if d.ID == credentialRead.ID && f.Denied() {
		return "A program was denied credentials that are not its own",
			"It is stopped: end it, or let it go on if it is a tool you trust. What it was denied it has not read; what it read otherwise must be taken for stolen."
	}
	return d.Title, d.Advice
}

// Sees says how well d sees where these kinds of events arrive; the value says
// whether the backend that brings them knows which process did it. It returns
// one of the words of [wormbell.DetectorStatus].
func (d Detector) Sees(kinds map[wormbell.Kind]bool) string {
	if len(d.Kinds) == 0 {
		return "blind"
	}
	switch who, arrives := kinds[d.Kinds[0]]; {
	case !arrives:
		return "blind"
	case d.Who && !who:
		return "cannot see who"
	}
	return "sees"
}

// Engine shows events to detectors and gathers what they find. It has no
// goroutines, no clock and no I/O. Its methods must be called by one goroutine
// at a time.
type Engine struct {
	trust     *Trust
	running   []*running
	byKind    map[wormbell.Kind][]*running
	suspects  suspects
	followed  followed
	commands  *Recent[string] // shell.command events by user
	announced announced
	problems  []string
}

// running is a detector at work.
type running struct {
	Detector
	check  Check
	failed bool
}

// NewEngine returns an engine with fresh memory. trust may be shared.
func NewEngine(ds []Detector, trust *Trust) *Engine {
	en := &Engine{trust: trust, byKind: map[wormbell.Kind][]*running{}, commands: NewRecent[string](contextWindow, 500)}
	for _, d := range ds {
		r := &running{Detector: d, check: d.New()}
		en.running = append(en.running, r)
		for _, k := range d.Kinds {
			en.byKind[k] = append(en.byKind[k], r)
		}
	}
	return en
}

// Observe shows e to every detector that asked for its kind and returns what
// they found, in the order of the detectors. A detector that panics is off from
// then on, see [Engine.Problems]; the others go on.
func (en *Engine) Observe(e wormbell.Event) []wormbell.Finding {
	en.announced.observe(e)
	s := &Scope{engine: en, event: e}
	for _, r := range en.byKind[e.Kind] {
		if !r.failed {
			en.run(r, s)
		}
	}
	if e.Kind == wormbell.ShellCommand && e.Line != "" {
		en.commands.Add(e.User, e)
	}
	for _, f := range s.found {
		if f.Severity >= wormbell.Medium {
			en.suspects.add(f.Process)
			if ByID(f.Detector).Follow {
				en.followed.add(f, e)
			}
		}
	}
	if e.Kind == wormbell.ConnectionSeen {
		if f, ok := en.followed.joined(e); ok {
			return append(s.found, f)
		}
	}
	return s.found
}

// run shows s's event to one detector. What it reported before it panicked is
// dropped: half a finding is none.
func (en *Engine) run(r *running, s *Scope) {
	before := len(s.found)
	defer func() {
		if v := recover(); v != nil {
			r.failed = true
			s.found = s.found[:before]
			en.problems = append(en.problems, fmt.Sprintf("the detector %s failed on a %s event and is off until the agent starts again: %.200v", r.ID, s.event.Kind, v))
		}
	}()
	s.detector = &r.Detector
	r.check(s.event, s)
}

// Problems returns what is wrong with the detectors, in sentences; empty when
// all is well.
func (en *Engine) Problems() []string { return slices.Clone(en.problems) }

// Suspect reports whether p, or an ancestor of p below the shell, terminal or
// service manager that it hangs below, has raised a finding of medium severity
// or more.
func (en *Engine) Suspect(p *wormbell.Process) bool { return en.suspects.above(p) }

// above reports whether p or an ancestor of it below a boundary is one.
func (s *suspects) above(p *wormbell.Process) bool {
	for a := range p.Chain {
		if s.has(a) {
			return true
		}
		if ancestry.Boundary(a) {
			break
		}
	}
	return false
}

// suspects remembers the processes that raised findings, the newest
// maxSuspects of them.
type suspects struct {
	known map[wormbell.ProcessID]bool
	order []wormbell.ProcessID
}

// maxSuspects is far above the processes of the incidents that one machine can
// have open at a time, and costs 200 kB at most.
const maxSuspects = 4096

func (s *suspects) add(p *wormbell.Process) {
	// A shell that somebody types at hosts everything its user does from then
	// on: it stays what it is.
	if p == nil || ancestry.Boundary(p) || s.known[p.ID()] {
		return
	}
	if s.known == nil {
		s.known = map[wormbell.ProcessID]bool{}
	}
	if len(s.order) >= maxSuspects {
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
	s.known[p.ID()] = true
	s.order = append(s.order, p.ID())
}

func (s *suspects) has(p *wormbell.Process) bool { return p != nil && s.known[p.ID()] }

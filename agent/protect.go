package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/agent/freeze"
	"wormbell/internal/ancestry"
	"wormbell/watchers"
)

// This file holds what the agent does instead of only telling: it refuses a
// thief the file. The credentials watcher asks it about each reader that waits.
// docs/decisions/0008-protect.md says why it is not the engine that is asked.

// protector refuses reads, if it is on. Its methods are safe for concurrent use.
type protector struct {
	trust   *detect.Trust
	lineage interface {
		At(pid int) *wormbell.Process
		Living(root wormbell.ProcessID) []wormbell.ProcessID
	}
	spare []int // processes of the agent
	log   *slog.Logger

	on                      atomic.Bool
	denied, late, unstopped atomic.Int64 // since the agent started

	judging sync.Mutex // guards judge; nothing slow is called under it
	judge   *detect.Judge

	mu    sync.Mutex // guards what follows
	halts map[wormbell.ProcessID]*halt
}

// halt is one stop of one tree, which all readers of that tree wait for.
type halt struct {
	done   chan struct{} // closed when what follows is known
	end    time.Time
	rest   bool // nothing of it can run
	report freeze.Report
	told   bool // of the report, to the first who asks
}

// haltsKept is how many trees that came to rest are remembered, for readers
// that were waiting already.
const haltsKept = 64

func newProtector(trust *detect.Trust, l *watchers.Lineage, spare []int, log *slog.Logger) *protector {
	return &protector{trust: trust, judge: detect.NewJudge(), lineage: l, spare: spare, log: log, halts: map[wormbell.ProcessID]*halt{}}
}

// watcher is what the credentials watcher is handed.
func (p *protector) watcher() *watchers.Protect {
	return &watchers.Protect{Judge: p.refuses, Stop: p.stop, Done: p.answered}
}

// observe shows the judge an event.
func (p *protector) observe(e wormbell.Event) {
	switch e.Kind {
	case wormbell.AgentCall, wormbell.ProcessStart, wormbell.ProcessExit:
		p.judging.Lock()
		defer p.judging.Unlock()
		p.judge.Observe(e)
	}
}

// refuses implements [watchers.Protect].Judge.
func (p *protector) refuses(e wormbell.Event) bool {
	if !p.on.Load() {
		return false
	}
	suspect := func(q *wormbell.Process) bool {
		p.judging.Lock()
		defer p.judging.Unlock()
		return p.judge.Suspect(q)
	}
	_, vouched := p.trust.Vouched(e, suspect)
	usual := p.trust.Usual(e, suspect)
	p.judging.Lock()
	defer p.judging.Unlock()
	return p.judge.Refuses(e, vouched, usual)
}

// stop implements [watchers.Protect].Stop: it stops the tree of the reader.
func (p *protector) stop(ctx context.Context, e wormbell.Event, limit time.Duration) bool {
	root := ancestry.Root(e.Process).ID()
	p.mu.Lock()
	h := p.halts[root]
	if h != nil {
		p.mu.Unlock()
		select {
		case <-h.done:
		case <-ctx.Done():
			return false
		}
		// One that waited already when all was at rest was stopped with the rest.
		if h.rest && e.Time.Before(h.end) && slices.ContainsFunc(h.report.Done, func(t freeze.Target) bool { return t.PID == e.Process.PID }) {
			return true
		}
		p.mu.Lock()
	}
	h = &halt{done: make(chan struct{})}
	p.forget()
	p.halts[root] = h
	p.mu.Unlock()
	defer close(h.done)
	began := time.Now()
	h.report, h.rest = p.freeze(ctx, e, limit)
	h.end = time.Now()
	p.log.Warn("protect: a reader of credentials was stopped", "path", e.Path, "by", e.Process.String(), "rests", h.rest,
		"what", h.report.String(), "took", h.end.Sub(began).Round(100*time.Microsecond))
	return h.rest
}

// forget makes room for one more halt; p.mu is held.
func (p *protector) forget() {
	for len(p.halts) >= haltsKept {
		var oldest wormbell.ProcessID
		var least time.Time
		for id, h := range p.halts {
			select {
			case <-h.done:
				if least.IsZero() || h.end.Before(least) {
					oldest, least = id, h.end
				}
			default:
			}
		}
		if least.IsZero() {
			return // all of them are under way
		}
		delete(p.halts, oldest)
	}
}

// freeze stops the tree of e's reader, and whatever else of the same package's
// scripts lives: an earlier one may have left something behind that waits.
func (p *protector) freeze(ctx context.Context, e wormbell.Event, limit time.Duration) (freeze.Report, bool) {
	c := freeze.Config{Roots: []wormbell.ProcessID{ancestry.Root(e.Process).ID()}, Living: p.lineage.Living, Process: p.lineage.At,
		Spare: p.spare, Limit: limit, Held: true}
	if pkg := e.Process.Package; pkg != nil {
		c.Also = func(other *wormbell.Process) bool {
			return other.Package != nil && other.Package.Ecosystem == pkg.Ecosystem && other.Package.Name == pkg.Name && other.User == e.Process.User
		}
	}
	r, err := freeze.Tree(ctx, c, freeze.Stop)
	if err != nil {
		p.log.Error("protect: nothing was stopped", "err", err)
		return r, false
	}
	return r, !r.Hurried && r.Missed() == 0 && slices.ContainsFunc(r.Done, func(t freeze.Target) bool { return t.PID == e.Process.PID })
}

// answered implements [watchers.Protect].Done: it counts, stops what went on
// although it should not have, and says on the event what was stopped.
func (p *protector) answered(ctx context.Context, e wormbell.Event) wormbell.Event {
	switch e.Protect {
	case wormbell.Denied:
		p.denied.Add(1)
	case wormbell.Late:
		p.late.Add(1)
	case wormbell.Unstopped:
		p.unstopped.Add(1)
	}
	if e.Protect != wormbell.Denied {
		p.log.Error("protect: a read went on that should have been refused", "why", e.Protect, "path", e.Path, "by", e.Process.String())
	}
	if e.Protect == wormbell.Unstopped {
		r, _ := p.freeze(ctx, e, 0) // it has the file, but what it does with it takes time, too
		e.Line, e.Count = r.String(), len(r.Done)
		return e
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.halts[ancestry.Root(e.Process).ID()]
	if h == nil {
		return e
	}
	select {
	case <-h.done:
		if !h.told {
			h.told = true
			e.Line, e.Count = h.report.String(), len(h.report.Done)
		}
	default: // it is another one, under way
	}
	return e
}

// action is what is noted about an alert whose finding rests on e, and whether
// there is anything to note.
func (p *protector) action(e wormbell.Event) (wormbell.Action, bool) {
	if e.Protect == "" || e.Count == 0 {
		return wormbell.Action{}, false
	}
	a := wormbell.Action{Time: time.Now().UTC(), By: "agent", What: string(freeze.Stop), Outcome: e.Line, Done: e.Count}
	if e.Protect == wormbell.Unstopped {
		a.Left = 1 // more of it may run
	}
	return a, true
}

// protectCannot is why an agent denies nothing that is not root's or that sees
// reads only when they have happened.
const protectCannot = "only an agent of root's can, on Linux with fanotify's permission events"

// why says why no read can be refused, "" if it can. backend is that of the
// credentials watcher.
func (p *protector) why(backend string) string {
	if backend == "fanotify" {
		return ""
	}
	return protectCannot
}

// problems are what is to be said of it in the status.
func (p *protector) problems(why string) (out []string) {
	if p.on.Load() && why != "" {
		out = append(out, "protect is on, but no read is denied: "+why)
	}
	if n := p.late.Load(); n > 0 {
		out = append(out, fmt.Sprintf("protect: reads that should have been denied went on, because they could not be judged in time: %d", n))
	}
	if n := p.unstopped.Load(); n > 0 {
		out = append(out, fmt.Sprintf("protect: reads that should have been denied went on, because what read could not be stopped in time: %d", n))
	}
	return out
}

package alert

import (
	"slices"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

// This file holds the one alert that has a day's findings of severity low that
// need no look of their own, see [wormbell.Finding].Gathered: three registry tools
// in a day are one line in the list and not three.
//
// Such findings are of trees that have nothing to do with each other. So nothing
// else ever joins that alert: what is graver about one of its trees begins an
// alert of its own, with what this one knows of that tree.

// gatheredKey is the key of that incident.
const gatheredKey = "\x00gathered"

// gatherFor is how long one takes findings in, from its first.
const gatherFor = 24 * time.Hour

// gathers reports whether inc is such an incident.
func (inc *incident) gathers() bool { return inc.key == gatheredKey }

// gathering returns the incident that takes c in; none if a new one is due. One
// that a person has closed or muted takes nothing more in: it was seen as it is.
// Called with write held.
func (s *Store) gathering(c claim) []*incident {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var newest *incident
	for _, inc := range s.live {
		h := inc.head
		if !inc.gathers() || h.State != wormbell.Open || h.User != c.user || h.Demo != c.demo || c.Time.Sub(h.First).Abs() > gatherFor {
			continue
		}
		if newest == nil || h.First.After(newest.head.First) {
			newest = inc
		}
	}
	if newest == nil {
		return nil
	}
	return []*incident{newest}
}

// parted returns the incidents that gather and the others, in their order.
func parted(all []*incident) (gather, others []*incident) {
	for _, inc := range all {
		if inc.gathers() {
			gather = append(gather, inc)
		} else {
			others = append(others, inc)
		}
	}
	return gather, others
}

// ofTree returns what inc, which gathers, holds of the trees that c is of: as
// claims for another incident. The typed commands among the evidence stay behind.
func (inc *incident) ofTree(c claim) (out []claim) {
	for _, f := range inc.findings {
		var events []wormbell.Event
		for _, it := range f.events {
			if p := it.event.Process; p != nil && c.procs[keyOf(ancestry.Root(p))]&isRoot != 0 {
				events = append(events, it.event)
			}
		}
		if len(events) == 0 {
			continue
		}
		last := events[len(events)-1]
		same := newClaim(wormbell.Finding{Detector: f.detector, Subject: f.subject, Summary: f.summary, Severity: f.severity,
			Process: last.Process, Evidence: slices.Clip(events), Time: last.Time}, Meta{Title: f.title, Advice: f.advice, Severity: f.severity}, last.Time)
		out = append(out, same)
	}
	return out
}

// known returns inc, which c begins, with what the incidents that gather hold of
// c's trees: whoever answers the new alert must know what else they took. Called
// with write held.
func (s *Store) known(inc *incident, c claim, gather []*incident) *incident {
	for _, g := range gather {
		full, err := s.full(g)
		if err != nil {
			s.cfg.Log.Warn("cannot read evidence", "alert", g.head.ID, "err", err)
		}
		for _, before := range full.ofTree(c) {
			inc = inc.with(before)
		}
	}
	return inc
}

package detect

import (
	"fmt"
	"slices"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/stores"
)

// sweepWindow is how far apart the reads of one sweep may be. Worms take
// seconds, some sleep in between; only reads that nobody vouches for count, so
// a long window costs no quiet.
const sweepWindow = 10 * time.Minute

// sweepKinds is how many kinds of credentials make a sweep.
const sweepKinds = 3

var credentialSweep = Detector{
	ID:       "credential-sweep",
	Title:    "A program collects credentials",
	Advice:   "Freeze it now. Every credential that it opened must be taken for stolen: look for persistence first, then revoke and rotate them.",
	Severity: wormbell.Critical,
	Kinds:    []wormbell.Kind{wormbell.FileRead},
	Who:      true,
	Follow:   true,
	Doc: `
Fires when one process tree opens three kinds of credentials (npm tokens, AWS keys, GitHub token …) within ten minutes, counting only
reads that no row of the trust table vouches for; and again for each further kind.

Quiet for backups and indexers, for what Wormbell's own program announced to read, for a cloud tool that reads its own credentials together with others that its project may read, and
for everything else that the table vouches for.`,
	Blind: "" +
		"Fewer than three kinds, which [`credential-read`](credential-read.md) tells of one by one; and a sweep whose parts are no longer one tree, as a\n" +
		"service or `cron` was asked to run them.",
	New: func() Check {
		reads := NewRecent[wormbell.ProcessID](sweepWindow, 4000)
		return func(e wormbell.Event, s *Scope) {
			store := stores.Of(e.Path)
			if store == nil || e.Decoy || e.Process == nil || unseen(e.Process) {
				return
			}
			if _, ok := s.Vouched(e); ok || s.Announced(e) {
				return
			}
			root := ancestry.Root(e.Process).ID()
			before := reads.Of(root, e.Time)
			kinds := []string{}
			for _, r := range before {
				kinds = append(kinds, stores.Of(r.Path).Kind)
			}
			if slices.Contains(kinds, store.Kind) {
				return
			}
			reads.Add(root, e)
			kinds = append(kinds, store.Kind)
			if len(kinds) < sweepKinds {
				return
			}
			summary := fmt.Sprintf("%s opened %d kinds of credentials within %s: your %s", s.who(e.Process), len(kinds), span(e.Time.Sub(before[0].Time)), list(kinds)) + letGo(e)
			if e.Denied() {
				summary += "; it was stopped before it read the last"
			}
			s.Report(wormbell.Finding{Subject: "credentials", Evidence: before, Summary: summary})
		}
	},
}

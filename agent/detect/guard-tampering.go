package detect

import (
	"fmt"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

var guardTampering = Detector{
	ID:       "guard-tampering",
	Title:    "A script tried to silence Wormbell",
	Advice:   "Nothing was changed: the call was refused. Freeze the process that made it and look at what its package did before.",
	Severity: wormbell.Critical,
	Kinds:    []wormbell.Kind{wormbell.AgentCall},
	Who:      true,
	Doc: `
Fires when a call to the agent that would loosen the guard (mute, close, trust, pause, protect off) is refused because it comes from below
an installer, from a lifecycle script or from a process that has raised an alert.

Quiet for calls that were accepted: a person at a terminal and the tray make those. They are recorded as events.`,
	New: func() Check {
		reported := NewRecent[callKey](time.Minute, 500)
		return func(e wormbell.Event, s *Scope) {
			call, ok := strings.CutPrefix(e.Line, "refused ")
			if !ok {
				return
			}
			what, why, _ := strings.Cut(call, ": ")
			key := callKey{ancestry.Root(e.Process).ID(), what}
			if reported.Has(key, e.Time) {
				return
			}
			reported.Add(key, e)
			summary := fmt.Sprintf("%s asked the agent to %s and was refused", s.who(e.Process), what)
			if why != "" {
				summary += ": " + why
			}
			s.Report(wormbell.Finding{Subject: what, Summary: summary})
		}
	},
}

// callKey is one kind of call from one tree.
type callKey struct {
	root wormbell.ProcessID
	what string
}

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
	Title:    "A program tried to silence Wormbell",
	Advice:   "If it was refused, nothing was changed; if not, undo it ('wormbell calls' lists what was accepted). Freeze the process that made the call and look at what it did before.",
	Severity: wormbell.Critical,
	Kinds:    []wormbell.Kind{wormbell.AgentCall},
	Who:      true,
	Doc: `
Fires when a call to the agent that would loosen the guard (mute, close, trust, pause, protect off, take back a decoy), or that
asks where decoys lie, is refused because it comes from below
an installer, from a lifecycle script or from a process that has raised an alert. A call that blinds what comes after it (mute, trust, pause,
protect off, take back a decoy) and was accepted because it came from a terminal is a finding of high severity if something that nobody vouches for may be behind
it: any program can make itself a terminal. A user's pause is refused then, as it would keep that very finding back; the severity is the same.

Quiet for other calls that were accepted: a person at a terminal and the tray make those. They are recorded as events. Closing an alert and
letting a frozen process go on is never more than that: that alert has rung, and what goes on raises a new one.`,
	Blind: `
What root does: it needs no call. A program that types at a person's own terminal is that person as far as anybody can tell.`,
	New: func() Check {
		reported := NewRecent[callKey](time.Minute, 500)
		return func(e wormbell.Event, s *Scope) {
			verb, call, _ := strings.Cut(e.Line, " ")
			what, why, _ := strings.Cut(call, ": ")
			outcome, severity := "was refused", wormbell.Critical
			switch {
			case verb == "refused" && what == "pause" && !strings.HasPrefix(why, "below "):
				severity = wormbell.High // what would be doubted if it were another call; it may be the person's own script
			case verb == "refused":
			case verb == "doubted" && !strings.HasPrefix(what, "close ") && !strings.HasPrefix(what, "resume "):
				outcome, severity = "got it", wormbell.High
			default:
				return
			}
			key := callKey{ancestry.Root(e.Process).ID(), what}
			if reported.Has(key, e.Time) {
				return
			}
			reported.Add(key, e)
			summary := fmt.Sprintf("%s asked the agent to %s and %s", s.who(e.Process), what, outcome)
			if why != "" {
				summary += ": " + why
			}
			s.Report(wormbell.Finding{Subject: what, Summary: summary, Severity: severity})
		}
	},
}

// callKey is one kind of call from one tree.
type callKey struct {
	root wormbell.ProcessID
	what string
}

package detect

import (
	"fmt"
	"time"

	"wormbell"
)

var historySecret = Detector{
	ID:       "history-secret",
	Title:    "A token stands in your shell history",
	Advice:   "Delete the line from the history file and replace the token: worms read histories for them.",
	Severity: wormbell.Medium,
	Kinds:    []wormbell.Kind{wormbell.ShellCommand},
	Doc: `
Fires when a command that was just added to a shell's history holds a token: its pattern fits, and where the token has a checksum, that
fits as well. The command is shown masked, the token itself is kept nowhere.

Quiet for placeholders from documentation (their checksum is wrong), for references such as ${NPM_TOKEN}, and for a line reported within the
last hour.`,
	Blind: `
A token whose kind it does not know, a password, a command that a shell keeps in no history, and a line that is older than the agent's first
look at the home.`,
	New: func() Check {
		reported := NewRecent[historyKey](time.Hour, 500)
		return func(e wormbell.Event, s *Scope) {
			if len(e.Secrets) == 0 {
				return
			}
			key := historyKey{e.User, e.Path, e.Line}
			if reported.Has(key, e.Time) {
				return
			}
			reported.Add(key, e)
			kinds := e.Secrets[:1:1]
			for _, k := range e.Secrets[1:] {
				if len(kinds) < 5 && k != kinds[len(kinds)-1] {
					kinds = append(kinds, k)
				}
			}
			where := e.Path
			if where == "" {
				where = "your shell history"
			}
			s.Report(wormbell.Finding{Subject: where,
				Summary: fmt.Sprintf("a command in %s holds a secret (%s): %s", where, list(kinds), printable(e.Line, 120))})
		}
	},
}

// historyKey is one line of one history.
type historyKey struct{ user, path, line string }

package tray

import (
	"time"

	"wormbell"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// AgentState is how the tray stands with the agent.
type AgentState int

// The states. The zero AgentState is the one before the first answer.
const (
	Connecting AgentState = iota // no answer yet
	Here                         // it answers
	Absent                       // nobody answers
	Forbidden                    // its socket may not be opened: it is another user's
	Impostor                     // somebody else serves its socket
	Silent                       // somebody is there, but answers late or nonsense
)

// Model is all that the icon and the menu are made of. What the agent has not
// said is zero.
type Model struct {
	Agent    AgentState
	Why      string           // for a state other than Here: what the attempt said, "" if nothing beyond the state
	Status   wormbell.Status  // of the agent
	Alerts   []wormbell.Alert // the open ones, newest first
	Words    *words.Words     // the person's language
	Now      time.Time        // with the zone in which times are shown
	Browser  bool             // the dashboard can be opened
	Terminal bool             // a command can be run in a terminal window
	Held     notify.Held      // what the surroundings keep back
	Untold   bool             // no notice can be shown, or the last could not
}

// State is what the icon looks like.
type State string

// The looks of the icon, by the names of their drawings.
const (
	Quiet   State = "quiet"        // watching, and nothing is open
	Resting State = "paused"       // the same, and notifications are paused
	Less    State = "less"         // watching less than it should, or nothing is known
	Missing State = "absent"       // there is no agent: nothing is watched
	Ringing State = "alert"        // alerts are open
	Hushed  State = "alert-paused" // the same, and notifications are paused
)

// Icon is the icon: a look, and how many alerts are open when it is Ringing or
// Hushed, which shows no number.
type Icon struct {
	State State
	Count int
}

// IconOf returns the icon of m. An open alert goes before everything: what an
// agent that sees less has found is found all the same.
func IconOf(m Model) Icon {
	switch {
	case m.Agent == Absent:
		return Icon{State: Missing}
	case m.Agent != Here:
		return Icon{State: Less}
	case len(m.Alerts) > 0 && paused(m):
		return Icon{Hushed, len(m.Alerts)}
	case len(m.Alerts) > 0:
		return Icon{Ringing, len(m.Alerts)}
	case len(lacks(m)) > 0 || lossy(m.Status):
		return Icon{State: Less}
	case paused(m):
		return Icon{State: Resting}
	}
	return Icon{State: Quiet}
}

func paused(m Model) bool {
	return m.Agent == Here && m.Status.PausedUntil != nil && m.Status.PausedUntil.After(m.Now)
}

// lossy reports whether so many events were lost that the agent sees notably
// less. A few are told in the menu; they were made up for by a second look, and
// an icon that warns of them for weeks teaches people to ignore it.
func lossy(s wormbell.Status) bool { return s.Lost > 0 && s.Lost > s.Events/1000 }

// lacks says what the agent does not see, in sentences, the worst first.
func lacks(m Model) []string {
	var out []string
	for _, s := range m.Status.Sensors {
		if s.Backend == "" {
			out = append(out, m.Words.Say(words.TraySensorDown, s.Name))
		}
	}
	out = append(out, m.Status.Problems...)
	for _, s := range m.Status.Sensors {
		if s.Backend != "" && !s.Who && s.Why != "" {
			out = append(out, s.Why)
		}
	}
	for _, d := range m.Status.Detectors {
		if d.Sees == "blind" {
			out = append(out, m.Words.Say(words.TrayBlind, d.Title))
		}
	}
	return out
}

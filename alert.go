package wormbell

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity orders findings and alerts. Low is recorded and listed, never
// notified. The zero Severity means "the detector's own".
type Severity int

// The severities, least first.
const (
	Low Severity = iota + 1
	Medium
	High
	Critical
)

var severityNames = []string{"none", "low", "medium", "high", "critical"}

// String returns the severity's name in lower case.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return "none"
	}
	return severityNames[s]
}

// ParseSeverity is the inverse of String; it does not accept "none".
func ParseSeverity(s string) (Severity, error) {
	if i := slices.Index(severityNames, s); i > 0 {
		return Severity(i), nil
	}
	return 0, fmt.Errorf("no severity %q; there are low, medium, high and critical", s)
}

// MarshalText implements [encoding.TextMarshaler].
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Severity) UnmarshalText(b []byte) (err error) {
	if string(b) == "none" {
		*s = 0
		return nil
	}
	*s, err = ParseSeverity(string(b))
	return err
}

// Finding is one detector's claim and the events it rests on.
type Finding struct {
	Detector string    `json:"detector"`           // ID of the detector
	Subject  string    `json:"subject"`            // what is at stake: a path, a package, a registry
	Summary  string    `json:"summary"`            // one sentence for a person
	Severity Severity  `json:"severity,omitempty"` // of this claim
	Process  *Process  `json:"-"`                  // the process the claim is about; its tree is the incident. May be nil
	Evidence []Event   `json:"evidence"`           // oldest first; the alert keeps the first 5 and the last 15
	Time     time.Time `json:"-"`                  // when it was made: the time of the event that led to it
	Gathered bool      `json:"-"`                  // of severity low, and usual: one alert has a day's findings of this sort
	Again    bool      `json:"-"`                  // it was made before and is not made anew: Evidence is what is to be added to it
}

// Denied reports whether all reads that f rests on were denied, and all of those
// are known: of many an alert keeps the first and the last only.
func (f Finding) Denied() bool {
	denied := false
	for _, e := range f.Evidence {
		if e.Kind == FileRead {
			if denied = e.Denied(); !denied {
				return false
			}
		}
	}
	return denied && len(f.Evidence) < keptOfFinding
}

// keptOfFinding is how many events of one finding an alert keeps.
const keptOfFinding = 20

// Changed is how the Summary of a finding ends, after a semicolon, if the
// program was allowed to do this and is another one since: see
// [TrustRow].Digest.
const Changed = "the program changed since you allowed it"

// Unchecked is how it ends instead if nobody could tell, as when the program's
// file could not be read in time.
const Unchecked = "whether the program changed since you allowed it could not be checked in time"

// State is where an alert is in its life.
type State string

// The states of an alert.
const (
	Open   State = "open"   // somebody should look
	Muted  State = "muted"  // by a person: recorded on, not shown
	Closed State = "closed" // by a person or a response; a new finding begins a new alert
)

// Alert is one incident, what a person sees: the findings of one process tree
// or package, gathered while it lives and ten minutes on.
type Alert struct {
	ID       string    `json:"id"`               // 8 typable characters, stable
	Title    string    `json:"title"`            // the title of its gravest detector
	Advice   string    `json:"advice,omitempty"` // what that detector says to do next
	Severity Severity  `json:"severity"`         // highest of its findings; some pairs raise it
	State    State     `json:"state"`
	User     string    `json:"user"`           // uid or SID of whom it concerns
	First    time.Time `json:"first"`          // first finding
	Last     time.Time `json:"last"`           // last finding
	Count    int       `json:"count"`          // findings recorded, always growing
	Demo     bool      `json:"demo,omitempty"` // raised by a demonstration
	Over     bool      `json:"over,omitempty"` // when it was asked for, none of its processes ran any more: there is nothing to freeze
	Findings []Finding `json:"findings"`       // one per detector and subject, in order of arrival
	Actions  []Action  `json:"actions"`        // what was done about it, in order
}

// MarshalJSON writes a with arrays that are never null.
func (a Alert) MarshalJSON() ([]byte, error) {
	type plain Alert // without this method
	p := plain(a)
	p.Findings = slices.Clone(p.Findings)
	for i := range p.Findings {
		if p.Findings[i].Evidence == nil {
			p.Findings[i].Evidence = []Event{}
		}
	}
	if p.Findings == nil {
		p.Findings = []Finding{}
	}
	if p.Actions == nil {
		p.Actions = []Action{}
	}
	return json.Marshal(p)
}

// Action is one thing that was done about an alert, and how it went.
type Action struct {
	Time    time.Time `json:"time"`
	By      string    `json:"by"`      // uid or SID of who asked
	What    string    `json:"what"`    // "freeze", "close", "npm-token-revoke"
	Outcome string    `json:"outcome"` // one sentence; never a secret
	// Of a freeze, resume or kill: how many processes it was done to, and how
	// many it could not be done to. What had ended is neither, nor what is none of
	// the alert's: a shell above it, the program that asked.
	Done int `json:"done,omitempty"`
	Left int `json:"left,omitempty"`
}

// Frozen reports whether what was done about a last left processes of it
// stopped: a freeze that stopped any, and since then no resume or kill that
// reached all of them. They may have ended otherwise since then, or somebody
// else may have let them go on.
func (a Alert) Frozen() (frozen bool) {
	spared := 0 // those that the freeze left alone, such as a shell: whatever comes after it leaves them alone, too
	for _, x := range a.Actions {
		switch x.What {
		case "freeze":
			if x.Done == 0 && (x.Left > 0 || strings.HasPrefix(x.Outcome, "no process was ")) {
				break // of before there was "freeze-none"
			}
			if spared = min(spared, x.Left); !frozen {
				frozen, spared = true, x.Left
			}
		case "freeze-none", "resume", "kill": // a freeze would have stopped again those that were stopped before
			frozen = frozen && x.Left > spared
		}
	}
	return frozen
}

// Escaped reports whether something of a may run although it is frozen: the
// last freeze did not reach all of it, or there is a finding of later.
func (a Alert) Escaped() bool {
	for _, x := range slices.Backward(a.Actions) {
		if x.What == "freeze" || x.What == "freeze-none" {
			return a.Frozen() && (x.Left > 0 || a.Last.After(x.Time))
		}
	}
	return false
}

// Plan is a response, spelled out before anything is touched.
type Plan struct {
	Steps []string                        // shown to the person who must say yes
	Do    func(ctx context.Context) error // carries them out
}

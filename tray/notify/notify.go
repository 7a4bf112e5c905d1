// Package notify shows notices about alerts to the person at this machine:
// as notifications of the desktop with buttons, else as lines on the person's
// own terminals. [Policy] decides which notices there are, [Open] shows them.
//
// It does not speak to the agent, and it carries out no answer: it hands
// answers on.
package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"wormbell"
	"wormbell/internal/words"
)

// Action is what a person chose on a notice.
type Action string

// The actions. A click on the notice itself is Details.
const (
	Respond   Action = "respond"   // go through the response to the alert
	Freeze    Action = "freeze"    // stop its processes
	Resume    Action = "resume"    // let them go on
	ItWasMe   Action = "it-was-me" // make a trust row of it
	Details   Action = "details"   // show it; for the reserved notices: the dashboard
	EndPause  Action = "end-pause" // show alerts again
	Dismissed Action = "dismissed" // closed, and nothing chosen: tell the Policy, do nothing else
)

// The IDs of notices that are not about one alert. Those of alerts are never
// so short.
const (
	DigestID = "digest" // several alerts at once
	PauseID  = "pause"  // that alerts are kept back, or no longer
	AgentID  = "agent"  // that the agent does not answer, or something about Wormbell itself
	NameID   = "name"   // that another program poses as the tray
	// OutcomeID is what came of a choice; of a later one it takes the place.
	OutcomeID = "outcome"
)

// Button is a choice that a notice offers.
type Button struct {
	Action Action
	Label  string
}

// Notice is what a person is shown. Its texts are plain, whatever stood in
// the alert: [wormbell/internal/plain] has been over them.
type Notice struct {
	ID       string            // of the alert, or one of the reserved IDs
	Severity wormbell.Severity // Medium makes no sound and does not stay; Critical goes through do-not-disturb
	Title    string            // a few words
	Body     string            // one paragraph
	Buttons  []Button          // the most important first: some desktops show three
	Sticky   bool              // it stays until it is answered
	Through  bool              // it goes through do-not-disturb, though it is not Critical
}

// Answer is a choice and the notice it was made on.
type Answer struct {
	Notice string // its ID
	Action Action
}

// Notifier shows notices. Its methods may be called at once by several.
type Notifier interface {
	Name() string                                  // what shows them now, for `wormbell doctor`
	Buttons() bool                                 // whether what shows them now can offer choices
	Show(ctx context.Context, n Notice) error      // shows n, in place of the one with its ID
	Withdraw(ctx context.Context, id string) error // takes it away; no error if it is gone already
	Answers() <-chan Answer                        // closed by Close
	Close() error                                  // ends what it started; notices stay
}

// Config says how to show notices.
type Config struct {
	Words *words.Words // for what a notice says where it has no buttons
	Log   *slog.Logger
	Bus   string // D-Bus address of the desktop session; "" for the environment's

	only  func(tty string) bool // tests: the terminals that may be written to; nil for all
	limit time.Duration         // tests: of one call to the desktop; 0 for showLimit
}

// patience is how long one call to the desktop may take.
func (c Config) patience() time.Duration { return cmp.Or(c.limit, showLimit) }

// ErrNone is that there is nobody to show a notice to: neither a
// notification daemon nor a terminal.
var ErrNone = errors.New("no notification daemon and no terminal to show it on")

// showLimit bounds one call to the desktop. A daemon answers in milliseconds;
// one that D-Bus has to start first, on a machine that is just logging in,
// takes a second or two.
const showLimit = 5 * time.Second

// answerRoom is how many answers may wait to be read. A person gives one at a
// time; the reader is busy for as long as a call to the agent takes.
const answerRoom = 16

// Open returns the best notifier of this session. On Linux it goes over to
// the terminals while no notification daemon is there, and back.
func Open(ctx context.Context, c Config) (Notifier, error) {
	if c.Words == nil || c.Log == nil {
		return nil, errors.New("notify: no words or no log given: a bug")
	}
	return open(ctx, c)
}

// without is the body of n where there are no buttons: it ends with the
// command that does what they would do.
func (c Config) without(n Notice) string {
	command := c.command(n)
	if command == "" {
		return n.Body
	}
	return join(n.Body, command)
}

// command tells which command shows more of n; "" if none does.
func (c Config) command(n Notice) string {
	switch n.ID {
	case AgentID, NameID:
		return c.Words.Say(words.NoticeSeeDoctor)
	case OutcomeID:
		return ""
	case PauseID, DigestID:
		return c.Words.Say(words.NoticeSeeAlerts)
	}
	return c.Words.Say(words.NoticeSeeAlert, n.ID)
}

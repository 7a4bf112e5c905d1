// Package doctor looks whether this machine gives Wormbell what it needs, and
// says what to do where it does not.
//
// It only looks: it changes nothing, reads no credential and needs neither
// root nor a running agent. What it cannot tell it says it cannot.
package doctor

import (
	"context"
	"slices"
	"time"

	"wormbell"
	"wormbell/tray/notify"
)

// State is how a check came out.
type State string

// The states of a check.
const (
	OK      State = "ok"
	Warn    State = "warn"    // it works, and sees less than it could
	Fail    State = "fail"    // it does not work
	Unknown State = "unknown" // could not tell, and Says why
)

// Result is the outcome of one check.
type Result struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Says  string `json:"says"`         // what was found, in a sentence
	Do    string `json:"do,omitempty"` // what to do about it; "" if there is nothing to do
}

// Machine is what the checks look at.
type Machine struct {
	Status *wormbell.Status // of the agent; nil if none answers
	Err    error            // why none does
	Now    time.Time
	Home   string // the user's home folder
	Shell  string // the user's login shell, $SHELL
	Root   bool   // we run as root ourselves
	Proc   string // where /proc is; tests put a folder of theirs here

	Desktop *notify.Desktop // what this session has; nil: Examine looks
}

// uses reports whether the agent answers and a sensor of it sees by this.
func (m Machine) uses(backend string) bool {
	return m.Status != nil && slices.ContainsFunc(m.Status.Sensors, func(s wormbell.Sensor) bool { return s.Backend == backend })
}

// Check is one thing to look at.
type Check struct {
	Name string
	Run  func(context.Context, Machine) Result // its Check field may be left empty
}

// All lists the checks, in the order in which a person should read them.
var All = []Check{
	{"agent", agent},
	{"rights", rights},
	{"sensors", sensors},
	{"losses", losses},
	{"problems", problems},
	{"settings", settings},
	{"clock", clock},
	{"kernel", kernel},
	{"fanotify", fanotify},
	{"proc connector", procConnector},
	{"inotify", inotify},
	{"npm", npm},
	{"history", history},
	{"tray", trayHost},
	{"notifications", notifications},
	{"do not disturb", doNotDisturb},
	{"screen sharing", screenSharing},
	{"terminals", terminals},
	{"keychain", keychain},
}

// Examine runs every check.
func Examine(ctx context.Context, m Machine) []Result {
	if m.Desktop == nil {
		d := notify.Inspect(ctx, "")
		m.Desktop = &d
	}
	results := make([]Result, 0, len(All))
	for _, c := range All {
		r := c.Run(ctx, m)
		r.Check = c.Name
		results = append(results, r)
	}
	return results
}

func ok(says string) Result       { return Result{State: OK, Says: says} }
func warn(says, do string) Result { return Result{State: Warn, Says: says, Do: do} }
func fail(says, do string) Result { return Result{State: Fail, Says: says, Do: do} }
func unknown(says string) Result  { return Result{State: Unknown, Says: says} }

package notify

import (
	"context"
	"time"
)

// lookLimit bounds [Look]. The services it asks answer in a millisecond, on a
// machine that is busy installing in a tenth of a second; an alert is not to
// wait long for one that hangs.
const lookLimit = time.Second

// Look returns what the desktop says of itself: whether notifications are
// switched off, whether the screen is shared, whether a tray is there. What it
// says nothing of is false and is named in unknown. It takes a second at most.
// bus is the D-Bus address of the session, "" for the environment's.
func Look(ctx context.Context, bus string) (s Surroundings, unknown []string) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	return look(ctx, bus)
}

// What Look may not know.
const (
	notKnownQuiet  = "do-not-disturb"
	notKnownShared = "screen sharing"
	notKnownTray   = "the tray"
)

// Desktop is what a session has to show a person things with. A zero string
// is that there is none.
type Desktop struct {
	Bus       error  // why there is no session bus; nil if there is one
	TrayHost  bool   // somebody shows icons
	Watcher   bool   // somebody keeps the list of icons
	Daemon    string // name and version of the notification daemon
	Buttons   bool   // and it has them
	Keeps     bool   // and it keeps what was not looked at
	Starts    bool   // no notification daemon runs, but D-Bus starts one
	Keychain  bool   // somebody keeps secrets, or D-Bus starts one
	GNOME     bool   // it is GNOME, which shows icons by an extension only
	Terminals int    // terminals of the user that take messages

	Quiet  Answered // notifications are switched off
	Shared Answered // the screen is shared
}

// Answered is what a desktop says to a question: yes, no, or nothing.
type Answered string

// The answers. The zero Answered is that nobody asked.
const (
	Yes      Answered = "yes"
	No       Answered = "no"
	NotKnown Answered = "not known"
)

func answered(yes, known bool) Answered {
	switch {
	case !known:
		return NotKnown
	case yes:
		return Yes
	}
	return No
}

// inspectLimit bounds [Inspect].
const inspectLimit = time.Second

// Inspect looks what this session has. It starts nothing and takes a second at
// most. bus is the D-Bus address of the session, "" for the environment's.
func Inspect(ctx context.Context, bus string) Desktop {
	ctx, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	return inspect(ctx, bus)
}

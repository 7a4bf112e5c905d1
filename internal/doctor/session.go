package doctor

import (
	"context"
	"fmt"
	"runtime"

	"wormbell/tray/notify"
)

// noSession is what is said of the desktop where none can be seen. That there
// is none is not known: over ssh, that of the screen is out of sight.
func noSession(d *notify.Desktop) (Result, bool) {
	switch {
	case d == nil:
		return unknown("the session was not looked at"), true
	case runtime.GOOS != "linux":
		return Result{}, false
	case d.Bus != nil:
		return Result{State: Unknown, Says: "no desktop session is to be seen from here: " + d.Bus.Error(),
			Do: "where there is a desktop, run this in a terminal of it"}, true
	}
	return Result{}, false
}

// trayHost: somebody has to show the tray's icon.
func trayHost(_ context.Context, m Machine) Result {
	d := m.Desktop
	if r, done := noSession(d); done {
		return r
	}
	const meanwhile = "; until then, notifications and the command line do without it"
	switch {
	case runtime.GOOS != "linux":
		return ok("this system shows tray icons")
	case d.TrayHost:
		return ok("this desktop shows tray icons")
	case d.GNOME:
		return warn("GNOME shows tray icons with an extension only, and none does now",
			"install and switch on the AppIndicator extension (package gnome-shell-extension-appindicator), then log in again"+meanwhile)
	case d.Watcher:
		return warn("a list of tray icons is kept, but nothing shows them", "add a notification area to the panel"+meanwhile)
	}
	return warn("nothing in this session shows tray icons (org.kde.StatusNotifierWatcher)", "use a panel with a notification area"+meanwhile)
}

// notifications: somebody has to show notices of alerts.
func notifications(_ context.Context, m Machine) Result {
	d := m.Desktop
	switch runtime.GOOS {
	case "linux":
	case "windows":
		return ok("toasts of Windows, with buttons while the tray runs")
	case "darwin":
		return warn("notifications of macOS have no buttons, as Wormbell is no signed application", "use the command that each names")
	default:
		return warn("no notifications on "+runtime.GOOS, "look at 'wormbell alerts'")
	}
	if r, done := noSession(d); done {
		return r
	}
	switch {
	case d.Daemon != "" && d.Buttons && d.Keeps:
		return ok(d.Daemon + " shows notifications, with buttons, and keeps those that you missed")
	case d.Daemon != "" && d.Buttons:
		return ok(d.Daemon + " shows notifications, with buttons; that it keeps those that you missed it does not say: 'wormbell alerts' has them")
	case d.Daemon != "":
		return warn(d.Daemon+" shows notifications, without buttons", "use the command that each names")
	case d.Starts:
		return Result{State: Unknown, Says: "no notification daemon runs, and one is started for the first notification; whether that works shows only then",
			Do: "run 'wormbell demo' and see whether a notification shows"}
	}
	return warn("no notification daemon runs in this session", "start one, for example dunst or xfce4-notifyd; until then alerts are written to your terminals")
}

// byItself is what systems do that tell nobody whether a person may be disturbed.
func byItself() (Result, bool) {
	switch runtime.GOOS {
	case "darwin", "windows":
		return unknown("this system tells no program, and holds notifications back by itself"), true
	case "linux":
		return Result{}, false
	}
	return unknown("not known on " + runtime.GOOS), true
}

// doNotDisturb: the person may have switched notifications off, and forgotten it.
func doNotDisturb(_ context.Context, m Machine) Result {
	if r, done := byItself(); done {
		return r
	}
	if r, done := noSession(m.Desktop); done {
		return r
	}
	switch m.Desktop.Quiet {
	case notify.Yes:
		return warn("notifications are switched off: critical alerts are shown all the same, others after an hour at most", "switch them on again, or look at 'wormbell alerts' now and then")
	case notify.No:
		return ok("notifications are not switched off")
	}
	return unknown("this desktop does not say whether notifications are switched off; if they are, it holds back all but critical alerts by itself, and Wormbell cannot tell")
}

// screenSharing: what others can see should not be told to them.
func screenSharing(_ context.Context, m Machine) Result {
	if r, done := byItself(); done {
		return r
	}
	if r, done := noSession(m.Desktop); done {
		return r
	}
	switch m.Desktop.Shared {
	case notify.Yes:
		return ok("the screen is shared: critical alerts are shown all the same, others after an hour at most, and without what they are about")
	case notify.No:
		return ok("the screen is not shared; while it is, only critical alerts are shown at once")
	}
	return Result{State: Unknown, Says: "this desktop does not say whether the screen is shared: notifications show on a shared screen, too",
		Do: "switch notifications off while you share it"}
}

// terminals: where notices go without a notification daemon.
func terminals(_ context.Context, m Machine) Result {
	d := m.Desktop
	switch {
	case runtime.GOOS != "linux":
		return ok("not needed on " + runtime.GOOS)
	case d == nil:
		return unknown("the session was not looked at")
	case d.Terminals == 1:
		return ok("one terminal of yours takes messages")
	case d.Terminals > 0:
		return ok(fmt.Sprintf("%d terminals of yours take messages", d.Terminals))
	case d.Daemon == "" && d.Starts:
		return Result{State: Unknown, Says: "none of your terminals takes messages; whether notifications work shows with the first", Do: "run 'mesg y' in a terminal"}
	case d.Daemon != "":
		return ok("none of your terminals takes messages, and none needs to: there are notifications")
	}
	return warn("none of your terminals takes messages, and there are no notifications: an alert would reach nobody by itself", "run 'mesg y' in a terminal")
}

// keychain: where new tokens are kept.
func keychain(_ context.Context, m Machine) Result {
	d := m.Desktop
	if r, done := noSession(d); done {
		return r
	}
	if runtime.GOOS != "linux" || d.Keychain {
		return ok("this session has a keychain")
	}
	return warn("this session has no keychain (org.freedesktop.secrets)",
		"install one, for example gnome-keyring or KeePassXC; until then 'wormbell vault' cannot take tokens off the disk, and new ones are kept in a file under a passphrase while they are put in place")
}

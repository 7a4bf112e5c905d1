package ancestry

import (
	"strings"

	"wormbell"
)

// Unvouched returns the nearest process at or above p behind which somebody
// other than a person may be: one that nobody vouches for, or that ran
// something nobody vouches for before it executed what it runs now. It looks up
// to the shell that a person types at or the IDE that p's work hangs below, and
// through all that [UnvouchedScript] looks through; nil if everything is
// vouched for. ours says which processes need no signer, because they run our
// own programs; it may be nil.
//
// It is for what is granted to a person and to nobody else: a program in a
// home, a script that others than root can write, an interpreter's -c, what
// came through a pipe into a shell, and a copy of a shell do not act for a
// person only because a person started them. [UnvouchedScript], by which
// detectors judge what is suspect, minds none of those.
//
// Three things are allowed that a program can make use of: see [homeTerminal]
// and [shim], and the services, which start what they are asked to.
func Unvouched(p *wormbell.Process, ours func(*wormbell.Process) bool) *wormbell.Process {
	types := func(p *wormbell.Process) bool { return typesForOthers(p) && !homeTerminal(p) }
	return nearest(p, types, func(a *wormbell.Process) bool {
		return a.Replaced != "" && !shim(a.Replaced) || a.Signer == "" && (ours == nil || !ours(a))
	})
}

// shim reports whether a script is one of those by which wormbell puts itself
// in front of npm and pnpm: a line of shell in the home that becomes wormbell.
// Whatever can change it can change what a person's shell does at its start, and
// so what they type; what is above it is looked at all the same.
func shim(script string) bool { return strings.Contains(script, "/wormbell/shims/") }

// desktops start what a person clicks on.
var desktops = []string{
	"systemd", "init", "launchd", "explorer.exe", "dbus-daemon", "dbus-broker",
	"gnome-shell", "gnome-session-binary", "gnome-session-service", "cinnamon", "mate-session", "mate-panel", "budgie-panel",
	"plasmashell", "kwin_wayland", "kwin_x11", "krunner", "kded5", "kded6", "ksmserver", "lxqt-session", "lxqt-panel", "lxsession", "lxpanel",
	"xfce4-session", "xfce4-panel", "xfdesktop", "xfwm4", "xfce4-appfinder",
	"sway", "Hyprland", "niri", "river", "labwc", "wayfire", "weston", "cosmic-comp", "cosmic-panel", "cosmic-session",
	"i3", "openbox", "awesome", "bspwm", "sxhkd", "dwm", "herbstluftwm", "fluxbox", "icewm",
}

// homeTerminal reports whether p may be a terminal emulator or an IDE that a
// person keeps in a home (kitty's own installer, JetBrains' Toolbox, an
// AppImage) and that nobody vouches for: a native program without a terminal of
// its own that the desktop started, itself or by way of others like it. One
// that was started from a shell or by a script is none: nothing would tell it
// from whatever makes a terminal for itself.
//
// A program that has a person's systemd start it looks the same. It could have
// systemd start what it wants done, too, so this gives nothing away; and to
// refuse it would take the shells of an IDE away from many a person.
func homeTerminal(p *wormbell.Process) bool {
	for a := range p.Chain {
		if a.PID <= 1 || host(a, desktops) {
			return a != p && a.Replaced == ""
		}
		if a.Signer != "" || a.Exe == "" || a.Unjudged || a.Script != "" || a.TTY != "" || a.Package != nil ||
			Shell(a) || JavaScript(a) || Interpreter(a) {
			return false
		}
	}
	return false
}

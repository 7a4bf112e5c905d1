package tray

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"wormbell"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// Verb is what a click asks for.
type Verb string

// The verbs. Those of an alert name it in [Act.Alert].
const (
	Show      Verb = "show"
	Respond   Verb = "respond"
	Freeze    Verb = "freeze"
	Resume    Verb = "resume"
	ItWasMe   Verb = "it-was-me"
	Close     Verb = "close"
	All       Verb = "all" // the dashboard's list of alerts
	Health    Verb = "status"
	Pause     Verb = "pause" // for an hour
	EndPause  Verb = "end-pause"
	Protect   Verb = "protect"
	Unprotect Verb = "unprotect"
	Quit      Verb = "quit"
)

// Act is what a click on an item does. The zero Act is nothing.
type Act struct {
	Verb  Verb
	Alert string // ID, for the verbs that are about one
}

// Item is a line of the menu.
type Item struct {
	Place     string // where it stands, of [places]: the same line keeps its place
	Label     string // plain text of at most [labelMost] characters
	Separator bool
	Checkbox  bool
	Checked   bool
	Disabled  bool
	Do        Act
	Items     []Item // its submenu
}

// labelMost bounds a line: a menu is as wide as its longest, and what names an
// attacker chose must not push the rest off the screen.
const labelMost = 72

// shownAlerts is how many alerts the menu shows itself.
const shownAlerts = 5

// PauseFor is how long the menu's pause lasts.
const PauseFor = time.Hour

// alertPlaces are the lines of an alert's submenu. Close stands at the end and
// what is harmless at the beginning, where a click by mistake lands.
var alertPlaces = []string{"what", "show", "respond", "freeze", "it-was-me", "close"}

// places returns all the lines that a menu can have, in order, with their
// submenus: neither library can insert a line later, and of one neither can
// remove a line. Each stretch between separators always shows a line.
func places() []Item {
	out := []Item{{Place: "status"}, {Place: "why"}, {Place: "lost"}, {Place: "held"}, {Place: "untold"}, {Separator: true}, {Place: "none"}}
	for i := range shownAlerts {
		alert := Item{Place: fmt.Sprintf("alert-%d", i+1)}
		for _, p := range alertPlaces {
			alert.Items = append(alert.Items, Item{Place: p})
		}
		out = append(out, alert)
	}
	return append(out, Item{Place: "more"}, Item{Separator: true}, Item{Place: "pause"}, Item{Place: "protect", Checkbox: true},
		Item{Separator: true}, Item{Place: "dashboard"}, Item{Place: "health"}, Item{Place: "quit"})
}

// Menu returns the menu of m.
func Menu(m Model) []Item {
	out := append(head(m), Item{Separator: true})
	out = append(out, alerts(m)...)
	out = append(out, Item{Separator: true}, pause(m), protect(m), Item{Separator: true})
	dashboard := Item{Place: "dashboard", Label: m.say(words.TrayDashboard), Do: Act{Verb: All}}
	if !m.Browser {
		dashboard = Item{Place: "dashboard", Label: m.say(words.TrayNoBrowser), Disabled: true}
	}
	health := Item{Place: "health", Label: m.say(words.TrayHealth), Do: Act{Verb: Health}, Disabled: m.mute()}
	return append(out, dashboard, health, Item{Place: "quit", Label: m.say(words.TrayQuit), Do: Act{Verb: Quit}})
}

// mute reports whether nothing can be shown: no page, no command in a terminal
// window, and not even a notice that names the command.
func (m Model) mute() bool { return !m.Browser && !m.Terminal && m.Untold }

// say says a sentence that is a line.
func (m Model) say(key words.Key, data ...any) string {
	return plain.Cut(m.Words.Say(key, data...), labelMost)
}

// clock is a time of day, with the day if it is not today's.
func (m Model) clock(t time.Time) string { return m.Words.Until(t, m.Now) }

// status is the first line's sentence.
func (m Model) status() string {
	if !paused(m) {
		return m.state()
	}
	until := m.clock(*m.Status.PausedUntil)
	rest := len([]rune(m.Words.Say(words.TrayPausedUntil, "", until)))
	return m.say(words.TrayPausedUntil, plain.Cut(m.state(), labelMost-rest), until)
}

// state says how it is.
func (m Model) state() string {
	switch m.Agent {
	case Connecting:
		return m.say(words.TrayConnecting)
	case Forbidden:
		return m.say(words.TrayForbidden)
	case Impostor:
		return m.say(words.TrayImpostor)
	case Absent:
		return m.say(words.TrayAbsent)
	case Silent:
		return m.say(words.TraySilent)
	}
	if n := len(m.Alerts); n > 0 {
		return m.say(words.TrayOpen, n)
	}
	if len(lacks(m)) > 0 || lossy(m.Status) {
		return m.say(words.TrayLess)
	}
	return m.say(words.TrayWatching)
}

// head are the lines that say how it is.
func head(m Model) (out []Item) {
	out = []Item{{Place: "status", Label: m.status(), Do: Act{Verb: All}, Disabled: m.mute()}}
	note := func(place, label string) { out = append(out, Item{Place: place, Label: label, Disabled: true}) }
	switch m.Agent {
	case Absent:
		note("why", m.say(words.TrayStart))
	case Forbidden:
		note("why", m.say(words.TrayNotYours))
	case Impostor:
		note("why", m.say(words.TrayDistrust))
	}
	if m.Untold {
		defer func() { note("untold", m.say(words.TrayUntold)) }()
	}
	if m.Agent != Here {
		return out
	}
	switch list := lacks(m); {
	case len(list) == 1:
		note("why", plain.Cut(list[0], labelMost))
	case len(list) > 1:
		tail := m.say(words.TrayAndMore, "", len(list)-1)
		note("why", m.say(words.TrayAndMore, plain.Cut(list[0], labelMost-len([]rune(tail))), len(list)-1))
	}
	if m.Status.Lost > 0 {
		note("lost", m.say(words.TrayLost, m.Status.Lost))
	}
	switch n := m.Held.Alerts; {
	case n > 0 && m.Held.ScreenShared:
		note("held", m.say(words.TrayHeldShared, n))
	case n > 0:
		note("held", m.say(words.TrayHeldQuiet, n))
	}
	return out
}

// alerts are the lines of the open alerts.
func alerts(m Model) []Item {
	switch {
	case m.Agent != Here:
		return []Item{{Place: "none", Label: m.say(words.TrayUnknown), Disabled: true}}
	case len(m.Alerts) == 0:
		return []Item{{Place: "none", Label: m.say(words.TrayNoAlerts), Disabled: true}}
	}
	var out []Item
	for i, a := range gravest(m.Alerts) {
		out = append(out, alert(m, a, fmt.Sprintf("alert-%d", i+1)))
	}
	if more := len(m.Alerts) - shownAlerts; more > 0 {
		item := Item{Place: "more", Label: m.say(words.TrayMore, more), Do: Act{Verb: All}}
		if !m.Browser {
			item = Item{Place: "more", Label: m.say(words.TrayMoreShell, more), Disabled: true}
		}
		out = append(out, item)
	}
	return out
}

// gravest are the alerts that the menu shows itself, of those given newest first:
// the gravest, and of these the newest. Nothing happened in a demonstration, so
// it comes last: neither it nor many small alerts keep a grave one out.
func gravest(all []wormbell.Alert) []wormbell.Alert {
	list := slices.Clone(all)
	slices.SortStableFunc(list, func(a, b wormbell.Alert) int {
		switch {
		case a.Demo == b.Demo:
			return cmp.Compare(b.Severity, a.Severity)
		case b.Demo:
			return -1
		}
		return 1
	})
	return list[:min(len(list), shownAlerts)]
}

// alert is one alert with its submenu.
func alert(m Model, a wormbell.Alert, place string) Item {
	told := m.Words.Alert(a)
	if told.Title == "" {
		told.Title = m.Words.Say(words.TrayUntitled, a.ID)
	}
	if a.Demo {
		told.Title = m.Words.Say(words.NoticeDemo, told.Title)
	}
	at := m.clock(a.Last)
	frozen := a.Frozen() && !a.Escaped() // else freezing comes first
	label := func(title string) string {
		l := m.Words.Say(words.TrayAlert, m.severity(a.Severity), title, at)
		if frozen {
			l = m.Words.Say(words.TrayFrozen, l)
		}
		return l
	}
	// The title is cut, so that what stands around it never is.
	whole := plain.Cut(label(plain.Cut(told.Title, labelMost-len([]rune(label(""))))), labelMost)
	out := Item{Place: place, Label: whole}
	line := func(place string, key words.Key, verb Verb, cannot bool) {
		out.Items = append(out.Items, Item{Place: place, Label: m.say(key), Do: Act{verb, a.ID}, Disabled: cannot})
	}
	if told.What != "" {
		out.Items = append(out.Items, Item{Place: "what", Label: plain.Cut(told.What, labelMost), Disabled: true})
	}
	line("show", words.TrayShow, Show, m.mute())
	line("respond", words.TrayRespond, Respond, m.mute())
	if frozen {
		line("freeze", words.TrayResume, Resume, false)
	} else if a.Over {
		line("freeze", words.TrayOver, Freeze, true)
	} else {
		line("freeze", words.TrayFreeze, Freeze, !living(a))
	}
	line("it-was-me", words.TrayItWasMe, ItWasMe, m.mute())
	if frozen && m.Browser { // its page asks what is to become of them
		line("close", words.TrayCloseAsk, Close, false)
	} else {
		line("close", words.TrayClose, Close, false)
	}
	return out
}

// severity names one, with a mark.
func (m Model) severity(s wormbell.Severity) string {
	key := words.TrayLow
	switch {
	case s >= wormbell.Critical:
		key = words.TrayCritical
	case s == wormbell.High:
		key = words.TrayHigh
	case s == wormbell.Medium:
		key = words.TrayMedium
	}
	return m.Words.Say(key)
}

// processes calls each for the processes of an alert's evidence, until it
// returns false.
func processes(a wormbell.Alert, each func(*wormbell.Process) bool) {
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			if e.Process != nil && !each(e.Process) {
				return
			}
		}
	}
}

// living reports whether the alert names a process that could be stopped.
func living(a wormbell.Alert) bool {
	found := false
	processes(a, func(p *wormbell.Process) bool { found = p.PID > 0; return !found })
	return found
}

func pause(m Model) Item {
	switch {
	case paused(m) && m.Status.PausedForAll && !m.Status.Owner:
		return Item{Place: "pause", Label: m.say(words.TrayPausedForAll), Disabled: true}
	case paused(m):
		return Item{Place: "pause", Label: m.say(words.TrayEndPause, m.clock(*m.Status.PausedUntil)), Do: Act{Verb: EndPause}}
	}
	if m.Agent == Here && m.Status.Locked("pause") != "" {
		return Item{Place: "pause", Label: m.say(words.TrayPauseLocked), Disabled: true}
	}
	return Item{Place: "pause", Label: m.say(words.TrayPause), Do: Act{Verb: Pause}, Disabled: m.Agent != Here}
}

func protect(m Model) Item {
	out := Item{Place: "protect", Checkbox: true, Checked: m.Agent == Here && m.Status.Protect, Label: m.say(words.TrayProtect),
		Do: Act{Verb: Protect}, Disabled: m.Agent != Here}
	if out.Checked {
		out.Do.Verb = Unprotect
	}
	if m.Agent != Here {
		return out
	}
	if m.Status.Locked("protect") != "" {
		out.Label, out.Disabled = m.say(words.TrayProtectLocked), true
		return out
	}
	switch m.Status.ProtectWhy {
	case "":
		if !m.Status.Owner {
			out.Label = m.say(words.TrayProtectRoot)
		}
	default:
		out.Label = m.say(words.TrayProtectCannot, plain.Cut(m.Status.ProtectWhy, labelMost/2))
		out.Disabled = !out.Checked // it can always be switched off
	}
	// It is everybody's: the agent lets its owner switch it, and nobody else.
	out.Disabled = out.Disabled || !m.Status.Owner
	return out
}

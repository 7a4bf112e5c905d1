package notify

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

var english = language.English

// How much of an alert a notice holds, in characters. Desktops show two lines
// of a title and about six of a body; beyond that a name in it is an attack.
const (
	maxTitle = 100
	maxBody  = 400
)

// alertNotice tells one alert.
func (p *Policy) alertNotice(a wormbell.Alert, now time.Time) Notice {
	// What to do comes first: desktops cut the end, and Details has all of it.
	body := plain.Cut(join(p.Words.Say(nextStep(a)), p.Words.Alert(a).What), maxBody)
	return Notice{
		ID: a.ID, Severity: a.Severity, Title: p.title(a), Body: body,
		Buttons: p.buttons(a, now), Sticky: a.Severity >= wormbell.Critical,
	}
}

// nextStep is what to do about an alert, in a few words.
func nextStep(a wormbell.Alert) words.Key {
	switch {
	case a.Demo:
		return words.NoticeDoDemo
	case a.Frozen() && !a.Escaped():
		return words.NoticeFrozen
	case frozeNothing(a):
		return words.NoticeFrozeNone
	case stoppable(a) && a.Severity >= wormbell.Critical:
		return words.NoticeDoFreeze
	case stoppable(a):
		return words.NoticeDoAsk
	case a.Severity >= wormbell.High:
		return words.NoticeDoRespond
	}
	return words.NoticeDoLook
}

// title names an alert in a few words.
func (p *Policy) title(a wormbell.Alert) string {
	title := p.Words.Alert(a).Title
	if title == "" {
		title = p.Words.Say(words.NoticeUnknown)
	}
	if a.Demo {
		title = p.Words.Say(words.NoticeDemo, title)
	}
	return plain.Cut(title, maxTitle)
}

// buttons chooses what an alert's notice offers, the most useful first, since
// GNOME shows three. Details needs no button: a click on the notice is that.
func (p *Policy) buttons(a wormbell.Alert, now time.Time) []Button {
	respond, details := Button{Respond, p.Words.Say(words.NoticeRespond)}, Button{Details, p.Words.Say(words.NoticeDetails)}
	var stop []Button
	switch {
	case !stoppable(a):
	case a.Frozen() && !a.Escaped():
		stop = []Button{{Resume, p.Words.Say(words.NoticeResume)}}
	default:
		stop = []Button{{Freeze, p.Words.Say(words.NoticeFreeze)}}
	}
	var me []Button
	if p.ItWasMe != nil && p.ItWasMe(a, now) {
		me = []Button{{ItWasMe, p.Words.Say(words.NoticeItWasMe)}}
	}
	if a.Severity >= wormbell.Critical {
		// To say "it was me" to this wants a look first.
		return slices.Concat([]Button{respond}, stop, []Button{details}, me)
	}
	return slices.Concat([]Button{respond}, me, stop, []Button{details})
}

// digestNotice tells several alerts at once.
func (p *Policy) digestNotice(members []*told) Notice {
	slices.SortFunc(members, byGravity)
	top := members[0].alert
	key := words.NoticeMore
	if p.digest.start && !slices.ContainsFunc(members, func(t *told) bool { return t.alert.Severity < wormbell.Critical }) {
		key = words.NoticeOpen
	}
	return Notice{
		ID: DigestID, Severity: top.Severity, Title: p.Words.Say(key, len(members)),
		Body:    plain.Cut(p.Words.Say(words.NoticeGravest, p.about(top)), maxBody),
		Buttons: []Button{{Details, p.Words.Say(words.NoticeAll)}}, Sticky: top.Severity >= wormbell.Critical,
	}
}

// about tells an alert within the notice of several.
func (p *Policy) about(a wormbell.Alert) string {
	what := p.Words.Alert(a).What
	if what == "" {
		return p.title(a)
	}
	return p.Words.Say(words.NoticeTheAlert, p.title(a), plain.Cut(what, maxBody/2))
}

// lateNotice tells that alerts were held back for long, and not what they are
// about: others may see the screen.
func (p *Policy) lateNotice(n int, gravest wormbell.Severity, s Surroundings) Notice {
	why := words.NoticeHeldQuiet
	if s.ScreenShared {
		why = words.NoticeHeldShared
	}
	return Notice{ID: DigestID, Severity: gravest, Title: p.Words.Say(words.NoticeHeld, n), Body: p.Words.Say(why),
		Buttons: []Button{{Details, p.Words.Say(words.NoticeAll)}}}
}

// pauseNotice tells that alerts are kept back.
func (p *Policy) pauseNotice(now time.Time, fixed bool) Notice {
	n := Notice{
		ID: PauseID, Severity: wormbell.Medium, Title: p.Words.Say(words.NoticePaused, p.Words.Until(p.pause.until, now)),
		Body: p.Words.Say(words.NoticePausedBody),
	}
	if !fixed {
		n.Buttons = []Button{{EndPause, p.Words.Say(words.NoticeEndPause)}}
	}
	return n
}

// reminder tells that alerts are shown again, and what was missed.
func (p *Policy) reminder(missed []*told) Notice {
	n := Notice{ID: PauseID, Severity: wormbell.Medium, Title: p.Words.Say(words.NoticeResumed), Body: p.Words.Say(words.NoticeMissedNone)}
	if len(missed) == 0 {
		return n
	}
	top := missed[0].alert // they are sorted
	n.Severity, n.Sticky = top.Severity, top.Severity >= wormbell.Critical
	n.Body = plain.Cut(p.Words.Say(words.NoticeMissed, len(missed), p.about(top)), maxBody)
	n.Buttons = []Button{{Details, p.Words.Say(words.NoticeAll)}}
	return n
}

// absentNotice tells that the agent does not answer.
func (p *Policy) absentNotice() Notice {
	return Notice{ID: AgentID, Severity: wormbell.High, Title: p.Words.Say(words.NoticeAbsent), Body: p.Words.Say(words.NoticeAbsentBody),
		Buttons: []Button{{Details, p.Words.Say(words.NoticeDetails)}}}
}

// join puts sentences one after the other; Japanese has no space between them.
func join(sentences ...string) string {
	var b strings.Builder
	for _, s := range sentences {
		if s != "" && b.Len() > 0 && !strings.HasSuffix(b.String(), "。") {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}

// FreezeNone is what the agent calls a freeze that stopped no process.
const FreezeNone = "freeze-none"

// frozeNothing reports whether the last that was tried on the alert's processes
// was a freeze that stopped none.
func frozeNothing(a wormbell.Alert) bool {
	for _, done := range slices.Backward(a.Actions) {
		switch done.What {
		case "freeze":
			return done.Done == 0 && done.Left > 0
		case FreezeNone:
			return true
		case "resume", "kill":
			return false
		}
	}
	return false
}

// ended reports whether the alert's processes were ended.
func ended(a wormbell.Alert) bool {
	for _, done := range slices.Backward(a.Actions) {
		switch done.What {
		case "freeze", "resume", "kill":
			return done.What == "kill" && !(done.Done == 0 && done.Left > 0)
		}
	}
	return false
}

// stoppable reports whether there may be processes to stop: those of a grave
// alert that says which they were and that has not been ended.
func stoppable(a wormbell.Alert) bool {
	if a.Severity < wormbell.High || ended(a) {
		return false
	}
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			if e.Process != nil && e.Process.PID > 0 {
				return true
			}
		}
	}
	return false
}

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
	said := p.Words.Alert(a)
	body := plain.Cut(said.What, maxBody*3/4)
	if frozen(a) {
		body = join(p.Words.Say(words.NoticeFrozen), body)
	}
	return Notice{
		ID: a.ID, Severity: a.Severity, Title: p.title(a), Body: plain.Cut(join(body, said.Next), maxBody),
		Buttons: p.buttons(a, now), Sticky: a.Severity >= wormbell.Critical,
	}
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
	case frozen(a):
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
	if p.digest.start && members[len(members)-1].alert.Severity >= wormbell.Critical {
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

// pauseNotice tells that alerts are kept back.
func (p *Policy) pauseNotice(now time.Time, fixed bool) Notice {
	n := Notice{
		ID: PauseID, Severity: wormbell.Medium, Title: p.Words.Say(words.NoticePaused, p.Words.At(p.pause.until, now)),
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

// frozen reports whether the last that was done to the alert's processes was
// to stop them.
func frozen(a wormbell.Alert) bool { return lastDone(a) == string(Freeze) }

func lastDone(a wormbell.Alert) string {
	for _, done := range slices.Backward(a.Actions) {
		switch done.What {
		case "freeze", "resume", "kill":
			return done.What
		}
	}
	return ""
}

// stoppable reports whether there may be processes to stop: those of a grave
// alert that says which they were and that has not been ended.
func stoppable(a wormbell.Alert) bool {
	if a.Severity < wormbell.High || lastDone(a) == "kill" {
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

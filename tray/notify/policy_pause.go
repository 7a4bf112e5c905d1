package notify

import (
	"time"

	"wormbell"
)

// pause is a time without notices but of critical alerts.
type pause struct {
	until   time.Time // zero: there is none
	note    time.Time // until when the notice says that there is one; zero: it is not shown
	waiting bool      // its end is still to be told
	early   bool      // it was ended before its time
	told    bool      // the reminder at its end is shown
}

// on reports whether alerts are kept back, or wait to be told together.
func (p pause) on() bool { return !p.until.IsZero() || p.waiting }

// keepBack begins and ends a pause. That there is one must be seen: where no
// icon shows it, a notice does.
func (p *Policy) keepBack(now time.Time, s Surroundings, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	if s.Paused != nil && now.Before(*s.Paused) {
		p.pause.until, p.pause.waiting, p.pause.told = *s.Paused, false, false
		if !s.TrayShown && !quiet && !p.pause.note.Equal(p.pause.until) {
			p.pause.note = p.pause.until
			show = append(show, p.pauseNotice(now, s.PauseFixed))
		}
		return show, nil, p.pause.until
	}
	if !p.pause.until.IsZero() {
		p.pause.waiting, p.pause.early = true, now.Before(p.pause.until)
		p.pause.until = time.Time{}
	}
	if !p.pause.waiting {
		return nil, nil, time.Time{}
	}
	return p.remind(now, quiet)
}

// remind tells that a pause is over and what came up while it lasted.
func (p *Policy) remind(now time.Time, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	missed := p.wanting()
	if quiet && (len(missed) == 0 || missed[0].alert.Severity < wormbell.Critical) {
		return nil, nil, now.Add(lookAgain)
	}
	noted := !p.pause.note.IsZero()
	p.pause.waiting, p.pause.note = false, time.Time{}
	if len(missed) == 0 && p.pause.early { // the person ended it and knows
		if noted {
			withdraw = append(withdraw, PauseID)
		}
		return nil, withdraw, time.Time{}
	}
	for _, t := range missed {
		if t.where == own {
			withdraw = append(withdraw, t.alert.ID)
		}
		p.mark(t, reminded)
	}
	p.pause.told = true
	return []Notice{p.reminder(missed)}, withdraw, time.Time{}
}

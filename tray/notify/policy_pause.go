package notify

import (
	"time"

	"wormbell"
)

// pause is a time without notices but of critical alerts.
type pause struct {
	until    time.Time // zero: there is none
	note     time.Time // until when the notice says that there is one; zero: it is not shown
	waiting  bool      // its end is still to be told
	early    bool      // it was ended before its time
	told     bool      // the reminder at its end is shown
	reminded time.Time // when that was last shown; zero: never
}

// on reports whether alerts are kept back, or wait to be told together.
func (p pause) on() bool { return !p.until.IsZero() || p.waiting }

// keepBack begins and ends a pause. That it begins is told always: it may be
// another than the person who asked for it. What came up in one is told before
// the next keeps anything back.
func (p *Policy) keepBack(now time.Time, s Surroundings, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	if !p.pause.until.IsZero() && (s.Paused == nil || !now.Before(*s.Paused) || !now.Before(p.pause.until)) {
		p.pause.waiting, p.pause.early = true, now.Before(p.pause.until)
		p.pause.until = time.Time{}
	}
	if p.pause.waiting {
		if show, withdraw, again = p.remind(now, s, quiet); p.pause.waiting {
			return show, withdraw, again
		}
		if len(show) > 0 {
			p.pause.reminded = now
		}
	}
	if s.Paused == nil || !now.Before(*s.Paused) {
		return show, withdraw, again
	}
	p.pause.until = *s.Paused
	if p.pause.note.Equal(p.pause.until) {
		return show, withdraw, p.pause.until
	}
	// Its notice takes the reminder's place: that must have been seen.
	if due := p.pause.reminded.Add(digestInterval); !p.pause.reminded.IsZero() && now.Before(due) {
		return show, withdraw, sooner(p.pause.until, due)
	}
	if quiet {
		return show, withdraw, sooner(p.pause.until, p.hold(now))
	}
	p.pause.told = false
	p.pause.note = p.pause.until
	return append(show, p.pauseNotice(now, s.PauseFixed)), nil, p.pause.until
}

// remind tells that a pause is over and what came up while it lasted.
func (p *Policy) remind(now time.Time, s Surroundings, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	missed := p.wanting()
	if quiet && (len(missed) == 0 || missed[0].alert.Severity < wormbell.Critical) {
		return nil, nil, p.hold(now)
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
	if p.late && len(missed) > 0 && missed[0].alert.Severity < wormbell.Critical {
		n := p.lateNotice(len(missed), missed[0].alert.Severity, s)
		n.ID = PauseID
		return []Notice{n}, withdraw, time.Time{}
	}
	return []Notice{p.reminder(missed)}, withdraw, time.Time{}
}

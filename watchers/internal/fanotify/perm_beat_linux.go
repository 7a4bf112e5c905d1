package fanotify

import "time"

// patience returns how long the reader may sleep.
func (p *Perm) patience(now time.Time) time.Duration {
	left := idleTurn
	if p.rests {
		left = restTurn
	}
	if len(p.held) > 0 {
		left = min(left, p.held[0].due().Sub(now))
	}
	for _, o := range p.late {
		left = min(left, o.due().Sub(now))
	}
	return max(left, time.Millisecond)
}

// beat tells the watchdog that openers are answered and looked at.
func (p *Perm) beat(now time.Time) {
	if now.Sub(p.alive) < idleTurn/5 {
		return
	}
	since := int64(now.Sub(p.start))
	quiet := p.watched && now.Sub(p.came) >= restAfter && len(p.held)+len(p.late)+len(p.jobs) == 0 && p.longer.Load() == 0
	for i := range p.busy {
		b := p.busy[i].Load()
		if b != 0 && since-b > int64(stuckAfter) {
			return
		}
		quiet = quiet && b == 0
	}
	p.alive = now
	if p.rests = quiet; quiet {
		p.cfg.Rest()
	} else {
		p.cfg.Alive()
	}
}

// rouse ends the rest if somebody waits, and reports whether. Whoever watches must
// hear of it before the opener is off the queue: from there on it is to be seen by
// nobody else that somebody waits.
func (p *Perm) rouse() bool {
	if !p.group.waiting() {
		return false
	}
	p.rests, p.alive = false, time.Now()
	p.cfg.Alive()
	return true
}

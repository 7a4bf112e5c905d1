package notify

import (
	"time"

	"wormbell"
)

// How many notices may draw the eye: three a minute is as many as a person
// reads, ten an hour as many as one bears. Some are kept for critical alerts,
// so that nobody can bury those under others. The digest comes on top.
const (
	perMinute      = 3
	perHour        = 10
	graverPerMin   = 1
	graverPerHour  = 3
	digestInterval = 30 * time.Second // between two updates of the digest, at the least
	digestSlowest  = 15 * time.Minute // and at the most: the interval doubles while nothing graver comes
)

// free returns zero if a notice may be shown now, else when it may.
func (p *Policy) free(now time.Time, grave bool) time.Time {
	minute, hour := perMinute, perHour
	if !grave {
		minute, hour = minute-graverPerMin, hour-graverPerHour
	}
	return later(p.slot(now, time.Minute, minute), p.slot(now, time.Hour, hour))
}

// slot returns zero if less than n notices were shown within the span before
// now, else when that will be so.
func (p *Policy) slot(now time.Time, span time.Duration, n int) time.Time {
	within := 0
	for i := len(p.sent) - 1; i >= 0; i-- {
		if now.Sub(p.sent[i].at) >= span {
			break
		}
		if within++; within == n {
			return p.sent[i].at.Add(span)
		}
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tell shows the alerts that want to be told, each in its own notice, as far
// as the limits go; the others are for the digest.
func (p *Policy) tell(now time.Time, _ Surroundings, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	held := 0
	list := p.wanting()
	for _, t := range list {
		if t.held && t.where == nowhere {
			held++
		}
	}
	for _, t := range list {
		grave := t.alert.Severity >= wormbell.Critical
		if p.pause.on() && !grave {
			continue // it is told at the end
		}
		if quiet && !grave {
			t.held, again = true, sooner(again, p.hold(now))
			continue
		}
		switch {
		case p.late && t.held && !grave: // in few words, as others may see them
			if t.where == own {
				withdraw = append(withdraw, t.alert.ID)
				t.where = nowhere
			}
			t.together = true
		case t.held && held > 1 && !grave && t.where == nowhere:
			t.together = true
		}
		if t.together {
			continue
		}
		wait := p.free(now, grave)
		switch {
		case wait.IsZero():
			p.mark(t, own)
			p.sent = append(p.sent, sending{now, grave})
			show = append(show, p.alertNotice(t.alert, now))
		case t.where == own && t.alert.Severity == t.severity:
			again = sooner(again, wait) // what it shows is true, if not all
		default:
			if t.where == own {
				withdraw = append(withdraw, t.alert.ID)
				t.where = nowhere
			}
			t.together = true
		}
	}
	return show, withdraw, again
}

// gather shows the digest if it has something new to say.
func (p *Policy) gather(now time.Time, s Surroundings, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	quiet = quiet || p.pause.on()
	var members, fresh []*told
	gravest := wormbell.Severity(0)
	for _, t := range p.alerts {
		switch {
		case t.together && (!quiet || t.alert.Severity >= wormbell.Critical):
			fresh = append(fresh, t)
		case t.where != digested:
			continue
		}
		members = append(members, t)
		gravest = max(gravest, t.alert.Severity)
	}
	if len(members) == 0 {
		p.digest.start = false
		return nil, p.emptyDigest(), time.Time{}
	}
	graver := gravest > p.digest.severity
	for _, t := range fresh {
		graver = graver || t.alert.Severity >= wormbell.Critical
	}
	if len(fresh) == 0 && (gravest >= p.digest.severity || quiet) {
		return nil, nil, time.Time{}
	}
	if due := p.digest.at.Add(p.digest.interval(graver || p.late)); !p.digest.at.IsZero() && now.Before(due) {
		p.holding = p.holding || p.late // it is late still, then
		return nil, nil, due
	}
	discreet := p.late
	for _, t := range fresh {
		discreet = discreet && t.alert.Severity < wormbell.Critical
	}
	for _, t := range members {
		p.mark(t, digested)
	}
	p.digest.start = p.digest.start && len(fresh) == len(members)
	p.digest.shown, p.digest.at, p.digest.severity, p.digest.updates = true, now, gravest, p.digest.updates+1
	if discreet {
		return []Notice{p.lateNotice(len(fresh), gravest, s)}, nil, time.Time{}
	}
	return []Notice{p.digestNotice(members)}, nil, time.Time{}
}

func (d digest) interval(graver bool) time.Duration {
	if graver {
		return digestInterval
	}
	return min(digestInterval<<min(d.updates, 10), digestSlowest)
}

// emptyDigest takes the digest away when nothing is left in it.
func (p *Policy) emptyDigest() (withdraw []string) {
	for _, t := range p.alerts {
		if t.where == digested {
			return nil
		}
	}
	if !p.digest.shown {
		return nil
	}
	p.digest = digest{at: p.digest.at}
	return []string{DigestID}
}

package notify

import (
	"cmp"
	"slices"
	"time"

	"wormbell"
	"wormbell/internal/words"
)

// Surroundings is what decides, besides the alerts, whether a person may be
// spoken to. False also stands for "not known".
type Surroundings struct {
	Paused       *time.Time // alerts that are not critical are kept back until then; nil if they are not
	PauseFixed   bool       // the pause is everybody's, and not the person's to end
	Absent       *time.Time // the agent has not answered since then; nil while it does
	DoNotDisturb bool       // the person has switched notifications off
	ScreenShared bool       // others can see the screen
	TrayShown    bool       // the icon is to be seen
}

// Policy decides which notices there are. It has no clock and does no I/O:
// [Policy.Next] is told both the time and the alerts. It remembers what it
// decided, for as long as it lives and no longer. The zero Policy works in
// English; it is for one goroutine.
//
// An incident has one notice, which is updated in place when it became graver
// or says something new that matters. Beyond [perMinute] and [perHour] there
// is one notice for all the rest, the digest. Low alerts have none. Critical
// ones are told whatever a person or their surroundings say.
type Policy struct {
	Words *words.Words // nil: English
	// ItWasMe reports whether a trust row can be made of an alert; nil: of none.
	ItWasMe func(a wormbell.Alert, now time.Time) bool

	begun  bool
	alerts map[string]*told     // the open ones that are to be told
	gone   map[string]time.Time // those that were, and when they no longer were open
	sent   []sending            // of the last hour, oldest first
	digest digest
	pause  pause
	absent bool // the notice of the agent's absence is shown

	heldSince time.Time // since when something is held back by the surroundings; zero: nothing is
	holding   bool      // something was, by this call of Next
	late      bool      // this call of Next tells what was held back for too long
}

// Held is what the surroundings hold back: how many alerts, and why.
type Held struct {
	Alerts       int
	ScreenShared bool // else: do-not-disturb
}

// place is where an alert was told.
type place int

const (
	nowhere place = iota
	own           // in a notice of its own
	digested
	reminded // in the notice at the end of a pause
	old      // it was there when we began: before our time, or reopened
)

// told is what is remembered of an open alert.
type told struct {
	alert     wormbell.Alert
	where     place
	severity  wormbell.Severity // as it was told
	detectors []string          // whose findings it had then
	frozen    bool              // whether its processes were frozen then
	held      bool              // it came while nobody was to be disturbed
	together  bool              // it is to be told in the digest, not alone
}

// sending is a notice that drew the eye: a new one or an update.
type sending struct {
	at    time.Time
	grave bool // it was of a critical alert
}

// digest is the notice that stands for several alerts.
type digest struct {
	shown    bool
	at       time.Time         // when it was last shown
	updates  int               // since it began
	severity wormbell.Severity // as shown
	start    bool              // it is about what was open when we began
}

const (
	// absence is how long the agent may be gone without a notice. An update
	// restarts it within seconds.
	absence = time.Minute
	// fresh is how old the last finding of an alert may be for it to be told
	// alone by a Policy that has just begun: that is what a restart of the tray
	// or a login may take.
	fresh = 2 * time.Minute
	// lookAgain is how often to ask whether a person may be disturbed again,
	// while something waits for that.
	lookAgain = 30 * time.Second
	// maxHeld is for how long do-not-disturb or a shared screen hold anything
	// back. Whoever forgets that it is on must hear of a theft all the same.
	maxHeld = time.Hour
	// maxGone bounds what is remembered of alerts that are no longer open.
	maxGone = 1000
)

// Next returns the notices to be shown now, those to be taken away, and when
// to ask again if nothing changes before; zero: not at all. alerts are all
// that the agent has; they do not count while it is absent.
func (p *Policy) Next(now time.Time, alerts []wormbell.Alert, s Surroundings) (show []Notice, withdraw []string, again time.Time) {
	p.begin(now)
	quiet := s.DoNotDisturb || s.ScreenShared
	p.late = quiet && !p.heldSince.IsZero() && now.Sub(p.heldSince) >= maxHeld
	p.holding = false
	show, withdraw, again = p.next(now, alerts, s, quiet && !p.late)
	if !p.holding {
		p.heldSince = time.Time{}
	}
	for i := range show {
		show[i].Through = p.late
	}
	return show, withdraw, again
}

// Held returns what the surroundings held back at the last call of Next.
func (p *Policy) Held(s Surroundings) Held {
	h := Held{ScreenShared: s.ScreenShared}
	for _, t := range p.alerts {
		if t.held {
			h.Alerts++
		}
	}
	return h
}

// hold notes that something is held back, and returns when to look again.
func (p *Policy) hold(now time.Time) time.Time {
	if p.holding = true; p.heldSince.IsZero() {
		p.heldSince = now
	}
	return sooner(now.Add(lookAgain), p.heldSince.Add(maxHeld))
}

func (p *Policy) next(now time.Time, alerts []wormbell.Alert, s Surroundings, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	if s.Absent != nil {
		return p.missAgent(now, *s.Absent, quiet)
	}
	if p.absent {
		p.absent = false
		withdraw = append(withdraw, AgentID)
	}
	withdraw = append(withdraw, p.learn(now, alerts)...)
	for _, step := range []func(now time.Time, s Surroundings, quiet bool) ([]Notice, []string, time.Time){p.keepBack, p.tell, p.gather} {
		notices, gone, retry := step(now, s, quiet)
		show, withdraw, again = append(show, notices...), append(withdraw, gone...), sooner(again, retry)
	}
	withdraw = slices.DeleteFunc(withdraw, func(id string) bool {
		return slices.ContainsFunc(show, func(n Notice) bool { return n.ID == id }) // it takes the other's place
	})
	return show, withdraw, again
}

// missAgent tells that the agent has not answered since a time.
func (p *Policy) missAgent(now, since time.Time, quiet bool) (show []Notice, withdraw []string, again time.Time) {
	due := since.Add(absence)
	switch {
	case p.absent:
		return nil, nil, time.Time{}
	case now.Before(due):
		return nil, nil, due
	case quiet:
		return nil, nil, p.hold(now)
	}
	p.absent = true
	return []Notice{p.absentNotice()}, nil, time.Time{}
}

// Answered tells that a person answered a notice, or closed it. The digest
// then begins anew: its alerts have been seen.
func (p *Policy) Answered(id string) {
	switch id {
	case DigestID:
		p.begin(time.Time{})
		for _, t := range p.alerts {
			if t.where == digested && !p.wants(t) {
				t.where = old
			}
		}
		p.digest = digest{at: p.digest.at}
	case PauseID: // that there is a pause is told once
		p.pause.told = false
	}
}

// Failed tells that a notice could not be shown. Its alerts are to be told
// again, in the digest; the notices that are about no alert are not.
func (p *Policy) Failed(id string) {
	p.begin(time.Time{})
	for alert, t := range p.alerts {
		if t.where == own && alert == id || t.where == digested && id == DigestID || t.where == reminded && id == PauseID {
			t.where, t.together = nowhere, true
		}
	}
	if id == DigestID {
		p.digest.shown = false
	}
}

func (p *Policy) begin(now time.Time) {
	if p.Words == nil {
		p.Words = words.In(english)
	}
	if p.alerts == nil {
		p.alerts, p.gone = map[string]*told{}, map[string]time.Time{}
	}
	if now.IsZero() {
		return
	}
	// A clock that was set back must not silence us until it has caught up.
	for i := range p.sent {
		if p.sent[i].at.After(now) {
			p.sent[i].at = now
		}
	}
	if p.pause.reminded.After(now) {
		p.pause.reminded = now
	}
	if p.digest.at.After(now) {
		p.digest.at = now
	}
	if p.heldSince.After(now) {
		p.heldSince = now
	}
	p.sent = slices.DeleteFunc(p.sent, func(s sending) bool { return now.Sub(s.at) >= time.Hour })
}

// learn takes in the alerts and returns the notices of those that are gone.
func (p *Policy) learn(now time.Time, alerts []wormbell.Alert) (withdraw []string) {
	open := map[string]bool{}
	for _, a := range alerts {
		if a.State != wormbell.Open || a.Severity < wormbell.Medium || a.ID == "" || open[a.ID] {
			continue
		}
		open[a.ID] = true
		if t := p.alerts[a.ID]; t != nil {
			t.alert = a
			continue
		}
		t := &told{alert: a}
		_, reopened := p.gone[a.ID]
		delete(p.gone, a.ID)
		if before := !p.begun && now.Sub(a.Last) > fresh; before || reopened {
			if a.Severity < wormbell.Critical {
				p.mark(t, old)
			} else if before {
				t.together, p.digest.start = true, true
			}
		}
		p.alerts[a.ID] = t
	}
	p.begun = true
	missed := p.count(reminded)
	for id, t := range p.alerts {
		if open[id] {
			continue
		}
		if t.where == own {
			withdraw = append(withdraw, id)
		}
		delete(p.alerts, id)
		p.gone[id] = now
	}
	if p.pause.told && missed > 0 && p.count(reminded) == 0 {
		p.pause.told = false
		withdraw = append(withdraw, PauseID)
	}
	p.forget()
	slices.Sort(withdraw)
	return append(withdraw, p.emptyDigest()...)
}

// forget bounds what is remembered of alerts that are gone.
func (p *Policy) forget() {
	for len(p.gone) > maxGone {
		oldest := ""
		for id, at := range p.gone {
			if oldest == "" || at.Before(p.gone[oldest]) || at.Equal(p.gone[oldest]) && id < oldest {
				oldest = id
			}
		}
		delete(p.gone, oldest)
	}
}

func (p *Policy) count(w place) (n int) {
	for _, t := range p.alerts {
		if t.where == w {
			n++
		}
	}
	return n
}

// wants reports whether an alert says something that a person has not been
// told: it is new, became graver, was frozen, or another detector found
// something as grave as what was told.
func (p *Policy) wants(t *told) bool {
	if t.where == nowhere || t.alert.Severity > t.severity {
		return true
	}
	if t.where == own && t.alert.Frozen() && !t.frozen {
		return true
	}
	for _, f := range t.alert.Findings {
		if cmp.Or(f.Severity, t.alert.Severity) >= max(t.severity, wormbell.High) && !slices.Contains(t.detectors, f.Detector) {
			return true
		}
	}
	return false
}

// mark notes that an alert has been told as it is.
func (p *Policy) mark(t *told, w place) {
	t.where, t.severity, t.frozen, t.held, t.together = w, t.alert.Severity, t.alert.Frozen(), false, false
	t.detectors = t.detectors[:0]
	for _, f := range t.alert.Findings {
		t.detectors = append(t.detectors, f.Detector)
	}
}

// wanting lists the alerts that want to be told, the gravest first, then the
// oldest.
func (p *Policy) wanting() (list []*told) {
	for _, t := range p.alerts {
		if p.wants(t) {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, byGravity)
	return list
}

// byGravity sorts what is grave before what is not, and demonstrations last:
// nothing happened there.
func byGravity(a, b *told) int {
	if a.alert.Demo != b.alert.Demo {
		if b.alert.Demo {
			return -1
		}
		return 1
	}
	return cmp.Or(-cmp.Compare(a.alert.Severity, b.alert.Severity), a.alert.First.Compare(b.alert.First), cmp.Compare(a.alert.ID, b.alert.ID))
}

// sooner returns the earlier of two times, of which zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

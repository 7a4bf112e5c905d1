package api

import (
	"fmt"
	"maps"
	"net/http"
	"time"

	"wormbell"
)

// pauseGap lies between two pauses of a user at the least. In it the tray tells
// what came up in the first: pauses in a row would keep that back for ever.
const pauseGap = time.Minute

// pauses keeps until when each user's last pause lasts or lasted. A Server
// looks after its lock.
type pauses map[string]time.Time

// set notes that a pause of user ends then, and forgets what no longer counts.
func (p *pauses) set(user string, until, now time.Time) {
	if *p == nil {
		*p = pauses{}
	}
	maps.DeleteFunc(*p, func(_ string, end time.Time) bool { return now.Sub(end) >= pauseGap })
	(*p)[user] = until
}

// mayPause returns nil if a user's process p may keep that user's notifications
// back.
//
// Other calls that loosen the guard are accepted when they are doubted, and
// told. This one would keep back what tells of it, so it is refused.
func (s *Server) mayPause(c *call, p *wormbell.Process) error {
	if why := s.behind(p, func(a *wormbell.Process) bool { return s.runsOurs(c.peer, a) }); why != "" {
		if s.tells(c.peer) {
			s.Log.Warn("call refused", "call", "pause", "uid", c.peer.uid, "pid", c.peer.pid, "why", why)
			s.emit(c, p, "refused pause: "+why)
		}
		return faultf(http.StatusForbidden, "pause in the tray, or type the command in a terminal yourself", "refused to pause: %s", why)
	}
	now := s.Now()
	end, known := s.pauses[c.user()]
	if own, all := s.Store.Paused(c.user()); !known && !all { // of before a restart
		end = own
	}
	switch {
	case end.After(now):
		return faultf(http.StatusConflict, "a pause cannot be made longer; a minute after its end there can be another",
			"your notifications are paused already, until %s", end.Format(time.RFC3339))
	case now.Sub(end) < pauseGap && !end.After(now):
		return faultf(http.StatusConflict, fmt.Sprintf("try again in %v", (pauseGap-now.Sub(end)).Round(time.Second)),
			"between two pauses you are told what came up, for %v", pauseGap)
	}
	return nil
}

// endPause ends a pause. Everybody may: it tightens the guard. Where there is
// none, nothing is done and nobody is woken.
func (s *Server) endPause(c *call, whose string) (any, error) {
	now := s.Now()
	if until, all := s.Store.Paused(whose); !until.IsZero() {
		if err := s.Store.Pause(whose, time.Time{}); err != nil {
			return nil, err
		}
		if end, known := s.pauses[whose]; known && end.After(now) || !known && !all { // one of before a restart is not known
			s.pauses.set(whose, now, now)
		}
	}
	if left, all := s.Store.Paused(c.user()); all {
		return nil, faultf(http.StatusForbidden, "only root ends it", "notifications are paused for everybody until %s", left.Format(time.RFC3339))
	}
	return map[string]any{"paused_until": ""}, nil
}

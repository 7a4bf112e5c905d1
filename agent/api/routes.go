package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/freeze"
	"wormbell/internal/mask"
)

// missing is the answer of a route whose part of the agent is not there.
func missing(what string) error {
	return faultf(http.StatusNotImplemented, "", "this agent cannot %s", what)
}

func (s *Server) status(c *call) (any, error) {
	if s.Backend.Status == nil {
		return nil, missing("tell its status")
	}
	st := s.Backend.Status()
	st.Alerts, st.Owner, st.PausedUntil = s.Store.Count(c.sees()), c.owns(), nil
	if until, all := s.Store.Paused(c.user()); !until.IsZero() {
		st.PausedUntil, st.PausedForAll = &until, all
	}
	st.Problems = slices.Clone(st.Problems)
	for _, p := range s.Store.Problems() {
		if !slices.Contains(st.Problems, p) {
			st.Problems = append(st.Problems, p)
		}
	}
	st.Homes, st.Sensors, st.Detectors, st.Problems = list(st.Homes), list(st.Sensors), list(st.Detectors), list(st.Problems)
	st.Notices, st.Settings = list(st.Notices), list(st.Settings)
	return st, nil
}

// list is s, never nil: arrays are never null in JSON.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// alerts writes one alert after the other: a long list costs no memory.
func (s *Server) alerts(c *call) (any, error) {
	q := c.r.URL.Query()
	f := alert.Filter{User: c.sees(), States: []wormbell.State{wormbell.Open}, Limit: maxListed}
	if q.Has("all") && q.Get("all") != "0" && q.Get("all") != "false" {
		f.States = nil
	}
	if m := q.Get("min_severity"); m != "" {
		var err error
		if f.MinSeverity, err = wormbell.ParseSeverity(m); err != nil {
			return nil, faultf(http.StatusBadRequest, "", "%v", err)
		}
	}
	most := -1 // events of evidence of a finding; -1 for all
	if n := q.Get("evidence"); n != "" {
		var err error
		if most, err = strconv.Atoi(n); err != nil || most < 0 {
			return nil, faultf(http.StatusBadRequest, "", "evidence must be a number of events")
		}
	}
	c.w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(c.w)
	enc.SetEscapeHTML(false)
	out := http.NewResponseController(c.w)
	if _, err := c.w.Write([]byte(`{"version":1,"alerts":[`)); err != nil {
		return nil, nil
	}
	n := 0
	for a := range s.Store.Each(f) {
		out.SetWriteDeadline(time.Now().Add(answerTime))
		if n++; n > 1 {
			c.w.Write([]byte(","))
		}
		if a.Over = s.over(a); enc.Encode(brief(a, most)) != nil {
			return nil, nil
		}
	}
	c.w.Write([]byte("]}\n"))
	return nil, nil
}

// brief returns a with at most so many events of evidence of each finding, the
// first; all of them if most is negative.
func brief(a wormbell.Alert, most int) wormbell.Alert {
	if most < 0 {
		return a
	}
	a.Findings = slices.Clone(a.Findings)
	for i, f := range a.Findings {
		a.Findings[i].Evidence = f.Evidence[:min(most, len(f.Evidence))]
	}
	return a
}

// find returns the alert that the path names, if the peer may see it. Others'
// are not there at all, so that IDs tell nothing.
func (s *Server) find(c *call) (wormbell.Alert, error) {
	id := c.r.PathValue("id")
	a, err := s.Store.Find(id, c.sees())
	switch {
	case errors.Is(err, alert.ErrAmbiguous):
		return a, faultf(http.StatusConflict, "give more of its characters", "more than one alert begins with %s", id)
	case errors.Is(err, alert.ErrNotFound):
		return a, faultf(http.StatusNotFound, "'wormbell alerts --all' lists all there are", "there is no such alert")
	}
	return a, err
}

func (s *Server) alert(c *call) (any, error) {
	a, err := s.find(c)
	if err != nil {
		return nil, err
	}
	a.Over = s.over(a)
	return a, nil
}

// change is POST alerts/{id}/{verb}.
func (s *Server) change(c *call) (any, error) {
	verb := c.r.PathValue("verb")
	state, isState := map[string]wormbell.State{"close": wormbell.Closed, "mute": wormbell.Muted, "reopen": wormbell.Open}[verb]
	isFreeze := verb == string(freeze.Stop) || verb == string(freeze.Continue) || verb == string(freeze.Kill)
	if !isState && !isFreeze && verb != "action" {
		return nil, faultf(http.StatusNotFound, "", "there is no such call")
	}
	a, err := s.find(c)
	if err != nil {
		return nil, err
	}
	var in struct{ Reason, What, Outcome string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	what := verb + " " + a.ID
	var p *wormbell.Process
	switch verb {
	case "close", "mute", "resume":
		p, err = s.loosen(c, what)
		var f *fault
		if errors.As(err, &f) && verb == string(freeze.Continue) && f.status == http.StatusForbidden {
			// Freezing was not refused, so who froze must be told the way back.
			f.Hint = fmt.Sprintf("type 'wormbell alert resume %s' in a terminal of its own", a.ID)
		}
		if err == nil && verb == "mute" {
			err = s.locked(c, "mute", what)
		}
	case "action":
		err = s.note(c, in.What, "note an action on "+a.ID)
	}
	if err != nil {
		return nil, err
	}
	in.Reason, _ = mask.Line(in.Reason) // people paste anything
	var out any
	switch {
	case isState:
		out, err = s.Store.SetState(a.ID, state, c.user(), in.Reason)
	case isFreeze:
		out, err = s.freeze(c, a.ID, freeze.Action(verb))
	default:
		// Who calls has been told to name no secret; this is the second lock. It
		// is masked whole, for half a token looks like none; the store cuts it.
		outcome, _ := mask.Line(in.Outcome)
		out, err = s.Store.AddAction(a.ID, wormbell.Action{Time: s.Now(), By: c.user(), What: in.What, Outcome: outcome})
	}
	if err == nil && p != nil {
		s.accepted(c, p, what)
	}
	return out, err
}

// actionForm is how the name of an action looks that a response took.
var actionForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// note checks that the caller may say what was done about an alert. That a
// token was revoked makes a person feel safe, so it must not come from the
// thief: it comes from one of our own programs, where the agent knows them.
func (s *Server) note(c *call, action, what string) error {
	if !actionForm.MatchString(action) || slices.Contains([]string{"close", "mute", "reopen", "merge", "paused", "freeze", frozeNothing, "resume", "kill"}, action) {
		return faultf(http.StatusBadRequest, "", "an action needs a name of its own: lower-case letters, digits and hyphens")
	}
	var err error
	if s.Exe == "" {
		_, err = s.clear(c, what)
	} else {
		_, err = s.ours(c, what)
	}
	return err
}

// frozeNothing is the action of a freeze that stopped no process: nobody who
// reads what was done may take the alert's processes for frozen.
const frozeNothing = "freeze-none"

// freeze stops, continues or ends the processes an alert is about.
func (s *Server) freeze(c *call, id string, action freeze.Action) (any, error) {
	if s.Living == nil {
		return nil, missing(string(action) + " processes")
	}
	if !s.acting.TryLock() { // two at once would undo each other
		return nil, faultf(http.StatusConflict, "try again in a few seconds", "the agent is busy with another tree")
	}
	defer s.acting.Unlock()
	c.patience(answerTime)
	roots, err := s.Store.Processes(id)
	if err != nil {
		return nil, err
	}
	if len(roots) == 0 {
		return nil, faultf(http.StatusConflict, "", "the alert does not say which process it was")
	}
	r, err := freeze.Tree(c.r.Context(), freeze.Config{Roots: roots, Living: s.Living, Process: s.At,
		Caller: c.peer.uid, CallerPID: c.peer.pid, Spare: s.Spare, Shows: s.shows(c)}, action)
	if errors.Is(err, freeze.ErrNotAvailable) {
		return nil, faultf(http.StatusNotImplemented, "", "%v", freeze.ErrNotAvailable)
	}
	if err != nil {
		return nil, err
	}
	what := string(action)
	if action == freeze.Stop && len(r.Done) == 0 {
		what = frozeNothing
	}
	if _, err := s.Store.AddAction(id, wormbell.Action{Time: s.Now(), By: c.user(), What: what, Outcome: r.String(), Done: len(r.Done), Left: r.Missed()}); err != nil {
		s.Log.Error("store action", "alert", id, "err", err)
	}
	return map[string]any{"outcome": r.String(), "report": r}, nil
}

func (s *Server) credentials(c *call) (any, error) {
	if s.Backend.Guarded == nil {
		return nil, missing("tell what it guards")
	}
	out := []wormbell.Guarded{}
	decoys := s.mayKnow(c)
	known := map[string]string{"": ""} // alerts asked for → the ID under which the peer finds each, "" if not at all
	for _, g := range s.Backend.Guarded() {
		if c.sees() != "" && g.User != c.user() || g.Store == wormbell.DecoyStore && !decoys {
			continue
		}
		g.Readers = slices.Clone(g.Readers)
		for i := range g.Readers {
			// It may have been merged into another since, or be gone.
			id := g.Readers[i].Alert
			if _, asked := known[id]; !asked {
				a, err := s.Store.Find(id, c.sees())
				if err != nil {
					a.ID = ""
				}
				known[id] = a.ID
			}
			g.Readers[i].Alert = known[id]
		}
		out = append(out, g)
	}
	return map[string]any{"version": 1, "credentials": out}, nil
}

// usage is what the agent took in the last day. It is everybody's to know, as
// it is of every process.
func (s *Server) usage(*call) (any, error) {
	if s.Backend.Usage == nil {
		return nil, missing("tell what it takes")
	}
	return map[string]any{"version": 1, "usage": list(s.Backend.Usage())}, nil
}

// calls lists accepted calls as the events they were.
func (s *Server) calls(c *call) (any, error) {
	calls, err := s.Store.Calls(c.sees(), maxListed)
	if err != nil {
		return nil, err
	}
	out := []wormbell.Event{}
	for _, x := range calls {
		out = append(out, wormbell.Event{Time: x.Time, Kind: wormbell.AgentCall, Source: "api", User: x.User,
			Process: &wormbell.Process{PID: x.PID, Exe: x.Exe}, Line: x.What})
	}
	return map[string]any{"version": 1, "calls": out}, nil
}

// pause keeps notifications back: everybody's if the agent's owner asks, else
// those of who asks. What comes up is recorded all the same.
func (s *Server) pause(c *call) (any, error) {
	var in struct{ Seconds float64 }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	whose, name, most := c.user(), "your", maxOwnPause
	if c.owns() {
		whose, name, most = "", "everybody's", maxPause
	}
	if !(in.Seconds >= 0 && in.Seconds <= most.Seconds()) {
		return nil, faultf(http.StatusBadRequest, "give a shorter time", "a pause of %s notifications lasts at most %v", name, most)
	}
	// Two at once must not both find that there is none yet.
	s.pausing.Lock()
	defer s.pausing.Unlock()
	if in.Seconds == 0 {
		return s.endPause(c, whose)
	}
	p, err := s.loosen(c, "pause")
	if err == nil {
		err = s.locked(c, "pause", "pause")
	}
	if err == nil && whose != "" {
		err = s.mayPause(c, p)
	}
	if err != nil {
		return nil, err
	}
	until := s.Now().Add(time.Duration(in.Seconds * float64(time.Second))).UTC()
	if err := s.Store.Pause(whose, until); err != nil {
		return nil, err
	}
	s.pauses.set(whose, until, s.Now())
	text := until.Format(time.RFC3339)
	s.accepted(c, p, "pause "+name+" notifications until "+text)
	return map[string]any{"paused_until": text}, nil
}

func (s *Server) protect(c *call) (any, error) {
	var in struct{ On *bool }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.On == nil {
		return nil, faultf(http.StatusBadRequest, "", "on or off?")
	}
	if s.Backend.Protect == nil {
		return nil, missing("protect")
	}
	if !c.owns() {
		return nil, faultf(http.StatusForbidden, "run it as root", "protection of the whole machine is switched by root only")
	}
	var p *wormbell.Process
	if !*in.On {
		var err error
		if p, err = s.loosen(c, "protect off"); err != nil {
			return nil, err
		}
	}
	if err := s.locked(c, "protect", "protect"); err != nil {
		return nil, err
	}
	if err := s.Backend.Protect(*in.On); err != nil {
		return nil, faultf(http.StatusConflict, "", "%v", err)
	}
	if p != nil {
		s.accepted(c, p, "protect off")
	}
	return map[string]any{"protect": *in.On}, nil
}

func (s *Server) demo(c *call) (any, error) {
	in := struct {
		Home    string
		Seconds float64
	}{Seconds: 300}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if s.Backend.Demo == nil {
		return nil, missing("guard a scratch home")
	}
	if !(in.Seconds > 0 && in.Seconds <= maxDemo.Seconds()) {
		return nil, faultf(http.StatusBadRequest, "", "a demonstration lasts at most %v", maxDemo)
	}
	home, err := s.scratch(c.r.Context(), c, in.Home)
	if err != nil {
		return nil, err
	}
	// What happens there is marked as a demonstration, so a worm would like one.
	if _, err := s.clear(c, "guard a scratch home"); err != nil {
		return nil, err
	}
	c.patience(2 * answerTime) // arming takes its time
	if err := s.Backend.Demo(c.r.Context(), home, time.Duration(in.Seconds*float64(time.Second))); err != nil {
		return nil, faultf(http.StatusConflict, "", "%v", err)
	}
	s.Log.Info("demonstration guarded", "uid", c.peer.uid, "seconds", in.Seconds)
	return map[string]any{"home": home, "seconds": in.Seconds}, nil
}

// patience gives the answer so much time from now. The request has been read;
// its deadline would end the request's context.
func (c *call) patience(d time.Duration) {
	out := http.NewResponseController(c.w)
	out.SetReadDeadline(time.Time{})
	out.SetWriteDeadline(time.Now().Add(d))
}

// stream begins an answer of lines that goes on, and returns how to write one,
// and how to have the peer see what was written.
func (c *call) stream() (line func(any) error, flush func() error) {
	out := http.NewResponseController(c.w)
	out.SetReadDeadline(time.Time{}) // else the request's own would end it
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(c.w)
	enc.SetEscapeHTML(false)
	return func(v any) error {
		out.SetWriteDeadline(time.Now().Add(answerTime)) // a reader that does not read is cut
		return enc.Encode(v)
	}, out.Flush
}

// tick is one line of watch.
type tick struct {
	Changed   bool `json:"changed,omitempty"`
	Heartbeat bool `json:"heartbeat,omitempty"`
}

// watch writes a line each time the peer's alerts changed: "read again".
func (s *Server) watch(c *call) (any, error) {
	ctx := c.r.Context()
	changes := s.Store.Subscribe(ctx)
	line, flush := c.stream()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	seen := s.Store.Version(c.sees())
	if line(tick{Changed: true}) != nil || flush() != nil {
		return nil, nil
	}
	for {
		t := tick{Heartbeat: true}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-beat.C:
		case <-changes:
			v := s.Store.Version(c.sees())
			if v == seen {
				continue // somebody else's
			}
			seen, t = v, tick{Changed: true}
		}
		if line(t) != nil || flush() != nil {
			return nil, nil
		}
	}
}

// events writes the events as they come: the peer's own, all for root.
func (s *Server) events(c *call) (any, error) {
	if s.Backend.Events == nil {
		return nil, missing("show its events")
	}
	ctx := c.r.Context()
	events := s.Backend.Events(ctx, c.sees())
	line, flush := c.stream()
	flush()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case e, ok := <-events:
			if !ok {
				return nil, nil
			}
			mine := c.sees() == "" || e.User == c.user() || e.Kind == wormbell.Gap // the agent filters; this is the second lock
			if mine && line(e) != nil {
				return nil, nil
			}
			if len(events) == 0 && flush() != nil { // of a thousand a second, each by itself would cost both sides a call
				return nil, nil
			}
		case <-beat.C:
			http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(answerTime))
			if _, err := c.w.Write([]byte("\n")); err != nil || flush() != nil {
				return nil, nil
			}
		}
	}
}

package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/exposure"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// This file has the page of one alert, and what its buttons do.

// find returns the alert that a request names.
func (s *Server) find(r *http.Request) (Agent, wormbell.Alert, error) {
	id := r.PathValue("id")
	if !idForm.MatchString(id) {
		return nil, wormbell.Alert{}, &client.Error{Status: http.StatusNotFound, Text: "there is no such alert"}
	}
	a, err := s.ask()
	if err != nil {
		return nil, wormbell.Alert{}, err
	}
	alert, err := a.Alert(r.Context(), id)
	return a, alert, err
}

// alertView is one alert for its page and its report.
type alertView struct {
	Alert    wormbell.Alert
	Told     words.Told
	Roots    []*node
	Pictures []*picture
	Events   []event
	Exposed  exposure.Exposure
	Commands []exposure.Command
	Frozen   bool
	Offers   bool // "It was me" may have an answer
	Answers  bool // this program can respond
	Text     string
	Host     string
	Made     time.Time
}

// event is one line of the evidence.
type event struct {
	Time time.Time
	deed
	By       string
	PID      int
	Detector string
	Times    int
}

const maxEvents = 300

func (s *Server) view(r *http.Request, a wormbell.Alert) alertView {
	v := alertView{Alert: a, Told: s.c.Words.Alert(a), Roots: s.grow(a), Exposed: exposure.Of(a), Host: s.c.Host, Made: s.c.Now(),
		Offers: s.c.Suggest != nil, Answers: s.c.Prepare != nil}
	if s.c.Expose != nil {
		if err := s.c.Expose(r.Context(), a, &v.Exposed); err != nil {
			s.c.Log.Debug("not all of what was exposed is known", "err", err)
		}
	}
	v.Commands = v.Exposed.Commands()
	v.Pictures = []*picture{s.draw(v.Roots, "wide", "wide", 852, 30), s.draw(v.Roots, "narrow", "narrow", 350, 12)}
	v.Events = s.events(a)
	for _, act := range a.Actions {
		switch act.What {
		case "freeze":
			v.Frozen = true
		case "resume", "kill":
			v.Frozen = false
		}
	}
	return v
}

// events lists an alert's evidence once, in order of time.
func (s *Server) events(a wormbell.Alert) []event {
	var out []event
	seen := map[string]int{}
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			d, ok := s.deed(e)
			if !ok {
				continue
			}
			pid := 0
			if e.Process != nil {
				pid = e.Process.PID
			}
			key := fmt.Sprint(e.Time.UnixNano(), d.Verb, d.What, pid)
			if _, known := seen[key]; known {
				continue // evidence of two findings
			}
			seen[key] = len(out)
			out = append(out, event{Time: e.Time, deed: d, By: e.Process.Name(), PID: pid, Detector: f.Detector, Times: 1})
		}
	}
	slices.SortStableFunc(out, func(a, b event) int { return a.Time.Compare(b.Time) })
	return out[:min(len(out), maxEvents)]
}

func (s *Server) alert(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if a.ID != r.PathValue("id") { // a part of the ID, or merged into another
		return s.back(w, r, "/alerts/"+a.ID)
	}
	v := s.view(r, a)
	s.show(w, r, http.StatusOK, "alert", page{Title: v.Told.Title, Nav: "alerts", Topics: topicAlerts,
		Summary: s.c.Words.Say(words.DashAlertSummary, v.Told.Title, s.c.Words.Say(words.Key("dash-state-"+string(a.State)))), Data: v})
	return nil
}

// act is POST alerts/{id}/{verb}.
func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	agent, a, err := s.find(r)
	if err != nil {
		return err
	}
	ctx, reason := r.Context(), plain.Cut(strings.TrimSpace(r.PostFormValue("reason")), 500)
	text := ""
	switch verb := r.PathValue("verb"); verb {
	case "freeze":
		text, err = agent.Freeze(ctx, a.ID)
	case "resume":
		text, err = agent.Resume(ctx, a.ID)
	case "kill":
		text, err = agent.Kill(ctx, a.ID)
	case "close":
		text, err = s.c.Words.Say(words.DashDidClose), agent.Close(ctx, a.ID, reason)
	case "mute":
		text, err = s.c.Words.Say(words.DashDidMute), agent.Mute(ctx, a.ID, reason)
	case "reopen":
		text, err = s.c.Words.Say(words.DashDidReopen), agent.Reopen(ctx, a.ID, reason)
	case "note":
		if reason == "" {
			return s.back(w, r, "/alerts/"+a.ID)
		}
		text, err = s.c.Words.Say(words.DashDidNote), agent.Act(ctx, a.ID, wormbell.Action{What: "note", Outcome: reason})
	default:
		s.show(w, r, http.StatusNotFound, "missing", page{Title: s.c.Words.Say(words.DashMissing)})
		return nil
	}
	if away(err) {
		return err
	}
	s.did(r, text, err)
	return s.back(w, r, "/alerts/"+a.ID)
}

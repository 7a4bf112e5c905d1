package dashboard

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/words"
)

// This file says on every page what is true of the agent as a whole: that it
// cannot be asked, and that notifications are paused.

// reach is how the agent was found.
type reach string

// The ways in which it can be found; "" is that nobody has looked yet.
const (
	here     reach = "here"
	absent   reach = "absent"
	impostor reach = "impostor" // somebody else serves its socket
	barred   reach = "barred"   // its socket may not be opened
)

// reachOf says what an error of the agent means.
func reachOf(err error) reach {
	var said *client.Error
	switch {
	case errors.Is(err, client.ErrImpostor):
		return impostor
	case errors.Is(err, fs.ErrPermission) && (errors.Is(err, errNoAgent) || errors.As(err, &said) && said.Status == 0):
		return barred
	}
	return absent
}

// away reports whether err says that the agent cannot be asked.
func away(err error) bool {
	return errors.Is(err, errNoAgent) || errors.Is(err, client.ErrNoAgent) || err != nil && reachOf(err) != absent
}

// gone is what a person is told when the agent cannot be asked.
type gone struct {
	Kind  reach
	Title string
	Text  string
	Said  flash // by the way to it
}

func (s *Server) gone(err error) *gone {
	g := &gone{Kind: reachOf(err), Said: s.explain(err)}
	title, text := words.DashAway, words.DashAwayText
	switch g.Kind {
	case impostor:
		title, text = words.DashImpostor, words.DashImpostorText
	case barred:
		title, text = words.DashBarred, words.DashBarredText
	}
	g.Title, g.Text = s.c.Words.Say(title), s.c.Words.Say(text)
	return g
}

// showGone is the page in place of one that needs the agent.
func (s *Server) showGone(w http.ResponseWriter, r *http.Request, err error) {
	g := s.gone(err)
	s.show(w, r, http.StatusServiceUnavailable, "away", page{Title: g.Title, Topics: topicAlerts + " " + topicStatus + " " + topicAgent, Summary: g.Title, Gone: g, Data: g})
}

// pause is what pages say of a pause of notifications.
type pause struct {
	Until string
	All   bool // for everybody
	Ends  bool // the person may end it
}

// pausedUntil is until when notifications are paused, the zero time if they are
// not.
func (s *Server) pausedUntil(st wormbell.Status) time.Time {
	if st.PausedUntil == nil || !st.PausedUntil.After(s.c.Now()) {
		return time.Time{}
	}
	return *st.PausedUntil
}

// overall fills in what every page says of the agent.
func (s *Server) overall(ctx context.Context, p *page) {
	if p.Gone != nil {
		return
	}
	if p.Status == nil {
		st, err := s.status(ctx)
		if err != nil {
			if away(err) {
				p.Gone = s.gone(err)
			}
			return
		}
		p.Status = &st
	}
	if until := s.pausedUntil(*p.Status); !until.IsZero() {
		p.Pause = &pause{s.at(until), p.Status.PausedForAll, !p.Status.PausedForAll || p.Status.Owner}
	}
}

// endPause is POST /pause/end.
func (s *Server) endPause(w http.ResponseWriter, r *http.Request) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	if err = a.Pause(r.Context(), 0); away(err) {
		return err
	}
	s.did(r, s.c.Words.Say(words.DashDidEndPause), err)
	to := r.PostFormValue("back")
	if !Page(to) {
		to = "/"
	}
	return s.back(w, r, to)
}

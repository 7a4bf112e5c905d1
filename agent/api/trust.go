package api

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/stores"
)

// This file holds what can be asked of the trust table.

func (s *Server) trust(c *call) (any, error) {
	rows := []wormbell.TrustRow{}
	if s.Backend.Trust != nil {
		rows = append(rows, s.Backend.Trust()...)
	}
	for _, r := range s.Store.Trust() {
		if c.sees() == "" || r.By == c.user() || r.By == "admin" {
			rows = append(rows, r)
		}
	}
	return map[string]any{"version": 1, "trust": rows}, nil
}

var (
	whoForm  = regexp.MustCompile(`^(project-code|signer:[^\s]+|exe:/[^\n]*)$`)
	pathForm = regexp.MustCompile(`^(~/|/)[^\x00-\x1f]+$`)
)

func (s *Server) addTrust(c *call) (any, error) {
	var row wormbell.TrustRow
	if err := c.body(&row); err != nil {
		return nil, err
	}
	row.Reason = strings.TrimSpace(row.Reason)
	bad := ""
	switch {
	case row.Store != "*" && !slices.ContainsFunc(stores.All, func(t stores.Store) bool { return t.ID == row.Store }):
		bad = "there is no such store"
	case !whoForm.MatchString(row.Who) || len(row.Who) > 1024:
		bad = "who must be signer:NAME, exe:/PATH, \"exe:/PATH script:/PATH\" or project-code"
	case !slices.Contains([]string{"person", "project", "not-a-dependency-script", "any"}, row.Under):
		bad = "under must be person, project, not-a-dependency-script or any"
	case row.Path != "" && (!pathForm.MatchString(row.Path) || len(row.Path) > 1024):
		bad = "path must begin with ~/ or /"
	case row.Reason == "" || len(row.Reason) > 512 || strings.ContainsFunc(row.Reason, func(r rune) bool { return r < ' ' }):
		bad = "a row needs a reason, in one line"
	case row.Until != nil && !future(*row.Until, s.Now()):
		bad = "until must be in the future"
	}
	if bad != "" {
		return nil, faultf(http.StatusBadRequest, "", "%s", bad)
	}
	what := "trust " + row.Who + " with " + row.Store
	p, err := s.loosen(c, what)
	if err != nil {
		return nil, err
	}
	if wide(row) && c.peer.uid != 0 {
		return nil, faultf(http.StatusForbidden, "name the store and the program, or run it as root", "refused to %s: so wide a row needs root", what)
	}
	if s.Backend.Digest == nil {
		return nil, missing("tell whether a program has changed")
	}
	if row.Digest, err = s.Backend.Digest(row.Who, c.peer.uid); err != nil {
		if again := (interface{ Temporary() bool })(nil); errors.As(err, &again) && again.Temporary() {
			return nil, faultf(http.StatusServiceUnavailable, "try again in a few seconds", "could not %s: what the program is now was not learnt: %v", what, err)
		}
		return nil, faultf(http.StatusConflict, "a row names a program or a script that is there and is yours, or that root has installed",
			"refused to %s: it could not be told later whether the program has changed: %v", what, err)
	}
	row.By = c.user()
	if c.peer.uid == 0 {
		row.By = "admin"
	}
	row, err = s.Store.AddTrust(row)
	if err != nil {
		return nil, faultf(http.StatusConflict, "", "%v", err)
	}
	s.trustChanged()
	s.accepted(c, p, what)
	return row, nil
}

func (s *Server) removeTrust(c *call) (any, error) {
	id := c.r.PathValue("id")
	i := slices.IndexFunc(s.Store.Trust(), func(r wormbell.TrustRow) bool {
		return r.ID == id && (c.peer.uid == 0 || r.By == c.user())
	})
	if i < 0 {
		return nil, faultf(http.StatusNotFound, "'wormbell trust list' lists all rows; the built-in ones stay", "there is no such row of yours")
	}
	what := "remove trust row " + id
	p, err := s.loosen(c, what)
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.RemoveTrust(id); err != nil {
		return nil, faultf(http.StatusNotFound, "", "there is no such row of yours")
	}
	s.trustChanged()
	s.accepted(c, p, what)
	return struct{}{}, nil
}

func (s *Server) trustChanged() {
	if s.Backend.SetTrust != nil {
		s.Backend.SetTrust(s.Store.Trust())
	}
}

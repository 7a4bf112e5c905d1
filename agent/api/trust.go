package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/trustrow"
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

func (s *Server) addTrust(c *call) (any, error) {
	var row wormbell.TrustRow
	if err := c.body(&row); err != nil {
		return nil, err
	}
	row.Reason = strings.TrimSpace(row.Reason)
	row.File = "" // only the agent's own reading of one says so
	if bad := trustrow.Check(row, s.Now()); bad != nil {
		return nil, faultf(http.StatusBadRequest, "", "%v", bad)
	}
	what := "trust " + row.Who + " with " + row.Store
	p, err := s.loosen(c, what)
	if err != nil {
		return nil, err
	}
	if err := s.locked(c, "trust", what); err != nil {
		return nil, err
	}
	if trustrow.Wide(row) && c.peer.uid != 0 {
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
	if i < 0 && s.firstUse(id) {
		return s.forget(c, id)
	}
	if i < 0 {
		if file := s.rowFile(id); file != "" {
			return nil, faultf(http.StatusForbidden, "an administrator takes it out of that file; it is gone once the agent was started again", "the row comes from %s", file)
		}
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

// firstUse reports whether a row is that of a tool in a home.
func (s *Server) firstUse(id string) bool {
	return s.Backend.Trust != nil && s.Backend.Forget != nil && s.Backend.Fallen != nil &&
		slices.ContainsFunc(s.Backend.Trust(), func(r wormbell.TrustRow) bool { return r.ID == id && r.By == "first-use" })
}

// forget takes back the row of a tool in a home. To trust a tool anew that has
// changed loosens the guard as much as to add a row.
func (s *Server) forget(c *call, id string) (any, error) {
	what := "remove trust row " + id
	p, err := s.loosen(c, what)
	if err != nil {
		return nil, err
	}
	if s.Backend.Fallen(id) {
		if err := s.locked(c, "trust", what); err != nil {
			return nil, err
		}
	}
	if err := s.Backend.Forget(id, c.peer.uid); err != nil {
		return nil, faultf(http.StatusNotFound, "'wormbell trust list' lists all rows; the built-in ones stay", "there is no such row of yours")
	}
	s.accepted(c, p, what)
	return struct{}{}, nil
}

// rowFile returns the administrator's file that a row comes from, "" if there is
// no such row.
func (s *Server) rowFile(id string) string {
	if s.Backend.Trust == nil {
		return ""
	}
	for _, r := range s.Backend.Trust() {
		if r.ID == id {
			return r.File
		}
	}
	return ""
}

func (s *Server) trustChanged() {
	if s.Backend.SetTrust != nil {
		s.Backend.SetTrust(s.Store.Trust())
	}
}

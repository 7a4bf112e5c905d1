package api

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"slices"

	"wormbell"
	"wormbell/internal/decoy"
)

// This file holds what can be asked about decoys. Where they lie is worth knowing
// to a thief, so the agent does not tell everything that runs as the user.

// listingDecoys is what asking for them is, for the middle of a sentence.
const listingDecoys = "tell where decoys lie"

func (s *Server) decoys(c *call) (any, error) {
	if s.Backend.Decoys == nil {
		return nil, missing("guard decoys")
	}
	if _, err := s.clear(c, listingDecoys); err != nil {
		return nil, err
	}
	if !s.mayKnow(c) {
		return nil, faultf(http.StatusForbidden, "type the command in a terminal, or look in the dashboard",
			"refused to %s: the call comes neither from a person's terminal nor from a program that is vouched for", listingDecoys)
	}
	return map[string]any{"version": 1, "decoys": list(s.Backend.Decoys(c.sees()))}, nil
}

// mayKnow reports whether the caller may know where decoys lie: root may, and one
// of our own programs with nobody but the person behind it. A terminal alone
// does not do, as whatever likes can make one, and nobody would hear of it. Where
// the agent does not know its own programs, it has to.
func (s *Server) mayKnow(c *call) bool {
	p := s.caller(c)
	if p == nil || s.below(p) != "" {
		return false
	}
	if c.peer.uid == 0 {
		return true
	}
	_, err := s.program(c.peer, p)
	switch {
	case s.Exe == "", errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0: // who hides is hidden from an agent that is not root's
		return p.TTY != "" && s.behind(p, func(a *wormbell.Process) bool { return a == p }) == ""
	case err != nil:
		return false
	}
	return c.peer.alive() && s.behind(p, func(a *wormbell.Process) bool { return a == p || s.runsOurs(c.peer, a) }) == ""
}

func (s *Server) plantDecoy(c *call) (any, error) {
	var in struct{ Home, Path, Kind, Made string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if s.Backend.PlantDecoy == nil {
		return nil, missing("guard decoys")
	}
	// What is taken for a decoy is taken for no credential: no file may become one
	// that a program keeps something in.
	if kind, ok := decoy.Place(in.Path); !ok || kind != in.Kind || len(in.Home) > 1024 {
		return nil, faultf(http.StatusBadRequest, "", "a decoy of this kind does not lie there")
	}
	if in.Made != "" && (in.Made != decoy.Folder(in.Path) || in.Made == "~") {
		return nil, faultf(http.StatusBadRequest, "", "no folder can have been made for it there")
	}
	if _, err := s.clear(c, "plant a decoy"); err != nil {
		return nil, err
	}
	c.patience(2 * answerTime)
	d, err := s.Backend.PlantDecoy(c.r.Context(), c.peer.uid, wormbell.Decoy{Home: in.Home, Path: in.Path, Kind: in.Kind, Made: in.Made})
	if err != nil {
		return nil, faultf(http.StatusConflict, "", "the file is not taken for a decoy: %v", err)
	}
	s.Log.Info("decoy planted", "uid", c.peer.uid, "id", d.ID, "kind", d.Kind)
	return d, nil
}

func (s *Server) forgetDecoy(c *call) (any, error) {
	if s.Backend.Decoys == nil || s.Backend.ForgetDecoy == nil {
		return nil, missing("guard decoys")
	}
	id := c.r.PathValue("id")
	what := "take back decoy " + id
	p, err := s.loosen(c, what)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.Backend.Decoys(c.sees()), func(d wormbell.Decoy) bool { return d.ID == id }) {
		return nil, faultf(http.StatusNotFound, "'wormbell decoy list' lists them", "there is no such decoy of yours")
	}
	if err := s.Backend.ForgetDecoy(id); err != nil {
		return nil, faultf(http.StatusConflict, "", "%v", err)
	}
	s.accepted(c, p, what)
	return struct{}{}, nil
}

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/internal/ancestry"
)

// This file judges callers by what they descend from.

// caller returns the process that made the connection, with its ancestry; nil
// if that cannot be told for certain: it has ended, or part of its ancestry is
// not known.
func (s *Server) caller(c *call) *wormbell.Process {
	// Before and after: in between the PID cannot have become another's.
	if !c.peer.alive() {
		return nil
	}
	p := s.At(c.peer.pid)
	if p == nil || p.PID != c.peer.pid || !c.peer.alive() {
		return nil
	}
	last, n := p, 0
	for a := range p.Chain {
		last = a
		n++
	}
	// Chain ends somewhere; a chain that long is made to hide what is above it.
	if n >= 64 || last.PID > 1 && !topmost(last.PID) {
		return nil
	}
	return p
}

// loosen decides whether the caller may do what, which loosens the guard. It
// returns the caller's process for [Server.accepted].
func (s *Server) loosen(c *call, what string) (*wormbell.Process, error) {
	p, err := s.clear(c, what)
	if err != nil {
		return nil, err
	}
	// Each one that is accepted is written to the log and to the disk.
	if !s.loosened.allow(c.peer.uid, s.Now()) {
		return nil, faultf(http.StatusTooManyRequests, "try again in a minute", "refused to %s: there were very many such calls", what)
	}
	if p.TTY == "" && c.peer.uid != 0 { // root without a terminal is configuration management
		return p, s.windowed(c, p, what)
	}
	return p, nil
}

// windowed returns nil if p, which has no terminal, is one of our own programs
// at which a person clicks, the tray or the dashboard, and nobody but the
// person and their desktop is behind it. A script that starts it does not
// become a person by that: it could as well click.
func (s *Server) windowed(c *call, p *wormbell.Process, what string) error {
	why, hint := "an agent that does not know its own program knows no other", "run it in a terminal, or do it in the tray or the dashboard"
	if s.Exe != "" {
		name, err := s.program(c.peer, p)
		ours := func(a *wormbell.Process) bool { return a == p || s.runsOurs(c.peer, a) }
		hidden := errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0
		args := p.Args
		if hidden {
			if name, err = s.resembles(p); len(args) == 0 { // it hid before this agent first saw it
				args = hiddenArgs(p.PID)
			}
			ours = func(a *wormbell.Process) bool {
				if a == p || s.runsOurs(c.peer, a) {
					return true
				}
				_, err := s.resembles(a)
				return err == nil
			}
		}
		switch {
		case hidden && err != nil:
			why = "it hides what it runs, and this agent is not root's, so it cannot tell"
			hint = "type the command in a terminal; an agent that root runs can tell more ('sudo wormbell install')"
		case err != nil:
			why = err.Error()
		case !hasWindows(name, args):
			why = "it is neither the tray nor the dashboard"
		case !c.peer.alive(): // else the PID may have been another's
			why = "it has ended"
		default:
			return s.vouched(c, p, what, ours)
		}
	}
	if s.tells(c.peer) {
		s.Log.Warn("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", "no terminal", "program", why)
	}
	return faultf(http.StatusForbidden, hint,
		"refused to %s: the call comes from no terminal (%s)", what, why)
}

// resembles returns the name of the one of our own programs that p, which keeps
// this agent from seeing what it runs, is like. It is an error if it is like none.
//
// Ours hide from whatever is not root's, also from an agent that a user runs. Of
// such a program that agent learns no more than the name that it gives itself.
// That proves nothing; but whoever can give themselves a name can make themselves
// a terminal, too, and from there this agent takes the same. A root's agent never
// asks this, and no agent does where a terminal would not do.
func (s *Server) resembles(p *wormbell.Process) (name string, err error) {
	if now := s.At(p.PID); now == nil || now.ID() != p.ID() {
		return "", errNotOurs("it has ended")
	}
	name, err = hiddenName(p.PID)
	if err == nil && !slices.Contains(programs, name) {
		err = errNotOurs("another program asks")
	}
	return name, err
}

// shows returns what reports whether a process shows the caller's page, as it was
// started by it: without its browser a dashboard has no button left to let things
// go on. It is nil unless the caller is our own tray or dashboard, and nothing
// counts that is not vouched for, with all between it and the caller: the browser
// is named by a variable that anybody may have set.
func (s *Server) shows(c *call) func(*wormbell.Process) bool {
	p := s.caller(c)
	if p == nil || s.Exe == "" {
		return nil
	}
	if name, err := s.program(c.peer, p); err != nil || !hasWindows(name, p.Args) || !c.peer.alive() {
		return nil
	}
	return func(q *wormbell.Process) bool {
		for a := range q.Chain {
			if a.ID() == p.ID() {
				return true
			}
			if a.Signer == "" || a.Replaced != "" || a.Package != nil || a.Lifecycle != "" {
				return false
			}
		}
		return false
	}
}

// hasWindows reports whether a person clicks at our program of this name when
// it was started with args, the first of which is its own name.
func hasWindows(name string, args []string) bool {
	if name == "wormbell-tray" {
		return true
	}
	for _, a := range args[min(1, len(args)):] {
		// The link is written where a program may read it, and opened by nobody.
		if flag, _, _ := strings.Cut(a, "="); flag == "--no-browser" || flag == "--json" {
			return false
		}
	}
	// The command comes first, but for the one flag that our own programs put before
	// it: with any other, its value would pass for the command.
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--socket":
			i++ // its value
		case strings.HasPrefix(a, "--socket="):
		default:
			return a == "dashboard"
		}
	}
	return false
}

// clear returns the caller's process if nothing it descends from is suspect.
func (s *Server) clear(c *call, what string) (*wormbell.Process, error) {
	p := s.caller(c)
	if p == nil {
		if s.tells(c.peer) {
			s.Log.Warn("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", "caller not known")
		}
		return nil, faultf(http.StatusForbidden, "run it again from an ordinary terminal", "refused to %s: the agent could not tell who asks", what)
	}
	if why := s.below(p); why != "" {
		if s.tells(c.peer) {
			s.Log.Warn("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", why)
			if what == announcing && s.harmless(c, p) {
				s.Store.AddCall(alert.Call{Time: s.Now(), User: c.user(), PID: p.PID, Exe: p.Exe, What: "refused " + what + ": " + why})
			} else {
				s.emit(c, p, "refused "+what+": "+why)
			}
		}
		return nil, faultf(http.StatusForbidden, "run it yourself in a terminal of its own", "refused to %s: the call comes from %s", what, why)
	}
	return p, nil
}

// tells reports whether a refusal is written to the log, and the like, for not
// every one is: the journal drops lines of whoever writes too many, and with them
// those of findings.
func (s *Server) tells(p *peer) bool { return s.refusals.allow(p.uid, s.Now()) }

// harmless reports whether a refused announcement of p's silences nobody and need
// not ring: it is our own program, whatever started it, that asks before it reads.
// A package's script has no business with that either.
func (s *Server) harmless(c *call, p *wormbell.Process) bool {
	for a := range p.Chain {
		if a.Package != nil || a.Lifecycle != "" {
			return false
		}
	}
	_, err := s.program(c.peer, p)
	return err == nil && c.peer.alive() // else the PID may have been another's
}

// below says what p descends from that must not loosen the guard, "" if nothing.
func (s *Server) below(p *wormbell.Process) string {
	for a := range p.Chain {
		switch {
		case a.Package != nil:
			return fmt.Sprintf("below the %s script of %s", a.Lifecycle, a.Package)
		case a.Lifecycle != "":
			return fmt.Sprintf("below a %s script", a.Lifecycle)
		case ancestry.NamedInstaller(a):
			name, _, _ := ancestry.Client(a) // of one that is known by its title alone, Name says "node"
			return fmt.Sprintf("below %s (pid %d)", name, a.PID)
		}
	}
	if id, ok := s.Store.Suspect(p); ok {
		return "below a process of alert " + id
	}
	return ""
}

// accepted announces and keeps a call that loosened the guard.
//
// A terminal proves little, as whatever likes can make one. So with a user's
// call to the agent of the whole machine it is said if somebody other than the
// person may be behind it. It is not refused for that: scripts of a person's
// own do such things, and what is accepted is loud.
func (s *Server) accepted(c *call, p *wormbell.Process, what string) {
	exe := p.Exe
	if exe == "" && os.Geteuid() != 0 {
		if name, err := s.resembles(p); err == nil {
			exe = name
		}
	}
	s.Store.AddCall(alert.Call{Time: s.Now(), User: c.user(), PID: p.PID, Exe: exe, What: what})
	line := "accepted " + what
	if !c.owns() {
		if why := s.behind(p, func(a *wormbell.Process) bool { return s.runsOurs(c.peer, a) }); why != "" {
			line = "doubted " + what + ": " + why
		}
	}
	s.Log.Info("call accepted", "call", what, "uid", c.peer.uid, "pid", p.PID)
	s.emit(c, p, line)
}

func (s *Server) emit(c *call, p *wormbell.Process, line string) {
	if s.Backend.Emit != nil {
		s.Backend.Emit(wormbell.Event{Time: s.Now().UTC(), Kind: wormbell.AgentCall, Source: "api", User: c.user(), Process: p, Line: line})
	}
}

// locked returns the refusal if an administrator's file has locked name, whoever
// asks: root's shell is within reach of who uses the machine, and what the
// administrator means stands in the files. what is what was asked. It comes
// after the caller was judged, so that a worm's try is told as one.
func (s *Server) locked(c *call, name, what string) error {
	if s.Backend.Locked == nil {
		return nil
	}
	file := s.Backend.Locked(name)
	if file == "" {
		return nil
	}
	if s.tells(c.peer) {
		s.Log.Info("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", "locked", "file", file)
	}
	return faultf(http.StatusForbidden, "'wormbell settings' shows what is locked; ask who looks after this machine", "%s is locked by your administrator: %s", name, file)
}

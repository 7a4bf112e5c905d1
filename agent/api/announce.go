package api

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/internal/ancestry"
	"wormbell/internal/trustrow"
)

// This file holds what only our own programs may do: announce which credential
// files they are about to read, note what a response did, and, without a
// terminal, loosen the guard. They are known by the file that they run, which
// must be the one beside the agent's.

// programs are ours, by the names they have beside the agent.
var programs = []string{"wormbell", "wormbell-tray"}

// errNotOurs is returned by [Server.program] for a peer that runs something
// else, and for one whose doing may be somebody else's; the text says which.
type errNotOurs string

func (e errNotOurs) Error() string { return string(e) }

// announcing is what an announcement does, for the middle of a sentence.
const announcing = "announce the reading of credentials"

// announce is POST announce.
func (s *Server) announce(c *call) (any, error) {
	var in struct {
		Paths   []string
		Seconds float64
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if s.Backend.Announce == nil || s.Exe == "" {
		return nil, missing("take announcements")
	}
	switch {
	case len(in.Paths) == 0 || len(in.Paths) > maxAnnounced:
		return nil, faultf(http.StatusBadRequest, "", "an announcement is of 1 to %d files", maxAnnounced)
	case !(in.Seconds >= 1 && in.Seconds <= maxAnnouncedFor.Seconds()):
		return nil, faultf(http.StatusBadRequest, "", "an announcement holds for a second to %v", maxAnnouncedFor)
	}
	for _, p := range in.Paths {
		if !strings.HasPrefix(p, "~/") || !trustrow.PathForm.MatchString(p) || path.Clean(p) != p || strings.Contains(p, "/../") || len(p) > 1024 {
			return nil, faultf(http.StatusBadRequest, "", "a path must begin with ~/ and be as short as it can be")
		}
	}
	p, err := s.ours(c, announcing)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	within := time.Duration(in.Seconds) * time.Second
	events := make([]wormbell.Event, len(in.Paths))
	for i, name := range in.Paths {
		events[i] = wormbell.Event{Time: now, Kind: wormbell.AgentCall, Source: "api", User: c.user(), Process: p, Path: name,
			Line: wormbell.Announced, Count: int(within.Seconds())}
	}
	// The detectors must know before the reader does: it reads at once.
	if err := s.Backend.Announce(events); err != nil {
		return nil, faultf(http.StatusServiceUnavailable, "try again in a few seconds", "%v", err)
	}
	what := fmt.Sprintf("read %d files within %v: %s", len(in.Paths), within, strings.Join(in.Paths, " "))
	if len(in.Paths) == 1 {
		what = fmt.Sprintf("read %s within %v", in.Paths[0], within)
	}
	s.Store.AddCall(alert.Call{Time: now, User: c.user(), PID: p.PID, Exe: p.Exe, What: what})
	s.Log.Info("reading announced", "uid", c.peer.uid, "pid", p.PID, "files", len(in.Paths), "seconds", within.Seconds())
	return map[string]any{"until": now.Add(within).Format(time.RFC3339), "paths": len(in.Paths)}, nil
}

// ours returns the caller's process if it runs one of our own programs, nothing
// that it descends from is suspect, and nobody but the person is behind it.
func (s *Server) ours(c *call, what string) (*wormbell.Process, error) {
	p, err := s.clear(c, what)
	if err != nil {
		return nil, err
	}
	_, err = s.program(c.peer, p)
	var not errNotOurs
	switch {
	case err == nil && c.peer.alive(): // else the PID may have been another's
		return p, s.vouched(c, p, what, func(a *wormbell.Process) bool { return a == p || s.runsOurs(c.peer, a) })
	case errors.As(err, &not):
		if s.tells(c.peer) {
			s.Log.Warn("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", err)
		}
		return nil, faultf(http.StatusForbidden, "only the wormbell that is installed beside the agent may", "refused to %s: %v", what, err)
	}
	if s.tells(c.peer) {
		s.Log.Warn("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", "program not known", "err", err)
	}
	return nil, faultf(http.StatusForbidden, "run it again; an agent that is not root cannot tell", "refused to %s: the agent could not tell which program asks", what)
}

// vouched returns nil if everything between p, which made the call, and the
// shell that a person types at, the IDE or the service is vouched for. ours says
// which processes need nobody who does, as they run our own programs.
//
// Whatever starts our program hands it its environment, and with that a proxy
// and the certificates to believe: the plan of what a worm's program starts may
// be the worm's, and the services' answers, too.
func (s *Server) vouched(c *call, p *wormbell.Process, what string, ours func(*wormbell.Process) bool) error {
	why := s.behind(p, ours)
	if why == "" {
		return nil
	}
	if s.tells(c.peer) {
		s.Log.Warn("call refused", "call", what, "uid", c.peer.uid, "pid", c.peer.pid, "why", why)
	}
	return faultf(http.StatusForbidden, "what root or a package of the system has installed is vouched for, a script or a program in a home is not",
		"refused to %s: %s; type the command in a terminal yourself", what, why)
}

// behind says what may act for p, which made a call, besides the person: see
// [ancestry.Unvouched]. It is "" if nothing does.
func (s *Server) behind(p *wormbell.Process, ours func(*wormbell.Process) bool) string {
	by := ancestry.Unvouched(p, ours)
	switch {
	case by == nil:
		return ""
	case by.Replaced != "":
		return fmt.Sprintf("%s ran %s before, which nobody vouches for", by, by.Replaced)
	case by.Unjudged:
		return fmt.Sprintf("%s, from below which the call comes, ended before the agent could tell who vouches for it", by)
	case by.Exe == "" && len(by.Args) == 0:
		return fmt.Sprintf("the agent could not tell what process %d ran, from below which the call comes", by.PID)
	case by == p:
		return fmt.Sprintf("the call comes from %s, which nobody vouches for", by)
	}
	return fmt.Sprintf("the call comes from below %s, which nobody vouches for", by)
}

// runsOurs reports whether a, the peer or an ancestor of it, still runs what it
// ran when it started what is below it, and that is one of our own programs.
func (s *Server) runsOurs(peer *peer, a *wormbell.Process) bool {
	now := s.At(a.PID)
	if now.ID() != a.ID() || now.Exe != a.Exe || a.Script != "" {
		return false
	}
	running, err := exeOf(a.PID)
	if err != nil {
		return false
	}
	own, err := look(s.Exe)
	if err != nil {
		return false
	}
	for _, name := range programs {
		file := filepath.Join(filepath.Dir(s.Exe), name)
		if found, err := look(file); err == nil && a.Exe == file && found.regular && found.id == running.id {
			return ownedBy(file, own.owner, peer.uid) == nil
		}
	}
	return false
}

// program returns the name of the one of our own programs that the peer, whose
// process is p, runs, and nil if it does so undisturbed.
//
// It is compared by device and inode, so that neither a copy nor a name nor a
// mount of the caller's counts, while a hard link, which is the same file, does.
// Our programs are static: no loader runs before them, and so LD_PRELOAD,
// LD_AUDIT and the like have nobody to read them; a Go program reads no
// variable that makes it run code. One that was built with libraries counts
// only if the lineage vouches for it, which judges those variables.
func (s *Server) program(peer *peer, p *wormbell.Process) (name string, err error) {
	running, err := exeOf(peer.pid)
	if err != nil {
		return "", err
	}
	if running.id != peer.exe {
		return "", errNotOurs("it has executed another program since it connected")
	}
	own, err := look(s.Exe)
	if err != nil {
		return "", err
	}
	for _, name := range programs {
		file := filepath.Join(filepath.Dir(s.Exe), name)
		found, err := look(file)
		if err != nil || found.id != running.id || !found.regular {
			continue
		}
		if err := ownedBy(file, own.owner, peer.uid); err != nil {
			return "", err
		}
		static, err := static(file, found)
		if err != nil {
			return "", err
		}
		if !static && p.Signer == "" {
			return "", errNotOurs("it loads libraries, and nobody vouches for those: build it with CGO_ENABLED=0, as 'make build' does")
		}
		return name, undisturbed(peer)
	}
	return "", errNotOurs("another program asks")
}

// ownedBy reports whether only those who could replace the agent itself can
// have put file there: root, and the owner of the agent's own program if that
// is somebody else. The latter is for a build in a developer's own folder that
// they run with sudo: whoever could put a false program there could as well
// put a false agent there, which root would then run. Such a program counts
// for its owner (and root) only.
func ownedBy(file string, own, caller int) error {
	trusted := func(uid int) bool { return uid == 0 || uid == own && (caller == own || caller == 0) }
	for name := file; ; name = filepath.Dir(name) {
		f, err := look(name)
		switch {
		case err != nil:
			return err
		case !f.regular && !f.folder:
			return errNotOurs(fmt.Sprintf("%s is neither a file nor a folder", name))
		case !trusted(f.owner):
			return errNotOurs(fmt.Sprintf("%s belongs to uid %d", name, f.owner))
		// In a sticky folder everybody may put files, but not replace these.
		case f.open && !(f.folder && f.sticky):
			return errNotOurs(fmt.Sprintf("others may write %s", name))
		}
		if name == "/" {
			return nil
		}
	}
}

package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/api"
	"wormbell/agent/settings"
	"wormbell/internal/answer"
	"wormbell/internal/trustrow"
	"wormbell/watchers"
)

// This file holds what an agent makes of its settings: what it does about those
// that cannot be, and what it tells of them.

// set is where an agent's settings are from. It does not change once the API is
// served.
type set struct {
	from     *settings.Settings
	problems []string            // in sentences; of what is not in force
	notices  []string            // of what is, and is a lot
	rows     []wormbell.TrustRow // of the administrator's files
	found    bool                // the homes are those that are found, although a file names others
	silent   bool                // one of those that were named did not answer
	folders  *folders
}

func newSet(o Options, c Config) *set {
	s := &set{from: o.Settings, folders: newFolders()}
	if s.from == nil {
		s.from = &settings.Settings{Config: c}
	}
	s.problems = slices.Clone(s.from.Problems)
	return s
}

// byFile reports whether a key was set by a file: nobody sits in front of an
// agent that a file keeps from starting.
func (s *set) byFile(key string) bool {
	from := s.from.From[key]
	return from != "" && !strings.HasPrefix(from, "-")
}

// homes returns the homes to guard. One that a file names and that is not there
// is told, and if there is none of them, those that are found are guarded: the
// same file goes to many machines. One that does not answer is told as well,
// whoever names it.
func (s *set) homes(given []string) ([]watchers.Home, error) {
	if len(given) == 0 {
		return s.folders.homes(given, nil)
	}
	file, wrong, silent := s.from.From["homes"], error(nil), 0
	list, err := s.folders.homes(given, func(dir string, why error) {
		switch {
		case errors.Is(why, answer.ErrSilent):
			silent++
			s.problems = append(s.problems, fmt.Sprintf("home folder: %q: it does not answer; it is not guarded", dir))
		case s.byFile("homes"):
			s.problems = append(s.problems, fmt.Sprintf("settings: %q names a home that is not guarded: %v", file, why))
		case wrong == nil:
			wrong = why
		}
	})
	s.silent = silent > 0
	switch {
	case wrong != nil:
		return nil, wrong
	case err == nil || !s.byFile("homes"):
		return list, err
	}
	s.problems = append(s.problems, fmt.Sprintf("settings: %q names no home that is there; those that are found are guarded", file))
	delete(s.from.From, "homes")
	s.found = true
	return s.folders.homes(nil, nil)
}

// keep writes down what is in force.
func (s *set) keep(dir string, log *slog.Logger) {
	if err := s.from.Keep(dir); err != nil {
		log.Warn("settings are not kept", "err", err)
		s.problems = append(s.problems, fmt.Sprintf("settings: a file that is spoiled later could not be stood in for: %v", err))
	}
}

// digestTime is how long programs that rows name with their digest are looked at
// while the agent starts: nothing is guarded yet, and a file may be slow.
const digestTime = 2 * time.Second

// readTrust reads the administrator's rows. digest is [watchers.Lineage.Digest].
//
// A row whose program others than root may write must say what that program is:
// a digest that the agent took by itself, at every start, would be that of
// whatever a thief has put there meanwhile.
func (s *set) readTrust(src settings.Source, digest func(who string, uid int) (string, error)) {
	rows, problems, notices := settings.Trust(src, time.Now())
	s.problems, s.notices = append(s.problems, problems...), append(s.notices, notices...)
	began := time.Now()
	for _, r := range rows {
		if r.Digest != "" && time.Since(began) > digestTime {
			s.add(r) // it is compared when it reads, which is what matters
			continue
		}
		now, err := digest(r.Who, 0)
		switch {
		case r.Digest != "" && err == nil && now == "":
			err = errors.New("only root may write its program, so its digest is not compared: leave it out")
		case r.Digest != "":
			err = nil // what is not there yet, or not what it was, is compared when it reads
		case err == nil && now != "":
			err = errors.New("others than root may write its program, so it needs its digest (docs/fleet.md)")
		}
		if err != nil {
			s.problems = append(s.problems, fmt.Sprintf("trust: the row for %q with %q of %q is left out: %v", r.Who, r.Store, r.File, err))
			continue
		}
		s.add(r)
	}
}

func (s *set) add(r wormbell.TrustRow) {
	s.rows = append(s.rows, r)
	if trustrow.Wide(r) {
		s.notices = append(s.notices, fmt.Sprintf("trust: %q lets %q read %q, which is a lot (row %s)", r.File, r.Who, r.Store, r.ID))
	}
}

// tell writes to the log what must be known of the settings.
func (s *set) tell(log *slog.Logger) {
	for _, p := range s.problems {
		log.Error("settings", "problem", p)
	}
	for _, n := range s.notices {
		log.Warn("settings", "notice", n)
	}
	log.Info("settings in force", "files", strings.Join(s.from.Files, " "), "locked", strings.Join(s.from.Locked, " "), "trust_rows", len(s.rows))
}

func (s *set) locked(name string) string { return s.from.Locks[name] }

// list is every setting as it is now; switched says that protect was, by a call.
func (s *set) list(now Config, switched bool) []wormbell.Setting {
	if now.LogLevel == "" {
		now.LogLevel = "info"
	}
	list := s.from.List(now)
	for i := range list {
		if list[i].Key == "protect" && switched {
			list[i].From = wormbell.FromCall
		}
	}
	return list
}

// listen opens the API. Where the settings' files want it at a place that
// cannot be, it is opened where everybody looks for it.
func (a *agent) listen() (*api.Server, error) {
	server, err := api.Listen(a.api())
	if err == nil || errors.Is(err, api.ErrInUse) || !a.set.byFile("socket") {
		return server, err
	}
	file, wanted := a.set.from.From["socket"], a.config.Socket
	a.config.Socket = ""
	if err := defaults(&a.config); err != nil {
		return nil, err
	}
	if a.config.Socket == wanted {
		return nil, err
	}
	p := fmt.Sprintf("settings: %q wants the socket at %q, where it cannot be: %v", file, wanted, err)
	a.log.Error("settings", "problem", p)
	a.set.problems = append(a.set.problems, p)
	delete(a.set.from.From, "socket")
	return api.Listen(a.api())
}

// SettingsSource is where the settings of an agent are that was started with
// these flags, each "" if it was not given.
func SettingsSource(config, state string) (settings.Source, error) {
	src := settings.Source{File: config, Named: config != "", Root: os.Geteuid() == 0}
	if config == "" {
		src.File = settings.DefaultFile()
	}
	// Not where a file wants the state: that file may be the one that is spoiled.
	c := Config{State: state}
	if err := defaults(&c); err != nil {
		return src, err
	}
	src.Kept = c.State
	return src, nil
}

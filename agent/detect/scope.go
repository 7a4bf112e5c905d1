package detect

import (
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

// Scope is what a check may ask and tell while it looks at one event. It is
// good for that one call.
type Scope struct {
	engine   *Engine
	detector *Detector
	event    wormbell.Event
	found    []wormbell.Finding
}

// Report makes a finding. Subject and Summary are the check's; what is zero of
// Severity, Process and Time is taken from the detector and the event.
// Evidence holds what led here, oldest first: the event itself is added, and
// before all the others a command from the shell's history that names what
// runs, if one was typed within the last ten minutes.
func (s *Scope) Report(f wormbell.Finding) {
	f.Detector = s.detector.ID
	if f.Severity == 0 {
		f.Severity = s.detector.Severity
	}
	if f.Process == nil {
		f.Process = s.event.Process
	}
	if f.Time.IsZero() {
		f.Time = s.event.Time
	}
	f.Summary = printable(f.Summary, 600)
	f.Subject = printable(f.Subject, 300)
	evidence := slices.Clone(f.Evidence)
	if c, ok := s.command(f.Process); ok {
		evidence = slices.Insert(evidence, 0, c)
	}
	f.Evidence = append(evidence, s.event)
	s.found = append(s.found, f)
}

// Vouched returns the row of the trust table that covers the event, a read of
// a guarded file.
func (s *Scope) Vouched(e wormbell.Event) (wormbell.TrustRow, bool) {
	return s.engine.trust.Vouched(e, s.Suspect)
}

// Announced reports whether one of our own programs had said that it was about
// to make the read e: see [wormbell.Announced].
func (s *Scope) Announced(e wormbell.Event) bool { return s.engine.announced.covers(e) }

// Suspect reports whether p or what it belongs to has raised a finding before:
// see [Engine.Suspect].
func (s *Scope) Suspect(p *wormbell.Process) bool { return s.engine.Suspect(p) }

// Tilde writes an absolute path inside one of the guarded homes with ~, and
// every other path as it is.
func (s *Scope) Tilde(p string) string { return s.engine.trust.tilde(p) }

// Temp reports whether the absolute path p is in a folder for temporary files
// and outside every home.
func (s *Scope) Temp(p string) bool { return s.engine.trust.temp(p) }

// contextWindow is how long a typed command explains what runs.
const contextWindow = 10 * time.Minute

// command returns the newest command that the user typed within the context
// window and that names p or a process that p belongs to.
func (s *Scope) command(p *wormbell.Process) (wormbell.Event, bool) {
	user := s.event.User
	if user == "" && p != nil {
		user = p.User
	}
	typed := s.engine.commands.Of(user, s.event.Time)
	for a := range p.Chain {
		if ancestry.Boundary(a) {
			break
		}
		words := commandWords(a)
		if len(words) == 0 {
			continue
		}
		for _, c := range slices.Backward(typed) {
			if names(c.Line, words) {
				return c, true
			}
		}
	}
	return wormbell.Event{}, false
}

// commandWords are the words that a command line must have to be the one that
// started a. An interpreter's or a shell's name alone says too little.
func commandWords(a *wormbell.Process) []string {
	if client, args, ok := ancestry.Client(a); ok {
		for _, arg := range args {
			if !strings.HasPrefix(arg, "-") {
				return []string{client, arg}
			}
		}
		return []string{client}
	}
	if a.Script != "" {
		return []string{path.Base(a.Script)}
	}
	if a.Exe == "" || ancestry.Shell(a) || ancestry.JavaScript(a) || ancestry.Interpreter(a) {
		return nil
	}
	return []string{path.Base(a.Exe)}
}

// names reports whether line has all words, each as the last part of a path.
func names(line string, words []string) bool {
	fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n;&|()<>\"'`", r) })
	for _, w := range words {
		if !slices.ContainsFunc(fields, func(f string) bool { return f == w || path.Base(f) == w }) {
			return false
		}
	}
	return true
}

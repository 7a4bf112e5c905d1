package detect

import (
	"fmt"
	"path"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/publish"
)

// justRemoved is how long a removed flag makes a publish suspicious.
const justRemoved = 10 * time.Minute

var privateFlagRemoved = Detector{
	ID:       "private-flag-removed",
	Title:    `A package.json lost its "private" flag`,
	Advice:   `Look at the file and at what changed it. If you did not do this, stop the process and put "private": true back: it keeps npm from publishing the project.`,
	Severity: wormbell.High,
	Kinds:    []wormbell.Kind{wormbell.ManifestChange, wormbell.ProcessStart},
	Who:      true,
	Doc: `
Fires when the "private" field of a package.json was true, as npm reads it, and is now false or gone. High when a script did it; critical, a
second time, when the same process tree runs a publish within ten minutes; medium when the system cannot tell who did it.

Low, so listed but not shown, in one alert with what else of a day is low and usual, when a person did it in an editor or with npm pkg delete
private, or git brought it. Quiet when the flag was
not there before, and when the file goes away.`,
	Blind: `
A project whose manifest was not known before, and a manifest whose writer keeps it open: it is looked at once it is closed.`,
	New: func() Check {
		w := privateWatch{
			gone:     NewRecent[string](justRemoved, 1000),
			byTree:   NewRecent[wormbell.ProcessID](justRemoved, 1000),
			byNobody: NewRecent[string](justRemoved, 1000),
			reported: NewRecent[privateKey](time.Minute, 1000),
		}
		return func(e wormbell.Event, s *Scope) {
			if e.Kind == wormbell.ManifestChange {
				w.change(e, s)
			} else {
				w.start(e, s)
			}
		}
	},
}

type privateWatch struct {
	gone     *Recent[string]             // manifests that went away while they were private
	byTree   *Recent[wormbell.ProcessID] // removals, by the root of the tree that did it
	byNobody *Recent[string]             // removals nobody is known for, by manifest
	reported *Recent[privateKey]
}

// privateKey is one removal by one tree, or the publish that came of it.
type privateKey struct {
	root      wormbell.ProcessID
	path      string
	published bool
}

// removedFlag reports whether e says that a manifest's private flag went from
// true to false. gone remembers manifests that were removed while they were
// private: a script that deletes the file and writes it anew changes it all
// the same.
func removedFlag(e wormbell.Event, gone *Recent[string]) bool {
	if e.Is == nil {
		if e.Was != nil && e.Was.Private {
			gone.Add(e.Path, e)
		}
		return false
	}
	if e.Is.Private {
		return false
	}
	return e.Was != nil && e.Was.Private || e.Was == nil && gone.Has(e.Path, e.Time)
}

func (w *privateWatch) change(e wormbell.Event, s *Scope) {
	if !removedFlag(e, w.gone) {
		return
	}
	key := privateKey{ancestry.Root(e.Process).ID(), e.Path, false}
	if w.reported.Has(key, e.Time) {
		return
	}
	w.reported.Add(key, e)
	f := wormbell.Finding{Subject: e.Path, Summary: fmt.Sprintf(`%s removed "private": true from %s`, s.who(e.Process), e.Path)}
	switch {
	case e.Process == nil:
		w.byNobody.Add(e.Path, e)
		f.Severity = wormbell.Medium
		f.Summary = fmt.Sprintf(`"private": true was removed from %s; this system could not tell by whom`, e.Path)
	default:
		if !ancestry.Boundary(e.Process) { // an IDE hosts more than one piece of work
			w.byTree.Add(key.root, e)
		}
		if s.byHand(e.Process) {
			f.Severity, f.Gathered = wormbell.Low, true
		}
	}
	s.Report(f)
}

// byHand reports whether p changes files at a person's bidding: everything
// from p up to the shell, IDE or service it hangs below is vouched for, or is
// a native program such as an editor, and no package manager runs it as a
// script.
func (s *Scope) byHand(p *wormbell.Process) bool {
	if ancestry.Dependency(p) != nil || s.Suspect(p) || ancestry.UnvouchedScript(p) != nil {
		return false
	}
	for a := range p.Chain {
		if a != p && ancestry.NamedInstaller(a) {
			return false
		}
		if ancestry.Boundary(a) {
			break
		}
		if a.Signer == "" && (a.Script != "" || ancestry.Interpreter(a) || ancestry.Shell(a)) {
			return false
		}
	}
	return true
}

// start looks for the publish that a removal prepared.
func (w *privateWatch) start(e wormbell.Event, s *Scope) {
	a, ok := publish.Parse(e.Process)
	if !ok || a.DryRun || sameAttempt(e.Process) {
		return
	}
	root := ancestry.Root(e.Process).ID()
	removals := w.byTree.Of(root, e.Time)
	if len(removals) == 0 && (ancestry.Dependency(e.Process) != nil || ancestry.UnvouchedScript(e.Process) != nil) {
		removals = w.byNobody.Of(path.Join(s.Tilde(a.Folder), "package.json"), e.Time)
	}
	if len(removals) == 0 {
		return
	}
	removal := removals[len(removals)-1]
	key := privateKey{root, removal.Path, true}
	if w.reported.Has(key, e.Time) {
		return
	}
	w.reported.Add(key, e)
	did := `removed "private": true from`
	if removal.Process == nil {
		did = `may have removed "private": true from`
	}
	s.Report(wormbell.Finding{Subject: removal.Path, Severity: wormbell.Critical, Evidence: removals,
		Summary: fmt.Sprintf(`%s %s %s and ran %s publish %s later`, s.whose(e.Process), did, removal.Path, a.Client, span(e.Time.Sub(removal.Time)))})
}

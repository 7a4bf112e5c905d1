package detect

import (
	"fmt"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/publish"
)

var publishByInstallScript = Detector{
	ID:       "publish-by-install-script",
	Title:    "An install script publishes packages",
	Advice:   "Freeze it now, then respond to the alert: it looks for traps first, and only then replaces and revokes your npm tokens. Also look on the registry for versions that you did not publish.",
	Severity: wormbell.Critical,
	Kinds:    []wormbell.Kind{wormbell.ProcessStart},
	Who:      true,
	Doc: `
Fires at the first publish (npm, pnpm, yarn or bun, staged or not) by the lifecycle script of a dependency or by anything below one, also
detached. No dependency has business publishing anything while it is installed.

Quiet for dry runs, and for prepublishOnly, postpublish and the like of the project that is being published: that is no dependency.`,
	Blind: `
A publish without a package manager, by a request of the worm's own: that is seen by the token that it reads. Whether a publish succeeded.`,
	New: func() Check {
		reported := NewRecent[publishKey](time.Minute, 1000)
		return func(e wormbell.Event, s *Scope) {
			if ancestry.Dependency(e.Process) == nil {
				return
			}
			a, ok := publish.Parse(e.Process)
			if !ok || a.DryRun || sameAttempt(e.Process) {
				return
			}
			what := s.published(e, a)
			key := publishKey{ancestry.Root(e.Process).ID(), what}
			if reported.Has(key, e.Time) {
				return
			}
			reported.Add(key, e)
			s.Report(wormbell.Finding{Subject: what, Summary: fmt.Sprintf("%s publishes %s", s.who(e.Process), what)})
		}
	},
}

// publishKey is one thing that one tree publishes.
type publishKey struct {
	root wormbell.ProcessID
	what string
}

// sameAttempt reports whether p is the second client of one publish: pnpm
// starts npm for it, and a yarn or pnpm starts the version that the project
// asks for. A lifecycle script in between (`sh -c`) makes it one of its own.
// Which workspaces of a project are published is told by the children alone.
func sameAttempt(p *wormbell.Process) bool {
	parent, ok := publish.Parse(p.Parent)
	if !ok {
		return false
	}
	child, _ := publish.Parse(p)
	return !parent.Workspaces || child.Workspaces
}

// published says what a publishes: the package where it is known, else the
// folder or file.
func (s *Scope) published(e wormbell.Event, a publish.Attempt) string {
	switch {
	case e.Package != nil && e.Package.Name != "":
		return e.Package.String()
	case a.Tarball != "":
		return s.Tilde(a.Tarball)
	case a.Folder != "":
		return s.Tilde(a.Folder)
	case a.Spec != "":
		return a.Spec
	}
	return "a package"
}

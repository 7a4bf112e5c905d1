package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/stores"
)

var credentialRead = Detector{
	ID:       "credential-read",
	Title:    "A program read credentials that are not its own",
	Advice:   "If you did not start this, stop it, then answer the alert: the credential must be taken for stolen. If it is a tool you trust, allow it.",
	Severity: wormbell.High,
	Kinds:    []wormbell.Kind{wormbell.FileRead},
	Who:      true,
	Follow:   true,
	Doc: `
Fires when a guarded credential file is opened for reading by a process that no row of the trust table vouches for: most of all
anything below the install script of a dependency, and scripts that nobody vouches for.

Low, so listed and not notified, and once a day at the most, for a registry tool that reads npm's file itself, if its package is as a package manager left it:
lerna, semantic-release and np do so at every release; wrangler, create-next-app and Angular's ng to ask the registry for a version. They load some hundred packages while they do. One alert has a
day's registry tools, each with its read; what else one of them does is an alert of its own, which tells of that read, too.

Quiet for the programs that a credential belongs to (npm for ~/.npmrc, at any depth; git, gh, aws …), for what a person opens at a
terminal or in an editor, for backups, for what the user has allowed, and for the files that Wormbell's own program announced to read for a
plan that the person is shown. A read whose author the system cannot tell is no finding:
then the detector says that it cannot see who.

Low only, and so without a notice, if the install script of a dependency reads the .env of the very project that it is installed into: some well-known packages
do so to set themselves up (Prisma), and nothing tells them from a thief who takes that one file. It counts as a kind in a sweep all the same.

Where its tree connects to within the next minute is shown with the alert, by address and port, as far as it is seen; it makes the alert
no graver.

A row of the user's that names a program by its path, or a script, keeps a digest of the file as it was when that was allowed. Once
the file has changed, by an update or by somebody else, the row covers nothing, and the finding says that the program changed
since it was allowed.`,
	Blind: "" +
		"A secret that is in no file: in the environment, a keychain, another program's memory. A file that was open before the agent started. A read by\n" +
		"root, on NFS and on FUSE. Which dependency read it, once its code runs within the project's own process (`node server.js`): then the project is named.",
	New: func() Check {
		reported := NewRecent[readKey](time.Minute, 2000)
		asked := NewRecent[registryKey](24*time.Hour, 500)
		return func(e wormbell.Event, s *Scope) {
			store := stores.Of(e.Path)
			if store == nil || e.Decoy || e.Process == nil {
				return
			}
			if _, ok := s.Vouched(e); ok || unseen(e.Process) || s.Announced(e) {
				return
			}
			if s.engine.trust.toolOwn(e, s.engine.Suspect) {
				key := registryKey{e.User, e.Path, e.Demo}
				before := asked.Of(key, e.Time)
				if same := func(o wormbell.Event) bool { return o.Process.Tool == e.Process.Tool }; !slices.ContainsFunc(before, same) {
					asked.Add(key, e)
					s.Report(wormbell.Finding{Subject: e.Path, Severity: wormbell.Low, Gathered: true,
						Summary: fmt.Sprintf("%s, known to use your registry, read your %s (%s)", s.who(e.Process), store.Kind, e.Path) + alsoAsked(before)})
				}
				return
			}
			key := readKey{ancestry.Root(e.Process).ID(), e.Path, e.Process.Exe, e.Process.Script, e.Protect}
			if reported.Has(key, e.Time) && !(e.Denied() && e.Count > 0) { // it was stopped once more, which is to be noted
				return
			}
			reported.Add(key, e)
			summary := fmt.Sprintf("%s read your %s (%s)", s.who(e.Process), store.Kind, e.Path) + letGo(e)
			if e.Denied() {
				summary = fmt.Sprintf("%s was stopped before it read your %s (%s): it was denied, and nothing was read", s.who(e.Process), store.Kind, e.Path)
			}
			if doubt := s.engine.trust.Doubt(e); doubt != "" {
				summary += "; " + doubt
			}
			f := wormbell.Finding{Subject: e.Path, Summary: summary}
			if s.engine.trust.Usual(e, s.engine.Suspect) {
				f.Severity, f.Gathered = wormbell.Low, true
			}
			s.Report(f)
		}
	},
}

// unseen reports whether it is not known what a reader was: it was gone before
// it could be looked at and nothing above it speaks against it, or its command
// line was overwritten by then and no dependency's script is above it. That is
// as good as nobody we know.
func unseen(p *wormbell.Process) bool {
	if ancestry.Dependency(p) != nil {
		return false
	}
	return ancestry.Retitled(p) || (p.Unjudged || p.Exe == "" && len(p.Args) == 0) && ancestry.UnvouchedScript(p) == nil
}

// readKey is one program of one tree reading one file.
type readKey struct {
	root        wormbell.ProcessID
	path        string
	exe, script string
	protect     string
}

// registryKey is a user's file that registry tools read. Labels of tools are below
// the home, so those of two users look alike.
type registryKey struct {
	user, path string
	demo       bool
}

// alsoAsked is how the summary ends of a registry tool's read that others came
// before, each once: one alert has them all.
func alsoAsked(before []wormbell.Event) string {
	const most = 5 // are named
	var names []string
	for _, e := range before {
		where, name, _ := strings.Cut(strings.TrimPrefix(e.Process.Tool, "tool:"), "/node_modules/")
		if i := strings.LastIndex(name, "/node_modules/"); i >= 0 {
			name = name[i+len("/node_modules/"):]
		}
		names = append(names, name+" in "+where)
	}
	switch n := len(names); {
	case n == 0:
		return ""
	case n > most:
		names = append(names[:most:most], fmt.Sprintf("%d more", n-most))
	}
	last := len(names) - 1
	list := names[last]
	if last > 0 {
		list = strings.Join(names[:last], ", ") + " and " + list
	}
	return "; so did " + list + ", less than a day before"
}

// letGo is how a summary ends of a read that should have been denied and was not.
func letGo(e wormbell.Event) string {
	switch e.Protect {
	case wormbell.Late:
		return "; protect did not judge it in time"
	case wormbell.Unstopped:
		return "; protect could not stop it in time"
	}
	return ""
}

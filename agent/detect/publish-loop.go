package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/publish"
)

// The figures of publish-loop. The worms publish every 7 to 10 seconds, up to
// a hundred at once, or one every few minutes.
const (
	loopLength   = 3                // attempts that make a loop
	loopWindow   = 10 * time.Minute // within which they count together
	fastWindow   = time.Minute      // loopLength attempts of one package within it are too many
	slowLength   = 10               // and so are these within slowWindow
	slowWindow   = time.Hour
	namesWindow  = 30 * 24 * time.Hour // "no window": bounded only by the memory below
	groupAtMost  = 60                  // attempts looked at together: more only take time
	loopMemory   = 4000
	namesMemory  = 4000
	reportPause  = time.Minute
	seenWithin   = time.Second // between a change and its event; start times are rounded down
	releaseTries = 2           // a release may try a package again once
)

var publishLoop = Detector{
	ID:       "publish-loop",
	Title:    "A program publishes packages in a loop",
	Advice:   "Freeze it now, then respond to the alert: it looks for traps first, and only then replaces and revokes your npm tokens. Also look on the registry for packages that you did not publish.",
	Severity: wormbell.Critical,
	Kinds:    []wormbell.Kind{wormbell.ProcessStart, wormbell.ManifestChange},
	Who:      true,
	Doc: `
Fires by the third attempt to publish, also when attempts fail, for npm, pnpm, yarn and bun. Three within ten minutes are enough with one of
these: the package's name changes in one folder, "private" was just removed, a folder or tarball for temporary files is published, a
dependency's script does it, no person is above it. Names that change in one folder need no window at all, nor do three packages that one program
publishes from folders for temporary files, or some of them from one where it changes the name. One package three times
within a minute or ten times within an hour from one program is a loop as well.

Quiet for releases, by what they do and not by name: each publish comes from a workspace of one project, under the name it had before, once.
Quiet for a person who publishes by hand, also again and again because it fails, and for dry runs.`,
	Blind: `
A publish without a package manager, by a request of the worm's own: that is seen by the token that it reads. The name inside a tarball of more than
8 MB, or of one that comes from a URL.`,
	New: func() Check {
		l := loopWatch{
			attempts: NewRecent[wormbell.ProcessID](loopWindow, loopMemory),
			packages: NewRecent[packageKey](slowWindow, loopMemory),
			names:    NewRecent[folderKey](namesWindow, namesMemory),
			temps:    NewRecent[wormbell.ProcessID](namesWindow, namesMemory),
			renames:  NewRecent[string](namesWindow, namesMemory),
			renamers: NewRecent[wormbell.ProcessID](slowWindow, loopMemory),
			removals: NewRecent[string](2*justRemoved, 1000),
			gone:     NewRecent[string](justRemoved, 1000),
			reported: NewRecent[loopKey](reportPause, 1000),
		}
		return func(e wormbell.Event, s *Scope) {
			if e.Kind == wormbell.ManifestChange {
				l.change(e)
			} else {
				l.start(e, s)
			}
		}
	},
}

type loopWatch struct {
	attempts *Recent[wormbell.ProcessID] // by actor
	packages *Recent[packageKey]
	names    *Recent[folderKey]          // one event for each name that was published from a folder
	temps    *Recent[wormbell.ProcessID] // one event for each name that an actor published from a folder for temporary files, or that it gave a folder
	renames  *Recent[string]             // changes of a manifest's name, by its path
	renamers *Recent[wormbell.ProcessID] // the same, by the root of the tree that made them
	removals *Recent[string]             // removals of the private flag, by manifest
	gone     *Recent[string]
	reported *Recent[loopKey]
}

type packageKey struct {
	actor wormbell.ProcessID
	name  string
}

type folderKey struct{ user, folder string }

type loopKey struct {
	actor   wormbell.ProcessID
	subject string
	why     string
}

// change remembers what a manifest's change says about names and the flag.
func (l *loopWatch) change(e wormbell.Event) {
	if removedFlag(e, l.gone) {
		l.removals.Add(e.Path, e)
	}
	if e.Is != nil && (e.Was == nil || e.Was.Name != e.Is.Name) {
		l.renames.Add(e.Path, e)
		if e.Process != nil && !strings.Contains(e.Path, "/node_modules/") {
			l.renamers.Add(ancestry.Root(e.Process).ID(), e)
		}
	}
}

// attempt is one publish as the rules see it.
type attempt struct {
	event    wormbell.Event
	client   string
	folder   string // with ~; of the manifest, or the tarball itself
	manifest string // path of it with ~; "" if there is none
	name     string // of the package, else of what stands for it
	version  string
	temp     bool
	byHand   bool // a person typed it
}

// attempt reads e, which Parse says is a publish. Events are kept instead of
// what is read from them, so this is done again for each that is looked at.
func (s *Scope) attempt(e wormbell.Event) attempt {
	a, _ := publish.Parse(e.Process)
	out := attempt{event: e, client: a.Client, byHand: ancestry.UnderPerson(e.Process, s.Suspect)}
	if parent, ok := publish.Parse(e.Process.Parent); ok && parent.Workspaces {
		// pnpm packs each workspace into a temporary folder of its own and lets
		// npm publish that: the folder of the release is pnpm's.
		out.folder, out.temp = s.Tilde(parent.Folder), s.Temp(parent.Folder)
		out.name = path.Base(a.Tarball)
		if a.Tarball == "" {
			out.name = path.Base(a.Folder)
		}
		out.folder = path.Join(out.folder, out.name)
	} else {
		out.folder = s.Tilde(a.Folder)
		out.temp = s.Temp(a.Folder) || s.Temp(a.Tarball) || a.Tarball != "" && s.Temp(e.Process.Cwd)
		switch {
		case a.Tarball != "":
			out.folder = s.Tilde(a.Tarball)
		case a.Folder == "" && a.Spec != "":
			out.folder = a.Spec
		case a.Folder != "":
			out.manifest = path.Join(out.folder, "package.json")
		}
		if len(a.Named) > 0 { // each of a project's workspaces is published by itself
			out.folder, out.manifest = path.Join(out.folder, strings.Join(a.Named, ",")), ""
		}
		out.name = out.folder
	}
	if e.Package != nil && e.Package.Name != "" && !a.Workspaces {
		out.name, out.version = e.Package.Name, e.Package.Version
	}
	return out
}

// actor identifies who makes attempts: the tree they belong to. What a person
// types one by one at a shell, or a service starts one by one, belongs together.
func actor(p *wormbell.Process) wormbell.ProcessID {
	root := ancestry.Root(p)
	if root == p && ancestry.Dependency(p) == nil {
		return p.Parent.ID()
	}
	return root.ID()
}

func (l *loopWatch) start(e wormbell.Event, s *Scope) {
	parsed, ok := publish.Parse(e.Process)
	if !ok || parsed.DryRun || sameAttempt(e.Process) {
		return
	}
	who := actor(e.Process)
	for _, old := range l.attempts.Of(who, e.Time) {
		if old.Process.ID() == e.Process.ID() {
			return // told twice
		}
	}
	a := s.attempt(e)
	if e.Package == nil && a.manifest != "" {
		// The watcher could not read it in time: what the manifest said last.
		if known := l.renames.Of(a.manifest, e.Time); len(known) > 0 {
			is := known[len(known)-1].Is
			e.Package = &wormbell.Package{Ecosystem: "npm", Name: is.Name, Version: is.Version}
			a = s.attempt(e)
		}
	}
	group := []attempt{}
	events := l.attempts.Add(who, e)
	for _, old := range events[max(0, len(events)-groupAtMost):] {
		group = append(group, s.attempt(old))
	}
	reasons := slices.Concat(l.everRenamed(a, s), l.together(group, s), l.repeated(who, a, s), l.everTemporary(who, a, s))
	if len(reasons) == 0 {
		return
	}
	key := loopKey{who, reasons[0].subject, reasons[0].why}
	if l.reported.Has(key, e.Time) {
		return
	}
	l.reported.Add(key, e)
	evidence := reasons[0].evidence
	if n := len(evidence); n > 20 {
		evidence = evidence[n-20:]
	}
	s.Report(wormbell.Finding{Subject: reasons[0].subject, Evidence: evidence,
		Summary: fmt.Sprintf("%s runs %s publish in a loop: %s", s.whose(e.Process), a.client, sentence(reasons))})
}

// sentence says each reason once: several that begin alike go on from one
// beginning, and names that a later one lists are not counted before.
func sentence(reasons []reason) string {
	var parts []string
	began := "" // what the last part begins with
	for i, r := range reasons {
		if r.names > 0 && slices.ContainsFunc(reasons[i+1:], func(o reason) bool { return o.subject == r.subject && o.names == r.names }) {
			continue
		}
		head, rest, ok := strings.Cut(r.why, ", ")
		switch {
		case slices.Contains(parts, r.why):
		case ok && head == began:
			parts[len(parts)-1] += ", " + rest
		default:
			if parts, began = append(parts, r.why), ""; ok && strings.Contains(head, " attempts within ") {
				began = head
			}
		}
	}
	return strings.Join(parts, "; ")
}

// reason is one rule that holds.
type reason struct {
	subject  string
	why      string
	evidence []wormbell.Event // what led to it, without the event at hand
	names    int              // of names that change in the folder subject, how many; else 0
}

// everRenamed is the rule for names that change in one folder, however slowly.
// What a person types does not count: a project may be renamed.
func (l *loopWatch) everRenamed(a attempt, s *Scope) []reason {
	if a.manifest == "" || a.version == "" && a.name == a.folder || a.byHand {
		return nil
	}
	key := folderKey{a.event.User, a.folder}
	known := l.names.Of(key, a.event.Time)
	names := []string{}
	for _, e := range known {
		names = append(names, e.Package.Name)
	}
	if !slices.Contains(names, a.name) {
		l.names.Add(key, a.event)
		names = append(names, a.name)
	}
	if len(names) < loopLength {
		return nil
	}
	return []reason{{a.folder, fmt.Sprintf("%s was published under %d names", a.folder, len(names)), known, len(names)}}
}

// everTemporary is the rule for packages that one program publishes from folders
// for temporary files, however slowly; in between, it may publish others from a folder
// where it changes the name. Those that come within one window are told of by the rules for that.
func (l *loopWatch) everTemporary(who wormbell.ProcessID, a attempt, s *Scope) []reason {
	if a.byHand || !a.temp && !l.newName(a) {
		return nil
	}
	known := l.temps.Of(who, a.event.Time)
	temps, what := 0, "from folders for temporary files"
	for _, e := range known {
		old := s.attempt(e)
		if old.name == a.name {
			return nil
		}
		if old.temp {
			temps++
		}
	}
	if a.temp {
		temps++
	}
	l.temps.Add(who, a.event)
	n := len(known) + 1
	if temps < n {
		what += " or under a new name"
	}
	if n >= loopLength && temps > 0 && a.event.Time.Sub(known[n-loopLength].Time) > loopWindow {
		return []reason{{"temporary folder", fmt.Sprintf("%d packages %s, within %s", n, what, span(a.event.Time.Sub(known[0].Time))), known, 0}}
	}
	return nil
}

// newName reports whether a folder's manifest was given another name than it had.
func (l *loopWatch) newName(a attempt) bool {
	return a.manifest != "" && slices.ContainsFunc(l.renames.Of(a.manifest, a.event.Time), func(e wormbell.Event) bool { return e.Was != nil })
}

// together holds the rules for several attempts in a short window; group is in
// order of time, the attempt at hand last.
func (l *loopWatch) together(group []attempt, s *Scope) (reasons []reason) {
	n := len(group)
	if n < loopLength {
		return nil
	}
	last := group[n-1]
	took := span(last.event.Time.Sub(group[0].event.Time))
	events := make([]wormbell.Event, 0, n-1)
	for _, a := range group[:n-1] {
		events = append(events, a.event)
	}
	add := func(subject, format string, args ...any) {
		reasons = append(reasons, reason{subject, fmt.Sprintf(format, args...), events, 0})
	}
	if folder, names := renamed(group); folder != "" {
		add(folder, "%d attempts within %s, under the names %s from %s", n, took, list(names), folder)
		reasons[len(reasons)-1].names = len(names)
	}
	if file, n := l.manyNames(last); n >= loopLength-1 && slices.ContainsFunc(group, func(a attempt) bool { return a.manifest == "" }) {
		add(file, "%d attempts within %s, and %s was renamed %d times for them", len(group), took, file, n)
	}
	for _, a := range group {
		if a.manifest != "" && l.removals.Has(a.manifest, a.event.Time) {
			add(a.manifest, `%d attempts within %s, and "private" was just removed from %s`, n, took, a.manifest)
			break
		}
	}
	if i := slices.IndexFunc(group, func(a attempt) bool { return a.temp }); i >= 0 {
		add("temporary folder", "%d attempts within %s, from a temporary folder (%s)", n, took, group[i].folder)
	}
	if ancestry.Dependency(last.event.Process) != nil {
		add(last.event.Process.Package.String(), "%d attempts within %s, by a dependency's script", n, took)
	}
	if nobody(group) && distinct(group) >= loopLength && !l.release(group) {
		add("npm publish", "%d attempts within %s, and no person is at it: %s", n, took, list(whatOf(group)))
	}
	return reasons
}

// renamed returns the folder that group publishes under several names, and
// those; "" if there is none. The folder of the last attempt goes first.
func renamed(group []attempt) (string, []string) {
	names := map[string][]string{}
	for _, a := range group {
		if a.manifest != "" && a.name != a.folder && !slices.Contains(names[a.folder], a.name) {
			names[a.folder] = append(names[a.folder], a.name)
		}
	}
	for _, a := range slices.Backward(group) {
		if len(names[a.folder]) > 1 {
			return a.folder, names[a.folder]
		}
	}
	return "", nil
}

// manyNames returns the manifest that the tree of a has renamed most often, and
// how often: the tarballs that a worm packs do not say what folder they are of.
func (l *loopWatch) manyNames(a attempt) (file string, most int) {
	times := map[string]int{}
	for _, e := range l.renamers.Of(ancestry.Root(a.event.Process).ID(), a.event.Time) {
		if e.Was == nil || e.Was.Name == "" || e.Is.Name == "" {
			continue
		}
		if times[e.Path]++; times[e.Path] > most {
			file, most = e.Path, times[e.Path]
		}
	}
	return file, most
}

// nobody reports whether no person is above any of the attempts.
func nobody(group []attempt) bool {
	return !slices.ContainsFunc(group, func(a attempt) bool { return ancestry.PersonAbove(a.event.Process) != nil })
}

// distinct counts the versions of packages that group publishes: trying one
// again because it failed is no loop yet.
func distinct(group []attempt) int {
	seen := map[string]bool{}
	for _, a := range group {
		seen[a.name+"@"+a.version] = true
	}
	return len(seen)
}

func whatOf(group []attempt) (names []string) {
	for _, a := range group {
		if !slices.Contains(names, a.name) {
			names = append(names, a.name)
		}
	}
	return names
}

// release reports whether group is the release of one project: each publish
// from a folder of its own in it, under the name that the manifest had before
// the tree began, once (or once more when that failed).
func (l *loopWatch) release(group []attempt) bool {
	tries := map[string]int{}
	project, releaser := "", common(group)
	for i, a := range group {
		if a.temp || a.folder == "" || !strings.Contains(a.folder, "/") {
			return false
		}
		if tries[a.folder]++; tries[a.folder] > releaseTries {
			return false
		}
		root := ancestry.Root(a.event.Process)
		changes := l.renames.Of(a.manifest, a.event.Time)
		if a.manifest == "" { // the name in a tarball is not known, but a tree that makes names is
			changes = l.renamers.Of(root.ID(), a.event.Time)
		}
		for _, change := range changes {
			made := change.Was == nil && change.Process != nil && ancestry.Root(change.Process).ID() == root.ID()
			if !change.Time.Before(root.Start) && (made || change.Was != nil) && !before(change, releaser) {
				return false
			}
		}
		if i == 0 {
			project = a.folder
		}
		for project != a.folder && !strings.HasPrefix(a.folder, project+"/") {
			if project = path.Dir(project); project == "/" || project == "." {
				return false
			}
		}
	}
	// A home is no project, nor is a folder right below the root.
	return project != "~" && path.Dir(project) != "/"
}

// common returns the nearest process that all attempts descend from, nil if
// there is none: the program that makes the release.
func common(group []attempt) *wormbell.Process {
	for p := range group[0].event.Process.Chain {
		if !slices.ContainsFunc(group, func(a attempt) bool {
			return a.event.Process.Ancestor(func(q *wormbell.Process) bool { return q.ID() == p.ID() }) == nil && a.event.Process.ID() != p.ID()
		}) {
			return p
		}
	}
	return nil
}

// before reports whether what started the releaser made change, and did so
// before: a program that prepares a project and then has it released is no
// worm that makes names for itself to publish.
func before(change wormbell.Event, releaser *wormbell.Process) bool {
	if releaser == nil || change.Process == nil || change.Time.After(releaser.Start.Add(seenWithin)) {
		return false
	}
	return releaser.Ancestor(func(q *wormbell.Process) bool { return q.ID() == change.Process.ID() }) != nil
}

// repeated is the rule for one package that is published again and again.
func (l *loopWatch) repeated(who wormbell.ProcessID, a attempt, s *Scope) []reason {
	key := packageKey{who, a.name}
	before := l.packages.Of(key, a.event.Time)
	l.packages.Add(key, a.event)
	all := append(slices.Clone(before), a.event)
	if !a.byHand && releaseTool(a.event.Process) {
		return nil
	}
	fast := slices.DeleteFunc(slices.Clone(all), func(e wormbell.Event) bool { return a.event.Time.Sub(e.Time) > fastWindow })
	count := func(events []wormbell.Event) int {
		if !a.byHand {
			return len(events)
		}
		// A person who tries again has not changed the version.
		versions := map[string]bool{}
		for _, e := range events {
			versions[e.Package.String()] = true
		}
		return len(versions)
	}
	switch n, m := count(fast), count(all); {
	case n >= loopLength:
		return []reason{{a.name, fmt.Sprintf("%s %d times within %s", a.name, n, span(a.event.Time.Sub(fast[0].Time))), fast[:len(fast)-1], 0}}
	case m >= slowLength:
		return []reason{{a.name, fmt.Sprintf("%s %d times within %s", a.name, m, span(a.event.Time.Sub(all[0].Time))), before, 0}}
	}
	return nil
}

// releaseTool reports whether a vouched script that is no package manager runs
// p: a release tool that the system or an administrator has installed. It may
// try again as often as it likes.
func releaseTool(p *wormbell.Process) bool {
	for a := range p.Chain {
		if ancestry.Boundary(a) {
			return false
		}
		if a != p && a.Signer != "" && a.Script != "" && !ancestry.NamedInstaller(a) && !ancestry.LoadsCode(a) && ancestry.Dependency(a) == nil {
			return ancestry.UnvouchedScript(p) == nil
		}
	}
	return false
}

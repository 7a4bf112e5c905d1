package words

import (
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/plain"
	"wormbell/internal/stores"
)

// The detectors that are told, by their IDs. Those that the agent does not
// have yet are told from what any finding holds.
const (
	credentialRead             = "credential-read"
	credentialSweep            = "credential-sweep"
	publishLoop                = "publish-loop"
	publishByInstallScript     = "publish-by-install-script"
	privateFlagRemoved         = "private-flag-removed"
	historySecret              = "history-secret"
	guardTampering             = "guard-tampering"
	wormCommand                = "worm-command"
	persistenceByInstallScript = "persistence-by-install-script"
	decoyRead                  = "decoy-read"
)

// who is the process that f is about. Over the agent's socket it is told by
// the evidence alone, which ends with the event that led to the finding.
func who(f wormbell.Finding) *wormbell.Process {
	for _, e := range slices.Backward(f.Evidence) {
		if e.Process != nil && e.Kind != wormbell.ConnectionSeen { // that came after, perhaps from a child
			return e.Process
		}
	}
	return f.Process
}

// of returns the evidence of one kind.
func of(f wormbell.Finding, kind wormbell.Kind) (events []wormbell.Event) {
	for _, e := range f.Evidence {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

// readsOf returns the reads of credentials that f rests on.
func readsOf(f wormbell.Finding) []wormbell.Event {
	return slices.DeleteFunc(of(f, wormbell.FileRead), func(e wormbell.Event) bool { return stores.Of(e.Path) == nil })
}

// files says what was read, each store and file once: "npm tokens (~/.npmrc)".
func (w *Words) files(reads []wormbell.Event) (list string, first *stores.Store, kinds int) {
	var order []*stores.Store
	paths := map[string][]string{}
	for _, e := range reads {
		s := stores.Of(e.Path)
		if paths[s.ID] == nil {
			order = append(order, s)
		}
		if p := file(e.Path); !slices.Contains(paths[s.ID], p) {
			paths[s.ID] = append(paths[s.ID], p)
		}
	}
	var said []string
	for _, s := range order {
		said = append(said, w.Say(listFile, w.Store(s.ID), w.List(paths[s.ID])))
	}
	return w.List(said), order[0], len(order)
}

func (w *Words) read(group []wormbell.Finding, f wormbell.Finding) (deed, bool) {
	var reads []wormbell.Event
	for _, g := range group {
		reads = append(reads, readsOf(g)...)
	}
	if len(reads) == 0 {
		return deed{}, false
	}
	denied := slices.DeleteFunc(slices.Clone(reads), func(e wormbell.Event) bool { return !e.Denied() })
	reads = slices.DeleteFunc(reads, func(e wormbell.Event) bool { return e.Denied() })
	kept := ""
	if len(denied) > 0 {
		kept, _, _ = w.files(denied)
	}
	if len(reads) == 0 {
		return deed{who: who(f), did: w.changed(w.Say(didNotRead, kept), group), title: titleNotRead}, true
	}
	list, first, kinds := w.files(reads)
	did := w.Say(didRead, list)
	if kept != "" {
		did = w.Say(didReadNotAll, list, kept)
	}
	d := deed{who: who(f), did: w.changed(did, group), title: titleRead, object: w.spaced(w.Store(first.ID))}
	if kinds > 1 {
		d.title, d.object = titleReads, ""
	}
	return d, true
}

// readEach tells reads by who did them; nil if it was one.
func (w *Words) readEach(group []wormbell.Finding) (deeds []deed) {
	var reads []wormbell.Event
	for _, g := range group {
		reads = append(reads, readsOf(g)...)
	}
	for len(reads) > 0 {
		p := reads[0].Process
		theirs := slices.DeleteFunc(slices.Clone(reads), func(e wormbell.Event) bool { return e.Process != p && !same(e.Process, p) })
		reads = slices.DeleteFunc(reads, func(e wormbell.Event) bool { return e.Process == p || same(e.Process, p) })
		if d, ok := w.read([]wormbell.Finding{{Detector: credentialRead, Evidence: theirs, Process: p}}, wormbell.Finding{Process: p}); ok {
			deeds = append(deeds, d)
		}
	}
	if len(deeds) < 2 {
		return nil
	}
	deeds[0].title = titleUsual
	return deeds
}

func (w *Words) sweep(a wormbell.Alert, f wormbell.Finding) (deed, bool) {
	swept := readsOf(f)
	if len(swept) == 0 {
		return deed{}, false
	}
	reads := slices.Clone(swept)
	for _, o := range a.Findings {
		if o.Detector == credentialRead {
			reads = append(reads, readsOf(o)...)
		}
	}
	slices.SortStableFunc(reads, func(x, y wormbell.Event) int { return x.Time.Compare(y.Time) })
	list, _, kinds := w.files(reads)
	took := w.span(reads[len(reads)-1].Time.Sub(reads[0].Time))
	did := w.Say(didSweep, kinds, took, list)
	if denied := slices.DeleteFunc(reads, func(e wormbell.Event) bool { return !e.Denied() }); len(denied) > 0 {
		kept, _, _ := w.files(denied)
		did = w.Say(didSweepNotAll, did, kept)
	}
	return deed{who: who(f), did: w.changed(did, a.Findings), title: titleSweep}, true
}

// changed says after what was done that the program had been allowed to do it
// and is another one since, or that this could not be checked, if a finding says so.
func (w *Words) changed(did string, findings []wormbell.Finding) string {
	ends := func(how string) bool {
		return slices.ContainsFunc(findings, func(f wormbell.Finding) bool { return strings.HasSuffix(f.Summary, "; "+how) })
	}
	switch {
	case ends(wormbell.Changed):
		return w.Say(trustChanged, did)
	case ends(wormbell.Unchecked):
		return w.Say(trustUnchecked, did)
	}
	return did
}

func (w *Words) published(group []wormbell.Finding, f wormbell.Finding) (deed, bool) {
	var what []string
	var starts []wormbell.Event
	for _, g := range group {
		starts = append(starts, of(g, wormbell.ProcessStart)...)
		if s := file(g.Subject); s != "" && !slices.Contains(what, s) {
			what = append(what, s)
		}
	}
	clients := clients(starts)
	return deed{who: who(f), did: w.Say(didPublish, w.List(what), w.List(clients)), title: titlePublish}, len(what) > 0 && len(clients) > 0
}

// loop tells a loop of publishes. Which rule held is told by the subject.
func (w *Words) loop(a wormbell.Alert, f wormbell.Finding) (deed, bool) {
	attempts := slices.DeleteFunc(of(f, wormbell.ProcessStart), func(e wormbell.Event) bool { return e.Process == nil })
	if len(attempts) < 2 {
		return deed{}, false
	}
	last := attempts[len(attempts)-1]
	client := strings.Join(clients(attempts), "/")
	if client == "" {
		return deed{}, false
	}
	const kept = 20 // events that the agent keeps of a finding
	count := w.Say(loopCount, len(attempts))
	if len(attempts) >= kept {
		count = w.Say(loopCountLeast, len(attempts))
	}
	took := w.span(last.Time.Sub(attempts[0].Time))
	names, all := published(attempts)
	d := deed{who: whose(last.Process), title: titleLoop}
	subject, listed := file(f.Subject), w.List(names)
	say := func(key Key, data ...any) (deed, bool) {
		d.did = w.Say(key, append([]any{client, count, took}, data...)...)
		return d, true
	}
	switch dependency := ancestry.Dependency(last.Process); {
	case f.Subject == "temporary folder":
		for _, e := range attempts {
			if folder := temporary(e.Process); folder != "" {
				return say(loopTemporary, file(tilde(folder)))
			}
		}
		return say(loopTemporaryAny)
	case f.Subject == "npm publish":
		if len(names) == 0 {
			for _, e := range attempts {
				if folder := file(tilde(e.Process.Cwd)); folder != "" && !slices.Contains(names, folder) {
					names = append(names, folder)
				}
			}
		}
		return say(loopNobody, w.List(names))
	case dependency != nil && f.Subject == dependency.Package.String():
		return say(loopDependency)
	case strings.HasSuffix(f.Subject, "/package.json"):
		packed := 0
		for _, e := range attempts {
			if tarball(e.Process) != "" {
				packed++
			}
		}
		private := slices.ContainsFunc(a.Findings, func(o wormbell.Finding) bool {
			return o.Detector == privateFlagRemoved && o.Subject == f.Subject
		})
		switch {
		case packed == len(attempts) && !private:
			return say(loopRenamed, subject)
		case packed == 0 || private:
			return say(loopPrivate, subject)
		}
	case strings.HasPrefix(f.Subject, "@") || !strings.Contains(f.Subject, "/") || len(names) < 2:
		return say(loopRepeat, subject)
	case !all:
		return say(loopNamesAmong, subject, listed)
	default:
		return say(loopNames, subject, listed)
	}
	return deed{}, false
}

// published returns the names of the packages that attempts are known to
// publish, and whether that is all of them.
func published(attempts []wormbell.Event) (names []string, all bool) {
	all = true
	for _, e := range attempts {
		switch {
		case e.Package == nil || e.Package.Name == "":
			all = false
		case !slices.Contains(names, plain.Cut(e.Package.Name, maxName)):
			names = append(names, plain.Cut(e.Package.Name, maxName))
		}
	}
	return names, all
}

// clients returns the package managers that starts are of.
func clients(starts []wormbell.Event) (names []string) {
	for _, e := range starts {
		if name, _, ok := ancestry.Client(e.Process); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// tarball is the packed package among p's arguments, "" if there is none.
func tarball(p *wormbell.Process) string {
	_, args, _ := ancestry.Client(p)
	for _, a := range args {
		if strings.HasSuffix(a, ".tgz") || strings.HasSuffix(a, ".tar.gz") || strings.HasSuffix(a, ".tar") {
			return a
		}
	}
	return ""
}

// temporary is the temporary folder that p publishes from, or the tarball in
// one; "" if there is none.
func temporary(p *wormbell.Process) string {
	for _, place := range []string{tarball(p), p.Cwd} {
		place = strings.ReplaceAll(place, `\`, "/")
		for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/private/tmp/", "/var/folders/", "/private/var/folders/", "/run/user/", "C:/Windows/Temp/", "C:/Temp/"} {
			if strings.HasPrefix(place+"/", dir) {
				return place
			}
		}
		if strings.Contains(place, "/AppData/Local/Temp/") {
			return place
		}
	}
	return ""
}

// removal is what a finding says of a lost private flag.
type removal struct {
	path    string
	who     *wormbell.Process // nil: nobody saw it, unless a publish told
	nobody  bool              // nobody saw who removed it
	client  string            // of the publish that followed, "" if none did
	between time.Duration     // the two
}

// removed reads a finding of a lost private flag.
func removed(f wormbell.Finding) (removal, bool) {
	changes := of(f, wormbell.ManifestChange)
	if own := slices.DeleteFunc(slices.Clone(changes), func(e wormbell.Event) bool { return e.Path != f.Subject }); len(own) > 0 {
		changes = own // a publish rests on all removals of its tree
	}
	if len(changes) == 0 {
		return removal{}, false
	}
	change := changes[len(changes)-1]
	r := removal{path: change.Path, who: change.Process, nobody: change.Process == nil}
	if f.Severity != wormbell.Critical {
		return r, true
	}
	for _, start := range of(f, wormbell.ProcessStart) {
		if client, _, ok := ancestry.Client(start.Process); ok && !start.Time.Before(change.Time) {
			r.who, r.client, r.between = whose(start.Process), client, start.Time.Sub(change.Time)
			return r, true
		}
	}
	return removal{}, false
}

// private tells lost flags that one program removed in the same way: f's, and
// those of rest. It returns which of rest are told.
func (w *Words) private(f wormbell.Finding, rest []wormbell.Finding) (d deed, told []int, ok bool) {
	first, ok := removed(f)
	if !ok {
		return deed{}, nil, false
	}
	paths := []string{file(first.path)}
	for i, o := range rest {
		r, ok := removed(o)
		if o.Detector != f.Detector || !ok || r.nobody || first.nobody || !same(r.who, first.who) || (r.client == "") != (first.client == "") {
			continue
		}
		told = append(told, i)
		if p := file(r.path); !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	d = deed{who: first.who, title: titlePrivate}
	if first.client != "" {
		d.title = titlePrivatePublish
	}
	switch list := w.List(paths); {
	case first.client == "" && first.nobody:
		d.whole = w.Say(whatPrivateNobody, list)
	case first.client == "":
		d.did = w.Say(didPrivate, list)
	case first.nobody:
		d.did = w.Say(didPrivateMaybe, list, first.client, w.span(first.between))
	case len(paths) > 1:
		d.did = w.Say(didPrivateThen, list, first.client)
	default:
		d.did = w.Say(didPrivatePublish, list, first.client, w.span(first.between))
	}
	return d, told, true
}

func (w *Words) history(f wormbell.Finding) (deed, bool) {
	commands := of(f, wormbell.ShellCommand)
	if len(commands) == 0 || len(commands[len(commands)-1].Secrets) == 0 {
		return deed{}, false
	}
	e := commands[len(commands)-1]
	var kinds []string
	for _, k := range e.Secrets {
		if k = w.secret(k); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	where := file(e.Path)
	if where == "" {
		where = w.Say(whatHistoryAny)
	}
	return deed{whole: w.Say(whatHistory, where, w.List(kinds), plain.Cut(e.Line, 120))}, true
}

// secretWords are the last words of the kinds of secrets that are masked in
// command lines, "GitHub token", longest first.
var secretWords = []string{"access token", "client secret", "API key", "secret", "webhook", "token", "key"}

// secret names a kind of secret.
func (w *Words) secret(kind string) string {
	for _, s := range secretWords {
		if name, ok := strings.CutSuffix(kind, " "+s); ok {
			return w.Say(Key("secret-"+strings.ReplaceAll(s, " ", "-")), plain.Cut(name, maxName))
		}
	}
	return plain.Cut(kind, maxName)
}

// tampering tells what somebody asked the agent for, in vain or not. The
// subject is the call, "close AB12CD34".
func (w *Words) tampering(f wormbell.Finding) (deed, bool) {
	calls := of(f, wormbell.AgentCall)
	if len(calls) == 0 {
		return deed{}, false
	}
	did := didAsk
	if strings.HasPrefix(calls[len(calls)-1].Line, "doubted ") {
		did = didAskGot
	}
	verb, rest, _ := strings.Cut(f.Subject, " ")
	switch {
	case strings.HasPrefix(f.Subject, "take back decoy"):
		verb, rest = "undecoy", ""
	case strings.HasPrefix(f.Subject, "tell where decoys"):
		verb, rest = "decoys", ""
	case strings.HasPrefix(f.Subject, "plant a decoy"):
		verb, rest = "decoy", ""
	}
	if verb == "remove" || verb == "protect" {
		verb, rest = f.Subject, ""
		if strings.HasPrefix(f.Subject, "remove trust row") {
			verb = "untrust"
		}
	}
	key := Key("call-" + strings.ReplaceAll(verb, " ", "-"))
	if program, ok := strings.CutPrefix(rest, "exe:"); ok && verb == "trust" {
		key = callTrustProgram
		if rest = program; strings.Contains(program, " with ") {
			rest = program[:strings.LastIndex(program, " with ")] // the store
		}
	}
	if _, ok := alertTexts[key]; !ok {
		key = callOther
	}
	var back Key // what was refused need not be taken back
	if did == didAskGot {
		back = takeBack(key)
	}
	return deed{who: who(f), title: titleTampering, back: back, did: w.Say(did, w.Say(key, plain.Cut(rest, maxName)))}, true
}

// takeBack says how to take back what a call got.
func takeBack(call Key) Key {
	switch call {
	case "call-mute":
		return "back-close"
	case callTrustProgram:
		return "back-trust"
	}
	back := Key("back-" + strings.TrimPrefix(string(call), "call-"))
	if _, ok := alertTexts[back]; !ok {
		return backOther
	}
	return back
}

// command tells a command that worms use: one that ran, or one of a history.
func (w *Words) command(f wormbell.Finding) (deed, bool) {
	if len(f.Evidence) == 0 {
		return deed{}, false
	}
	switch e := f.Evidence[len(f.Evidence)-1]; {
	case e.Kind == wormbell.ProcessStart && e.Process != nil:
		return deed{who: whose(e.Process), did: w.Say(didCommand, summary(e.Process)), title: titleCommand}, true
	case e.Kind == wormbell.ShellCommand && e.Line != "":
		where := file(e.Path)
		if where == "" {
			where = w.Say(whatHistoryAny)
		}
		return deed{who: whose(e.Process), did: w.Say(didCommandLine, plain.Cut(e.Line, 120), where), title: titleCommand}, true
	}
	return deed{}, false
}

// persisted tells what was set up to start by itself: a file, or the program
// that did it.
func (w *Words) persisted(f wormbell.Finding) (deed, bool) {
	if len(f.Evidence) == 0 {
		return deed{}, false
	}
	if e := f.Evidence[len(f.Evidence)-1]; e.Kind == wormbell.ProcessStart && e.Process != nil {
		return deed{who: e.Process, did: w.Say(didPersistCommand, summary(e.Process)), title: titlePersist}, true
	}
	if e := f.Evidence[len(f.Evidence)-1]; e.Kind == wormbell.ManifestChange {
		return deed{who: e.Process, did: w.Say(didPersistScripts, file(e.Path), plain.Cut(strings.Join(e.Scripts, ", "), 120)), title: titlePersistScripts}, true
	}
	d, ok := w.touched(f, didPersist, wormbell.FileWrite)
	d.title = titlePersist
	return d, ok
}

// touched tells a finding about one file.
func (w *Words) touched(f wormbell.Finding, key Key, kind wormbell.Kind) (deed, bool) {
	events := of(f, kind)
	if len(events) == 0 || events[len(events)-1].Path == "" {
		return deed{}, false
	}
	e := events[len(events)-1]
	if e.Denied() && key == didDecoy {
		key = didDecoyDenied
	}
	return deed{who: e.Process, did: w.Say(key, file(e.Path))}, true
}

package alert

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

// incident is an alert as the store holds it. A shared one never changes: an
// edit makes a new version, so that readers need no lock and the difference
// between two versions is what must be written.
type incident struct {
	head     wormbell.Alert // everything but Findings
	key      string         // of an incident without a process, or that gathers; "" otherwise
	findings []*finding
	members  map[procKey]role
	aliases  []string // IDs of alerts merged into this one
	spilled  bool     // evidence is on disk only
}

// finding is one entry of an alert. A shared one never changes.
type finding struct {
	detector, subject, summary string
	title, advice              string
	severity                   wormbell.Severity
	time                       time.Time // of the latest
	process                    *wormbell.Process
	n                          int // events seen, kept or not
	events                     []item
}

// item is one kept event and its number in its finding, from 1.
type item struct {
	seq   int
	event wormbell.Event
}

// procKey is the identity of a process, comparable whatever location or
// monotonic reading its start time carries.
type procKey struct {
	pid   int
	start int64 // Unix nanoseconds, 0 if not known
}

func keyOf(p *wormbell.Process) procKey {
	if p == nil || p.PID <= 0 {
		return procKey{}
	}
	k := procKey{pid: p.PID}
	if !p.Start.IsZero() {
		k.start = p.Start.UnixNano()
	}
	return k
}

func (k procKey) id() wormbell.ProcessID {
	id := wormbell.ProcessID{PID: k.pid}
	if k.start != 0 {
		id.Start = time.Unix(0, k.start).UTC()
	}
	return id
}

func (k procKey) compare(o procKey) int {
	return cmp.Or(cmp.Compare(k.start, o.start), cmp.Compare(k.pid, o.pid))
}

// role says why a process belongs to an incident.
type role uint8

const (
	isRoot     role = 1 << iota // its tree is the incident
	isOffender                  // a finding is about it
	isBetween                   // it stands between the two, or in evidence
)

// claim is a finding on its way in, with what decides where it belongs.
type claim struct {
	wormbell.Finding
	meta  Meta
	user  string
	demo  bool
	key   string
	procs map[procKey]role
}

func newClaim(f wormbell.Finding, d Meta, now time.Time) claim {
	c := claim{Finding: f, meta: d, procs: map[procKey]role{}}
	c.Detector, c.Subject, c.Summary = clean(f.Detector, 64), clean(f.Subject, 4096), clean(f.Summary, 1024)
	c.meta.Title, c.meta.Advice = clean(d.Title, 256), clean(d.Advice, 1024)
	c.Severity = cmp.Or(f.Severity, d.Severity, wormbell.Medium)
	c.demo = d.Demo || len(f.Evidence) > 0
	c.Evidence = make([]wormbell.Event, len(f.Evidence))
	for i, e := range f.Evidence {
		c.demo = c.demo && e.Demo
		c.user = cmp.Or(e.User, c.user) // whose home it was, rather than who did it
		c.Evidence[i] = slim(e)
		if !ancestry.Boundary(e.Process) {
			c.procs[keyOf(e.Process)] |= isBetween
		}
	}
	if c.Time.IsZero() && len(f.Evidence) > 0 {
		c.Time = f.Evidence[len(f.Evidence)-1].Time
	}
	if c.Time.IsZero() {
		c.Time = now
	}
	c.Time = c.Time.UTC().Round(0)
	if f.Process != nil {
		c.user = cmp.Or(c.user, f.Process.User)
		root := ancestry.Root(f.Process)
		c.procs[keyOf(f.Process)] |= isOffender
		for a := range f.Process.Chain {
			if a == root {
				c.procs[keyOf(a)] |= isRoot
				break
			}
			c.procs[keyOf(a)] |= isBetween
		}
	}
	delete(c.procs, procKey{}) // processes nothing is known of
	switch {
	case f.Process == nil || keyOf(f.Process) == (procKey{}):
		c.key = c.Detector + "\x00" + c.Subject
	case f.Gathered && c.Severity <= wormbell.Low:
		c.key = gatheredKey
	}
	return c
}

// begin makes the incident that c is the first finding of.
func begin(c claim, id string) *incident {
	inc := &incident{key: c.key, members: map[procKey]role{}}
	inc.head = wormbell.Alert{ID: id, State: wormbell.Open, User: c.user, Demo: c.demo, First: c.Time, Last: c.Time}
	return inc
}

// with returns inc with c in it.
func (inc *incident) with(c claim) *incident {
	v := inc.clone()
	v.head.Count++
	if c.Time.Before(v.head.First) {
		v.head.First = c.Time
	}
	if c.Time.After(v.head.Last) {
		v.head.Last = c.Time
	}
	v.join(c.procs)
	i := slices.IndexFunc(v.findings, func(f *finding) bool { return f.detector == c.Detector && f.subject == c.Subject })
	if i < 0 && len(v.findings) >= maxFindings {
		// A flood of subjects is one more finding of the same detector.
		for j, f := range v.findings {
			if f.detector == c.Detector {
				i = j
			}
		}
	}
	if i < 0 {
		v.findings = append(v.findings, &finding{detector: c.Detector, subject: c.Subject})
		i = len(v.findings) - 1
	}
	f := *v.findings[i]
	if c.Severity >= f.severity { // else it was worse before, and that is what is said
		f.summary, f.title, f.advice, f.process = c.Summary, c.meta.Title, c.meta.Advice, c.Process
	}
	f.severity = max(f.severity, c.Severity)
	f.time = c.Time
	f.add(c.Evidence)
	v.findings[i] = &f
	v.judge()
	return v
}

// extended returns inc with the evidence of c added to the finding that c
// repeats; nil if there is none. Nothing else changes: not when it was last
// found, nor how often.
func (inc *incident) extended(c claim) *incident {
	i := slices.IndexFunc(inc.findings, func(f *finding) bool { return f.detector == c.Detector && f.subject == c.Subject })
	if i < 0 {
		return nil
	}
	v := inc.clone()
	v.join(c.procs)
	f := *v.findings[i]
	f.add(c.Evidence)
	v.findings[i] = &f
	return v
}

// clone copies what edits replace. Findings are shared until replaced.
func (inc *incident) clone() *incident {
	v := *inc
	v.findings = slices.Clone(inc.findings)
	v.aliases = slices.Clone(inc.aliases)
	v.head.Actions = slices.Clone(inc.head.Actions)
	return &v
}

// join adds processes. The roots stay when there are too many: they are what
// later findings are matched by.
func (inc *incident) join(procs map[procKey]role) {
	isNew := func(k procKey, r role) bool { return inc.members[k]|r != inc.members[k] }
	fresh := false
	for k, r := range procs {
		fresh = fresh || isNew(k, r)
	}
	if !fresh {
		return
	}
	inc.members = maps.Clone(inc.members)
	for k, r := range procs {
		inc.members[k] |= r
	}
	for k, r := range inc.members {
		if len(inc.members) <= maxMembers {
			break
		}
		if _, now := procs[k]; !now && r&isRoot == 0 {
			delete(inc.members, k)
		}
	}
}

// add takes in the events that f has not seen. Detectors show the same events
// again with each finding.
func (f *finding) add(events []wormbell.Event) {
	kept := make(map[eventKey]bool, len(f.events))
	var mark time.Time
	for _, it := range f.events {
		kept[keyOfEvent(it.event)] = true
		if it.event.Time.After(mark) {
			mark = it.event.Time
		}
	}
	f.events = slices.Clone(f.events)
	dropped := f.n > len(f.events)
	for _, e := range events {
		k := keyOfEvent(e)
		if kept[k] || dropped && e.Time.Before(mark) { // the latter was here and had to go
			continue
		}
		kept[k] = true
		f.n++
		f.events = append(f.events, item{f.n, e})
		if len(f.events) > keepFirst+keepLast {
			f.events = slices.Delete(f.events, keepFirst, keepFirst+1)
		}
	}
}

type eventKey struct {
	time             int64
	kind             wormbell.Kind
	path, line, pack string
	address          string
	proc             procKey
}

func keyOfEvent(e wormbell.Event) eventKey {
	k := eventKey{kind: e.Kind, path: e.Path, line: e.Line, pack: e.Package.String(), address: e.Address, proc: keyOf(e.Process)}
	if !e.Time.IsZero() {
		k.time = e.Time.UnixNano()
	}
	return k
}

// absorb returns inc with everything that younger holds.
func (inc *incident) absorb(younger *incident) *incident {
	v := inc.clone()
	v.head.Count += younger.head.Count
	if younger.head.First.Before(v.head.First) {
		v.head.First = younger.head.First
	}
	if younger.head.Last.After(v.head.Last) {
		v.head.Last = younger.head.Last
	}
	if younger.head.State == wormbell.Open {
		v.head.State = wormbell.Open // what nobody muted must not become mute
	}
	v.head.Actions = append(v.head.Actions, younger.head.Actions...)
	slices.SortStableFunc(v.head.Actions, func(a, b wormbell.Action) int { return a.Time.Compare(b.Time) })
	v.trimActions()
	v.aliases = append(append(v.aliases, younger.head.ID), younger.aliases...)
	v.join(younger.members)
	for _, o := range younger.findings {
		i := slices.IndexFunc(v.findings, func(f *finding) bool { return f.detector == o.detector && f.subject == o.subject })
		if i < 0 {
			v.findings = append(v.findings, o)
			continue
		}
		v.findings[i] = v.findings[i].absorb(o)
	}
	v.capFindings()
	v.judge()
	return v
}

func (f *finding) absorb(o *finding) *finding {
	out := *f
	if o.time.After(f.time) {
		out.summary, out.time, out.process = o.summary, o.time, o.process
	}
	out.severity = max(f.severity, o.severity)
	all := append(slices.Clone(f.events), o.events...)
	slices.SortStableFunc(all, func(a, b item) int { return a.event.Time.Compare(b.event.Time) })
	all = slices.CompactFunc(all, func(a, b item) bool { return keyOfEvent(a.event) == keyOfEvent(b.event) })
	out.n = max(f.n, o.n, len(all))
	if n := len(all); n > keepFirst+keepLast {
		all = slices.Delete(all, keepFirst, n-keepLast)
	}
	for i := range all {
		all[i].seq = i + 1
		if i >= keepFirst {
			all[i].seq = out.n - len(all) + i + 1
		}
	}
	out.events = all
	return &out
}

// capFindings folds the findings beyond the limit into an earlier one of their
// detector. Every detector keeps at least one.
func (inc *incident) capFindings() {
	for i := len(inc.findings) - 1; i > 0 && len(inc.findings) > maxFindings; i-- {
		for j := i - 1; j >= 0; j-- {
			if inc.findings[j].detector == inc.findings[i].detector {
				inc.findings[j] = inc.findings[j].absorb(inc.findings[i])
				inc.findings = slices.Delete(inc.findings, i, i+1)
				break
			}
		}
	}
}

// judge sets what follows from the findings: severity, title and advice.
func (inc *incident) judge() {
	var sev wormbell.Severity
	var reads, publishes, private bool
	titled := ""
	for _, f := range inc.findings {
		// The first of the gravest, so that the title is stable; but a lost
		// flag is grave only for what follows it, and that says more.
		if f.severity > sev || f.severity == sev && titled == "private-flag-removed" {
			sev, inc.head.Title, inc.head.Advice, titled = f.severity, f.title, f.advice, f.detector
		}
		switch {
		case f.detector == "credential-read", f.detector == "credential-sweep":
			reads = true
		case f.detector == "private-flag-removed":
			private = true
		case strings.HasPrefix(f.detector, "publish-"):
			publishes = true
		}
	}
	if publishes && (reads || private) {
		sev = wormbell.Critical // each alone may be an accident, both are a worm
	}
	inc.head.Severity = sev
}

// act appends an action.
func (inc *incident) act(a wormbell.Action) {
	a.Time = a.Time.UTC().Round(0)
	a.Done, a.Left = max(a.Done, 0), max(a.Left, 0)
	a.By, a.What, a.Outcome = clean(a.By, 128), clean(a.What, 64), clean(a.Outcome, 512)
	inc.head.Actions = append(inc.head.Actions, a)
	inc.trimActions()
}

func (inc *incident) trimActions() {
	if n := len(inc.head.Actions); n > maxActions {
		inc.head.Actions = slices.Delete(inc.head.Actions, keepFirst, keepFirst+n-maxActions)
	}
}

// weight is how many events inc holds in memory.
func (inc *incident) weight() (n int) {
	if inc == nil {
		return 0
	}
	for _, f := range inc.findings {
		n += len(f.events)
	}
	return n
}

// spill returns inc without its evidence, which is on disk.
func (inc *incident) spill() *incident {
	v := inc.clone()
	v.spilled = true
	for i, f := range v.findings {
		light := *f
		light.events, light.process = nil, nil
		v.findings[i] = &light
	}
	return v
}

// view returns inc as the rest of the program sees it.
func (inc *incident) view() wormbell.Alert {
	a := inc.head
	a.Actions = slices.Clone(inc.head.Actions)
	a.Findings = make([]wormbell.Finding, len(inc.findings))
	for i, f := range inc.findings {
		out := wormbell.Finding{Detector: f.detector, Subject: f.subject, Summary: f.summary, Severity: f.severity,
			Process: f.process, Time: f.time, Evidence: make([]wormbell.Event, len(f.events))}
		for j, it := range f.events {
			out.Evidence[j] = it.event
		}
		a.Findings[i] = out
	}
	return a
}

// clean makes text that others wrote fit to be stored and shown in one line.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD' // a newline would fake a second line
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit-3], "") + "…"
	}
	return s
}

// slim returns e, cut to size if its command lines and ancestry are huge: they
// are the attacker's to choose.
func slim(e wormbell.Event) wormbell.Event {
	if !e.Time.IsZero() {
		e.Time = e.Time.UTC().Round(0)
	}
	if weigh(e) <= maxEventSize {
		return e
	}
	e.Path, e.Line = cut(e.Path, 4096), cut(e.Line, 2048)
	e.Secrets, e.Scripts = e.Secrets[:min(len(e.Secrets), 16)], e.Scripts[:min(len(e.Scripts), 20)]
	for _, limits := range [][3]int{{64, 256, 64}, {16, 128, 24}, {8, 64, 8}, {2, 64, 2}} { // args, bytes each, generations
		e.Process = slimProcess(e.Process, limits[0], limits[1], limits[2])
		if weigh(e) <= maxEventSize {
			break
		}
	}
	return e
}

func slimProcess(p *wormbell.Process, args, size, depth int) *wormbell.Process {
	if p == nil || depth == 0 {
		return nil
	}
	c := *p
	c.Exe, c.Script, c.ScriptFile, c.Cwd = cut(p.Exe, 1024), cut(p.Script, 1024), cut(p.ScriptFile, 1024), cut(p.Cwd, 1024)
	c.Args = slices.Clone(p.Args[:min(len(p.Args), args)])
	for i := range c.Args {
		c.Args[i] = cut(c.Args[i], size)
	}
	c.Secrets = p.Secrets[:min(len(p.Secrets), args)]
	c.Parent = slimProcess(p.Parent, args, size, depth-1)
	return &c
}

// weigh is about how long e is as JSON.
func weigh(e wormbell.Event) int {
	n := 128 + len(e.Path) + len(e.Line)
	for _, words := range [][]string{e.Secrets, e.Scripts} {
		for _, w := range words {
			n += 3 + len(w)
		}
	}
	for p := range e.Process.Chain {
		n += 160 + len(p.Exe) + len(p.Script) + len(p.ScriptFile) + len(p.Cwd) + len(p.TTY) + len(p.Signer)
		for _, words := range [][]string{p.Args, p.Secrets} {
			for _, w := range words {
				n += 3 + len(w)
			}
		}
		if n > math.MaxInt32 {
			break
		}
	}
	return n
}

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit-3], "") + "…"
}

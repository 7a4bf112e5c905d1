package words

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/plain"
)

// Told is what an alert says to a person, in one language and fit to be seen.
type Told struct {
	Title string // what happened, in a few words
	What  string // the whole sentence: who (which package, which script), did what, to what
	Next  string // what to do next
}

// Limits of what is told, in characters. Names are an attacker's to choose.
const (
	maxTitleEn = 60
	maxTitleJa = 30
	maxWhat    = 2000
	maxSummary = 600
	maxDeeds   = 5 // told of one alert; more are counted
	maxListed  = 8 // things in one list
)

// Alert tells an alert. What the agent wrote is English; the sentence is made
// anew from its findings, and where that cannot be done what the agent wrote
// stands.
func (w *Words) Alert(a wormbell.Alert) Told {
	deeds := w.deeds(a)
	if len(deeds) == 0 {
		return Told{w.title(a, deed{}), w.Say(whatNothing), w.next(a, deed{})}
	}
	var what []string
	for i, d := range deeds {
		if i == maxDeeds {
			what = append(what, w.Say(whatMore, len(deeds)-i))
			break
		}
		what = append(what, w.sentence(d, deeds[:i]))
	}
	return Told{w.title(a, deeds[0]), plain.Cut(w.join(what), maxWhat), w.next(a, deeds[0])}
}

// deed is one thing that was done: by whom, and the words for it.
type deed struct {
	detector string
	who      *wormbell.Process
	did      string // what follows who; "" if whole tells it
	whole    string // a sentence that names nobody
	title    Key    // short, with a name first and the object of the deed second; "" for the general one
	object   string
	severity wormbell.Severity
	back     Key // how what was asked for is taken back
}

// deeds returns what the findings say, the gravest first. Reads are one deed,
// and so are the publishes of one detector.
func (w *Words) deeds(a wormbell.Alert) (deeds []deed) {
	sweeps := slices.ContainsFunc(a.Findings, func(f wormbell.Finding) bool {
		return f.Detector == credentialSweep && len(readsOf(f)) > 0
	})
	for rest := byGravity(a.Findings); len(rest) > 0; {
		f := rest[0]
		rest = rest[1:]
		if sweeps && f.Detector == credentialRead {
			continue // told with the sweep
		}
		d, ok := deed{}, false
		group := slices.DeleteFunc(slices.Clone(a.Findings), func(o wormbell.Finding) bool { return o.Detector != f.Detector })
		switch f.Detector {
		case credentialRead:
			if a.Severity <= wormbell.Low {
				// Such an alert may have what several trees did that have nothing to do with each other.
				rest = slices.DeleteFunc(rest, func(o wormbell.Finding) bool { return o.Detector == f.Detector })
				each := w.readEach(group)
				for i := range each {
					each[i].detector, each[i].severity = f.Detector, f.Severity
				}
				if deeds = append(deeds, each...); len(each) > 0 {
					continue
				}
			}
			d, ok = w.read(group, f)
		case publishByInstallScript:
			d, ok = w.published(group, f)
		case credentialSweep:
			d, ok = w.sweep(a, f)
		case privateFlagRemoved:
			var told []int
			d, told, ok = w.private(f, rest)
			for _, i := range slices.Backward(told) {
				rest = slices.Delete(rest, i, i+1)
			}
		default:
			d, ok = w.deed(a, f)
		}
		switch {
		case !ok:
			d = deed{whole: w.Say(whatSummary, plain.Cut(cmp.Or(f.Summary, f.Subject, f.Detector), maxSummary))}
		case f.Detector == credentialRead || f.Detector == publishByInstallScript || f.Detector == credentialSweep:
			rest = slices.DeleteFunc(rest, func(o wormbell.Finding) bool { return o.Detector == f.Detector }) // told with it
		}
		d.detector, d.severity = f.Detector, f.Severity
		deeds = append(deeds, d)
	}
	return deeds
}

// deed tells a finding that is told by itself.
func (w *Words) deed(a wormbell.Alert, f wormbell.Finding) (deed, bool) {
	switch f.Detector {
	case publishLoop:
		return w.loop(a, f)
	case historySecret:
		return w.history(f)
	case guardTampering:
		return w.tampering(f)
	case wormCommand:
		return w.command(f)
	case persistenceByInstallScript:
		return w.persisted(f)
	case decoyRead:
		if f.Severity == wormbell.Low {
			return w.touched(f, didMeetDecoy, wormbell.FileRead)
		}
		return w.touched(f, didDecoy, wormbell.FileRead)
	}
	return deed{}, false
}

// byGravity returns findings in the order in which they are told: as the
// agent's titles go, the first of the gravest first, but a lost flag after what
// came of it.
func byGravity(findings []wormbell.Finding) []wormbell.Finding {
	out := slices.Clone(findings)
	slices.SortStableFunc(out, func(x, y wormbell.Finding) int {
		if c := cmp.Compare(y.Severity, x.Severity); c != 0 {
			return c
		}
		flag := func(f wormbell.Finding) int {
			if f.Detector == privateFlagRemoved {
				return 1
			}
			return 0
		}
		return cmp.Compare(flag(x), flag(y))
	})
	return out
}

// sentence says d; before are the deeds that were told already.
func (w *Words) sentence(d deed, before []deed) string {
	switch {
	case d.did == "":
		return d.whole
	case len(before) > 0 && same(d.who, before[0].who):
		return w.Say(whatAlso, d.did)
	}
	return capital(w.Say(whatDid, w.Who(d.who), d.did))
}

// same reports whether a person would say that p and q are the same doer.
func same(p, q *wormbell.Process) bool {
	if p == nil || q == nil {
		return false
	}
	if d, e := ancestry.Dependency(p), ancestry.Dependency(q); d != nil && e != nil {
		return d.ID() == e.ID()
	} else if d != nil || e != nil {
		return false
	}
	return p.ID() == q.ID() || p.Exe == q.Exe && p.Script == q.Script && (p.Script != "" || p.Name() == q.Name())
}

// capital begins a sentence: our own words alone, not a file's name.
func capital(s string) string {
	for _, article := range []string{"the ", "an ", "a ", "something "} {
		if strings.HasPrefix(s, article) {
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s
}

// join puts sentences one after the other.
func (w *Words) join(sentences []string) string {
	if w.japanese() {
		return strings.Join(sentences, "")
	}
	return strings.Join(sentences, " ")
}

func (w *Words) japanese() bool { return w.tag == languages[1] }

// title says the alert in a few words: who by name, if it is a name to be put
// into a title, else in general. Of a name that is too long its ends are told: a
// title without one would be the gift of a long name to whoever chose it.
func (w *Words) title(a wormbell.Alert, d deed) string {
	limit := maxTitleEn
	if w.japanese() {
		limit = maxTitleJa
	}
	key := d.title
	if pair(a) {
		key = titlePair
	}
	if name := titleName(d.who); key != "" && key != titleUsual && name != "" {
		over := func() int { return utf8.RuneCountInString(w.Say(key, name, d.object)) - limit }
		if key == titleRead && over() > 0 {
			key = titleReads // who did it says more than what was read
		}
		name = middle(name, utf8.RuneCountInString(name)-max(0, over()))
		if over() <= 0 {
			return w.Say(key, name, d.object)
		}
	}
	if pair(a) {
		return w.Say(titlePairGeneral)
	}
	switch d.title {
	case titleNotRead:
		return w.Say(titleNotReadGeneral)
	case titleUsual:
		return w.Say(titleUsual)
	}
	if _, ok := alertTexts[generalTitle(d.detector)]; ok {
		return w.Say(generalTitle(d.detector))
	}
	if t := plain.Cut(a.Title, limit); t != "" && !w.japanese() {
		return t
	}
	return w.Say(titleUnknown)
}

// pair reports whether a both read credentials and published.
func pair(a wormbell.Alert) bool {
	var reads, publishes bool
	for _, f := range a.Findings {
		reads = reads || f.Detector == credentialRead || f.Detector == credentialSweep
		publishes = publishes || f.Detector == publishLoop || f.Detector == publishByInstallScript
	}
	return reads && publishes
}

// titleName is what p is called in a title: the package, else the script or
// program. A file may be called "Nothing happened": only what looks like the
// name of a package or a program is told, else "" is returned.
func titleName(p *wormbell.Process) string {
	if p == nil {
		return ""
	}
	name := p.Name()
	if d := ancestry.Dependency(p); d != nil {
		name = d.Package.String()
	} else if _, _, ok := ancestry.Client(p); ok {
		return ""
	}
	for i, r := range name {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && (r != '@' && i == 0 || !strings.ContainsRune("@/._+-", r)) {
			return ""
		}
	}
	return name
}

// middle is name in at most n characters: of a long one the middle is left out,
// as a package is known by how it begins and by its version. A name of which too
// little would be left stays as it is.
func middle(name string, n int) string {
	const least = 10
	r := []rune(name)
	if len(r) <= n || n < least {
		return name
	}
	head := n / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// nextKey is what to do, "" if only the agent's advice says it.
func nextKey(a wormbell.Alert, d deed) Key {
	switch dependency := ancestry.Dependency(d.who) != nil; {
	case a.Demo:
		return nextDemo
	case pair(a):
		return nextPair
	case d.title == titleNotRead:
		return nextDenied
	case d.title == titleUsual:
		return nextReadAsked
	case d.detector == credentialRead && d.severity == wormbell.Low && dependency && ancestry.Dependency(d.who).Lifecycle != "npx":
		return nextReadLow
	case d.detector == credentialRead && d.severity == wormbell.Low && d.who != nil && d.who.Tool != "":
		return nextReadRegistry
	case d.detector == credentialRead && d.severity == wormbell.Low:
		return nextReadAsked
	case d.detector == credentialRead && dependency:
		return nextReadDependency
	case d.back != "":
		return nextTamperingGot
	case d.detector == privateFlagRemoved && d.severity == wormbell.Low:
		return nextPrivateLow
	case d.detector == wormCommand && d.severity == wormbell.Low:
		return nextCommandLow
	case d.detector == persistenceByInstallScript && d.severity == wormbell.Low:
		return nextPersistLow
	case d.detector == privateFlagRemoved && d.severity == wormbell.Critical:
		return nextPublish
	}
	return nextOf[d.detector]
}

// next says what to do.
func (w *Words) next(a wormbell.Alert, d deed) string {
	switch key := nextKey(a, d); key {
	case "":
	case nextTamperingGot:
		return w.Say(key, w.Say(d.back))
	default:
		return w.Say(key)
	}
	if advice := plain.Cut(a.Advice, maxSummary); advice != "" && !w.japanese() {
		return advice
	}
	return w.Say(nextUnknown)
}

// Severity names a severity.
func (w *Words) Severity(s wormbell.Severity) string { return w.Say(Key("severity-" + s.String())) }

// Action names what was done about an alert by its verb, "freeze" or
// "npm-token-revoke"; a verb that it does not know stands as it is.
func (w *Words) Action(verb string) string {
	key, kind := Key("action-"+verb), ""
	if before, after, ok := strings.Cut(verb, "-token-"); ok {
		key, kind = Key("action-token-"+after), plain.Cut(before, maxName)
	}
	switch _, ok := alertTexts[key]; {
	case !ok:
		return plain.Cut(verb, maxName)
	case kind != "":
		return w.Say(key, kind)
	}
	return w.Say(key)
}

// State names the state of an alert.
func (w *Words) State(s wormbell.State) string {
	if _, ok := alertTexts[Key("state-"+string(s))]; !ok {
		return plain.Cut(string(s), 20)
	}
	return w.Say(Key("state-" + string(s)))
}

package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// program is one file that something runs.
type program struct {
	path    string // as it is written, then resolved
	real    string
	place   place
	changed time.Time
	shows   evidence
	opaque  string // why nobody can tell what it does, ""
	binary  bool   // it is compiled: what its texts say need not be what it does
	gone    bool
	links   []string // files that it names
	done    bool     // it has been read
}

const (
	maxMentions = 8 // files followed from one program
	maxFollow   = 3 // how far: a unit's script, what that runs, what that reads
)

// program finds out where the file at p is, once. What it shows is for read.
func (s *scan) program(p string) *program {
	if have := s.programs[p]; have != nil {
		return have
	}
	g := &program{path: p, real: p}
	s.programs[p] = g
	real, info, err := s.files.resolve(p)
	if err != nil {
		g.place = s.files.place(p)
		if g.gone = errors.Is(err, fs.ErrNotExist); !g.gone {
			g.opaque = fmt.Sprintf("it cannot be looked into: %v", plainError(err))
		}
		return g
	}
	g.real, g.place, g.changed = real, s.files.place(real), changed(info)
	if t := linkChanged(p); real != p && t.After(g.changed) {
		g.changed = t
	}
	if s.own(real) {
		g.place = inSystem
	}
	return g
}

// ownPrograms are ours, by the names they have beside each other.
var ownPrograms = []string{"wormbell", "wormbelld", "wormbell-tray"}

// own reports whether the file at p, free of symbolic links, is one of our programs.
func (s *scan) own(p string) bool {
	return s.Own != "" && filepath.Dir(p) == s.Own && slices.Contains(ownPrograms, strings.TrimSuffix(filepath.Base(p), ".exe"))
}

// read looks into a program, once. Those of the system are nobody's but its.
func (s *scan) read(g *program) {
	if g.done || g.gone || g.opaque != "" || g.place == inSystem {
		return
	}
	g.done = true
	data, _, _, cut, err := s.files.load(g.path, maxProgram)
	switch {
	case errors.Is(err, errGuarded):
		g.shows.set(holdsToken, "it uses a token")
		return
	case err != nil:
		g.opaque = fmt.Sprintf("it cannot be looked into: %v", plainError(err))
		return
	case cut:
		s.skip("%s: only its first %d MiB", s.files.tilde(g.path), maxProgram>>20)
	}
	binary := !printable(data[:min(len(data), 4000)]) || bytes.IndexByte(data, 0) >= 0
	if g.binary = binary; binary {
		g.opaque = "it is a compiled program, which can do more than its texts tell"
	}
	text := ""
	switch {
	case len(data) > 8*wholeText, !binary && len(data) > wholeText:
		g.shows = bundle(data, binary, s.Sites, s.Home)
		if !binary {
			g.opaque = "it is too large to be looked through as a whole"
		}
		return
	case binary:
		text = stringsOf(data)
	default:
		text = string(data)
	}
	g.shows = behaviour(text, s.Sites, s.Home)
	if len(text) <= wholeText {
		g.links = s.files.mentions(text, filepath.Dir(g.real), maxMentions)
	}
}

// closure is the programs of e: those that it runs itself, and the files that
// those name.
func (s *scan) closure(e *entry) (own, named []*program) {
	seen := map[string]bool{}
	if !slices.Contains(e.runs, e.path) {
		seen[e.path] = true // code that names the file it stands in says nothing more
	}
	var walk func(paths []string, depth int, to *[]*program)
	walk = func(paths []string, depth int, to *[]*program) {
		for _, p := range paths {
			if seen[p] || len(seen) > 40 {
				continue
			}
			seen[p] = true
			g := s.program(p)
			s.read(g)
			*to = append(*to, g)
			if depth > 0 && g.place != inSystem {
				walk(g.links, depth-1, &named)
			}
		}
	}
	walk(e.runs, maxFollow, &own)
	var inline []string
	for _, code := range e.inline {
		inline = append(inline, s.files.mentions(code, filepath.Dir(e.path), maxMentions)...)
	}
	walk(inline, maxFollow, &own)
	return own, named
}

// verdict is what came of judging one entry.
type verdict struct {
	weight Weight // "" if there is nothing to tell
	score  int
	why    []string
	ruins  bool // Trap.Ruins
}

// The weights. Each group counts once, so that no single habit of an honest
// script, however often it shows, reaches the bar: it takes at least three
// groups. The order of the groups is the order of the reasons.
const (
	weighTemp    = 3 // an honest autostart is not kept where everything goes away
	weighHidden  = 2
	weighHome    = 1
	weighInline  = 1 // the code stands in the entry, where nobody looks for it
	weighYoung   = 2 // since the incident began
	weighUnknown = 1 // nobody knows when that was
	weighAgain   = 1
	weighAsks    = 2
	weighNames   = 1
	weighToken   = 1
	weighRefused = 2 // who asks and looks for "no" waits for the revocation
	weighHarm    = 4
	weighDeletes = 1
	weighEval    = 1
	weighHides   = 2
	weighLoose   = 1 // runs without a terminal, on its own
	weighPeer    = 1 // is connected to a server now
	weighGone    = 1 // runs, and its file has been removed

	bar = 6 // from here on it may block, if the combination is one of those below
	// told is from where on a person is told of what does not block.
	told = 5
)

// judge weighs one entry.
func (s *scan) judge(e *entry) verdict {
	own, named := s.closure(e)
	j := &judgement{scan: s, entry: e, shows: e.extra}
	for _, code := range e.inline {
		j.shows.merge(behaviour(code, s.Sites, s.Home))
	}
	for _, g := range slices.Concat(own, named) {
		j.shows.merge(g.shows)
	}
	j.where(own)
	j.age(own)
	j.actions()
	j.process()
	return j.decide(own)
}

// judgement is a verdict in the making.
type judgement struct {
	*scan
	*entry
	verdict
	shows   evidence
	place   place
	mine    bool // it runs something of the user's own, not only the system's
	bundle  bool // its program is compiled or huge, so that names in it say little
	fresh   bool // what runs changed since the incident began
	touched bool // the file that the entry stands in did
	entered bool // the entry itself did
	loose   bool
}

func (j *judgement) count(weight int, why string) {
	j.score += weight
	if why != "" {
		j.why = append(j.why, why)
	}
}

// where weighs the place of what runs.
func (j *judgement) where(own []*program) {
	for _, g := range own {
		if g.gone && g.place == inSystem {
			continue
		}
		if g.place >= inOther {
			j.mine = true
		}
		j.place = max(j.place, g.place)
		if g.opaque != "" {
			j.bundle = true
		}
	}
	switch weights := map[place]int{inTemp: weighTemp, inHidden: weighHidden, inHome: weighHome}; {
	case weights[j.place] > 0:
		j.count(weights[j.place], j.place.words())
	case len(j.inline) > 0 && (j.shows.harms() || j.shows.has(asksService, hidesCode)):
		j.mine = true
		j.count(weighInline, "its code stands in the entry itself")
	}
	j.mine = j.mine || len(j.inline) > 0 && len(j.entry.runs) == 0 || j.extra.has(reloads, remote)
}

// age weighs how young it is. In a file with other contents only the program
// tells: nobody knows when the one line came.
func (j *judgement) age(own []*program) {
	if j.Since.IsZero() {
		if j.place >= inHidden {
			j.count(weighUnknown, "")
		}
		return
	}
	young := func(t time.Time) bool { return !t.IsZero() && !t.Before(j.Since) }
	j.touched = young(j.changed)
	j.entered = j.touched && !j.file
	programs, alone := false, true
	for _, g := range own {
		if g.place != inSystem && !g.gone {
			alone = false
			programs = programs || young(g.changed)
		}
	}
	j.fresh = programs || alone && young(j.changed)
	switch {
	case j.fresh && j.entered:
		j.count(weighYoung, "it came or changed since the incident began")
	case j.fresh:
		j.count(weighYoung, "what it runs came or changed since the incident began")
	case j.entered:
		j.count(weighYoung/2, "its entry came or changed since the incident began")
	}
}

// actions weighs what the code shows.
func (j *judgement) actions() {
	e := &j.shows
	if j.repeats != "" {
		e[goesOn] = j.repeats
	}
	if e.has(goesOn) {
		j.count(weighAgain, e[goesOn])
	}
	switch {
	case e.has(asksService) && j.bundle && !e.has(seesRefusal):
		j.count(weighNames, e[asksService])
	case e.has(asksService):
		j.count(weighAsks, e[asksService])
	case e.has(namesService):
		j.count(weighNames, e[namesService])
	}
	if e.has(holdsToken) {
		j.count(weighToken, e[holdsToken])
	}
	if e.has(seesRefusal) && e.has(asksService, namesService, holdsToken) {
		j.count(weighRefused, e[seesRefusal])
	}
	if e.harms() {
		j.score += weighHarm
		for _, s := range []sign{wipesHome, runsHanded, turnsOff, threatens, remote} {
			if e.has(s) {
				j.why = append(j.why, e[s])
			}
		}
	}
	if e.has(deletes) && !e.has(wipesHome) {
		j.count(weighDeletes, e[deletes])
	}
	for _, s := range []sign{hidesCode, reloads} {
		if e.has(s) {
			j.count(weighHides, e[s])
		}
	}
	if e.has(runsText) && !e.has(runsHanded) {
		j.count(weighEval, "")
	}
}

// process weighs how it runs now.
func (j *judgement) process() {
	for _, p := range j.live {
		j.loose = j.loose || p.loose()
	}
	if len(j.live) == 0 {
		return
	}
	if j.what == Running && j.loose {
		j.count(weighLoose, "it runs on its own, without a terminal")
	}
	for _, p := range j.live {
		if peer := p.peer(); peer != "" {
			j.count(weighPeer, "it is connected to "+peer)
			break
		}
	}
	for _, p := range j.live {
		if p.deleted != "" {
			j.count(weighGone, fmt.Sprintf("its file %s has been removed while it runs", clean(j.files.tilde(p.deleted))))
			break
		}
	}
}

// decide applies the combinations that block. Each needs the bar besides.
func (j *judgement) decide(own []*program) verdict {
	e, v := j.shows, &j.verdict
	active := j.starts || len(j.live) > 0
	v.ruins = j.starts && j.mine && e.has(wipesHome, turnsOff, threatens)
	unknown := j.Since.IsZero() && j.place >= inHidden
	blocks := false
	traps := e.has(wipesHome, runsHanded, turnsOff, threatens)
	switch {
	case !active || j.score < bar || !j.mine:
	case e.has(asksService, namesService) && e.has(seesRefusal) && traps:
		blocks = true // the trap itself, however old
	case e.has(holdsToken) && e.has(seesRefusal) && traps && (j.fresh || unknown):
		blocks = true // the same, for a service that we do not know
	case e.has(asksService, holdsToken) && e.has(wipesHome):
		blocks = true // it holds a token and deletes the home folder
	case e.has(asksService) && e.has(seesRefusal) && e.has(deletes, runsText, hidesCode) && (j.fresh || unknown) && !j.bundle:
		blocks = true // the trap, its last part put more vaguely
	case j.fresh && (e.harms() || e.has(hidesCode)):
		blocks = true // young, starts by itself, and does what no autostart should
	case j.what == Running && !j.loose: // somebody at a terminal, or what some program of theirs has started
	case j.fresh && e.has(asksService) && j.place >= inHome && !j.bundle:
		blocks = true // young, in the home, asks a token service
	case j.fresh && j.entered && e.has(asksService) && e.has(goesOn) && j.place >= inHidden:
		blocks = true // the same, compiled
	case j.fresh && j.place == inTemp && (j.entered || j.loose):
		blocks = true // nobody keeps what is to start again where it goes away
	case unknown && e.has(asksService) && e.has(goesOn) && e.has(seesRefusal) && !j.bundle:
		blocks = true // a hidden thing that waits for the revocation
	}
	switch {
	case blocks && j.builds(own):
		// Programs of those who work against worms hold a worm's words, and so do their tests.
		v.weight = Note
		j.why = append(j.why, "but a build tool or a shell of yours has started it, and waits for it")
		blocks = false
	case blocks:
		v.weight = Blocks
	case j.untold != "":
		v.weight = Note
		j.why = append(j.why, j.untold)
	case j.tell != "" && j.touched:
		v.weight = Note
		j.why = append(j.why, j.tell)
	case !active && j.score < bar, !j.mine && !e.harms():
	case j.what == Running && (!j.loose || !e.harms() && j.place != inTemp && (j.bundle || !e.has(asksService))):
		// Processes are many, and most live in the home: only those that run on their own and show something.
	case j.entered && j.what != Running, j.score >= told && (e.has(asksService, hidesCode, reloads) || e.harms() || j.place == inTemp):
		v.weight = Note
	}
	if v.weight != "" {
		j.explain(own, blocks)
	}
	return *v
}

// explain adds what speaks for the entry, and what nobody can tell.
func (j *judgement) explain(own []*program, blocks bool) {
	for _, g := range own {
		if g.opaque != "" {
			j.why = append(j.why, g.opaque)
		}
		if g.gone && len(j.live) == 0 {
			j.why = append(j.why, "what it runs is not there (any more)")
		}
	}
	if !j.starts && len(j.live) == 0 {
		j.why = append(j.why, "nothing starts it as things are")
	}
	if !blocks && !j.Since.IsZero() && !j.fresh && !j.entered {
		j.why = append(j.why, "but it is older than the incident")
	}
	if !blocks && j.shows.has(asksService) && !j.shows.harms() {
		j.why = append(j.why, "and nothing in it does harm")
	}
	var once []string
	for _, w := range j.why {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	j.why = once
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if strings.HasSuffix(thing, "s") {
		thing += "e"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func pids(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

func sortStrings(s []string) { slices.Sort(s) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func itoa(n int) string { return strconv.Itoa(n) }

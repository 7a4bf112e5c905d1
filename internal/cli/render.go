package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/demo"
	"wormbell/internal/exposure"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// printer writes for a person. Everything that came from outside goes through
// clean on its way; the rest is ours.
type printer struct {
	w       io.Writer
	width   int            // columns to fill at most
	colour  bool           // the output is a terminal that wants colour
	zone    *time.Location // in which times are shown
	again   bool           // alerts are told in passing: 'alert show' has them once more
	passing bool           // alerts are gone soon: there is nothing to do about them
	// exposure is what the alert laid open; nil where that is not shown.
	exposure *exposure.Exposure
	err      error // the first that writing met; what follows is not written
}

// The few looks there are, as SGR parameters (ECMA-48 §8.3.117).
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	yellow = "33"
	cyan   = "36"
	green  = "32"
)

// look returns s in one of the looks.
func (p *printer) look(sgr, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func severityLook(s wormbell.Severity) string {
	switch s {
	case wormbell.Critical, wormbell.High:
		return red
	case wormbell.Medium:
		return yellow
	}
	return cyan
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// paragraph writes s, wrapped, below an indentation.
func (p *printer) paragraph(indent, s string) {
	for _, l := range wrap(s, p.width-len(indent)) {
		p.line("%s%s", indent, l)
	}
}

// clock is the time of day of t; at is with its date.
func (p *printer) clock(t time.Time) string { return t.In(p.zone).Format("15:04:05") }
func (p *printer) at(t time.Time) string    { return t.In(p.zone).Format("Mon 2 Jan 15:04:05") }

// Limits of the picture: what does not fit is counted, and stands in --json.
const (
	maxFindings = 6  // sentences shown
	maxTouched  = 14 // lines of what was touched
	maxLines    = 4  // of one of them
)

// alert writes the whole picture of one alert.
func (p *printer) alert(a wormbell.Alert) {
	head := strings.ToUpper(a.Severity.String())
	title := plain.Text(a.Title)
	room := p.width - width(head) - 2 - 2 - len(a.ID)
	if width(title) <= room {
		p.line("%s  %s%s  %s", p.look(severityLook(a.Severity), head), p.look(bold, title),
			strings.Repeat(" ", room-width(title)), plain.Text(a.ID))
	} else {
		p.line("%s  %s", p.look(severityLook(a.Severity), head), plain.Text(a.ID))
		for _, l := range wrap(title, p.width) {
			p.line("%s", p.look(bold, l))
		}
	}
	for _, l := range wrap(p.facts(a), p.width) {
		p.line("%s", p.look(dim, l))
	}
	p.line("")
	p.sentences(a)
	if t := grow(a); len(t.roots) > 0 {
		p.line("")
		p.line("%s", p.look(bold, "Who"))
		p.tree(t)
	}
	if touched := touched(a); len(touched) > 0 {
		p.line("")
		p.line("%s", p.look(bold, "What"))
		p.touched(touched)
	}
	if p.exposure != nil {
		p.exposed(a.ID, *p.exposure)
	}
	p.actions(a)
	p.advice(a)
}

// facts is the line below an alert's title.
func (p *printer) facts(a wormbell.Alert) string {
	when := p.at(a.First)
	if a.Last.Sub(a.First) >= time.Second {
		when += " – " + p.clock(a.Last)
	}
	facts := []string{string(a.State), when, count(a.Count, "finding")}
	if a.Demo {
		facts = append(facts, "demonstration")
	}
	return strings.Join(facts, " · ")
}

// sentences are the findings, gravest first.
func (p *printer) sentences(a wormbell.Alert) {
	findings := gravest(a)
	for _, f := range findings[:min(len(findings), maxFindings)] {
		lines := wrap(plain.Text(f.Summary), p.width-4)
		for i, l := range lines {
			mark := "  "
			if i == 0 {
				mark = p.look(severityLook(f.Severity), "• ")
			}
			p.line("  %s%s", mark, l)
		}
	}
	if more := len(findings) - maxFindings; more > 0 {
		p.line("    %s", p.look(dim, "… and "+count(more, "more finding")))
	}
}

func gravest(a wormbell.Alert) []wormbell.Finding {
	findings := slices.Clone(a.Findings)
	slices.SortStableFunc(findings, func(a, b wormbell.Finding) int { return int(b.Severity) - int(a.Severity) })
	return findings
}

// touch is one thing that was done, and how often.
type touch struct {
	first time.Time
	verb  string
	what  string
	by    string
	count int
}

// touched gathers what an alert's evidence says was done, in order of time.
func touched(a wormbell.Alert) []touch {
	var all []touch
	var seen []string // an event can be evidence of two findings
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			verb, what := deed(e)
			if verb == "" {
				continue
			}
			by := ""
			if e.Process != nil {
				by = e.Process.String()
			}
			id := fmt.Sprint(e.Time.UnixNano(), verb, what, by)
			if slices.Contains(seen, id) {
				continue
			}
			seen = append(seen, id)
			i := slices.IndexFunc(all, func(t touch) bool { return t.verb == verb && t.what == what && t.by == by })
			if i < 0 {
				all = append(all, touch{e.Time, verb, what, by, 1})
				continue
			}
			all[i].count++
			if e.Time.Before(all[i].first) {
				all[i].first = e.Time
			}
		}
	}
	slices.SortStableFunc(all, func(a, b touch) int { return a.first.Compare(b.first) })
	return all
}

// deed says in words what an event is about; no verb means nothing worth a line.
func deed(e wormbell.Event) (verb, what string) {
	switch e.Kind {
	case wormbell.FileRead:
		if e.Denied() {
			return "was denied", e.Path
		}
		return "read", e.Path
	case wormbell.FileWrite:
		return "wrote", e.Path
	case wormbell.FileRemove:
		return "removed", e.Path
	case wormbell.ManifestChange:
		return "changed", e.Path + manifestChange(e)
	case wormbell.PackageAdd:
		return "installed", e.Package.String()
	case wormbell.PackageRemove:
		return "removed", e.Package.String()
	case wormbell.ProcessStart:
		what = commandLine(e.Process)
		if e.Package != nil {
			what += "  (" + e.Package.String() + ")"
		}
		return "ran", what
	case wormbell.ShellCommand:
		return "typed", e.Line
	case wormbell.ConnectionSeen:
		if e.Loopback() {
			return "connected to", e.Address + " (this machine)"
		}
		return "connected to", e.Address
	case wormbell.AgentCall:
		return "asked us to", e.Line
	case wormbell.Gap:
		if e.Count == 0 {
			return "missed", "events were lost here: " + e.Line
		}
		return "missed", count(e.Count, "event") + " lost here: " + e.Line
	}
	return "", ""
}

// manifestChange says what became different in a package.json.
func manifestChange(e wormbell.Event) string {
	var parts []string
	was, is := e.Was, e.Is
	switch {
	case was == nil || is == nil:
		return ""
	case was.Private && !is.Private:
		parts = append(parts, `"private" removed`)
	case !was.Private && is.Private:
		parts = append(parts, `"private" added`)
	}
	if was.Name != is.Name {
		parts = append(parts, was.Name+" → "+is.Name)
	}
	if was.Version != is.Version {
		parts = append(parts, was.Version+" → "+is.Version)
	}
	if len(e.Scripts) > 0 {
		parts = append(parts, "scripts "+strings.Join(e.Scripts, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func (p *printer) touched(all []touch) {
	verbs := 0
	for _, t := range all {
		verbs = max(verbs, width(t.verb))
	}
	for i, t := range all {
		if i == maxTouched && len(all) > maxTouched+1 {
			p.line("  %s", p.look(dim, "… and "+count(len(all)-i, "more event")))
			return
		}
		times := ""
		if t.count > 1 {
			times = fmt.Sprintf(" ×%d", t.count)
		}
		head := fmt.Sprintf("  %s  %-*s  ", p.clock(t.first), verbs, t.verb)
		room := p.width - width(head) - width(times)
		lines := []string{shorten(plain.Text(t.what), room)}
		if t.verb == "changed" { // from what to what is the end of the line
			lines = wrap(shorten(plain.Text(t.what), maxLines*room), room)
		}
		for j, l := range lines {
			if j > 0 {
				head = strings.Repeat(" ", width(head))
			}
			if j == len(lines)-1 {
				l += p.look(dim, times)
			}
			p.line("%s%s", head, l)
		}
	}
}

func (p *printer) actions(a wormbell.Alert) {
	if len(a.Actions) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.look(bold, "Done so far"))
	for _, act := range a.Actions {
		p.paragraph("  ", fmt.Sprintf("%s  %s: %s", p.clock(act.Time), plain.Text(act.What), plain.Text(act.Outcome)))
	}
}

// advice is what to do now: the detector's own words, then the commands.
func (p *printer) advice(a wormbell.Alert) {
	if a.State == wormbell.Closed {
		return
	}
	p.line("")
	p.line("%s", p.look(bold, "Do now"))
	respond := "replace and revoke what was exposed, with a plan first"
	switch {
	case a.Demo:
		respond = "what would be done; no token of yours is touched"
		p.paragraph("  ", words.In(language.English).Alert(a).Next)
	case a.Advice != "":
		p.paragraph("  ", plain.Text(a.Advice))
	}
	if p.passing {
		return
	}
	next := [][2]string{
		{"respond", respond},
		{"alert freeze", "stop everything it started, for now"},
		{"alert close", "when it is dealt with"},
	}
	if a.Demo && time.Since(a.Last) > demo.Lasts {
		next = slices.DeleteFunc(next, func(n [2]string) bool { return n[0] == "alert freeze" }) // there is nothing left of it
	}
	if p.again {
		next = slices.Insert(next, min(2, len(next)), [2]string{"alert show", "all of it again"})
	}
	for _, n := range next {
		cmd := "wormbell " + n[0] + " " + plain.Text(a.ID)
		note := strings.Repeat(" ", max(0, len("wormbell alert freeze ")+8-len(cmd))+2) + n[1]
		if 2+len(cmd)+len(note) > p.width {
			note = ""
		}
		p.line("  %s%s", p.look(bold, cmd), p.look(dim, note))
	}
}

// brief is an alert in one line, as the list and --follow show it.
func (p *printer) brief(a wormbell.Alert) string {
	state := ""
	if a.State != wormbell.Open {
		state = " (" + string(a.State) + ")"
	}
	if a.Demo {
		state += " (demo)"
	}
	head := fmt.Sprintf("%s  %-8s  ", plain.Text(a.ID), a.Severity)
	tail := fmt.Sprintf("%s  %s", state, count(a.Count, "finding"))
	return p.look(severityLook(a.Severity), head) + shorten(plain.Text(a.Title), max(12, p.width-width(head)-width(tail))) + p.look(dim, tail)
}

// count is n things: "1 finding", "3 findings".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

package exposure

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wormbell"
)

// Header is what a report says of where it was written.
type Header struct {
	Host string         // name of the machine; "" to leave it out
	Zone *time.Location // in which times are shown beside UTC; nil for UTC alone
}

// columns is how wide a report is: mail programs break longer lines.
const columns = 76

// Report is the incident as a plain text to send to others: what happened, what
// was exposed, what was done, what is to be done. Everything from outside in it
// is safe to print.
func Report(a wormbell.Alert, x Exposure, h Header) string {
	r := report{zone: h.Zone}
	if r.zone == nil {
		r.zone = time.UTC
	}
	r.head(a, h)
	r.happened(a)
	r.exposed(x)
	r.published(x)
	r.changed(x)
	r.ran(x)
	r.done(a)
	r.next(a, x)
	return r.String()
}

// report is a text that grows.
type report struct {
	strings.Builder
	zone *time.Location
}

func (r *report) section(title string) {
	fmt.Fprintf(r, "\n%s\n%s\n", title, strings.Repeat("-", len(title)))
}

// item writes a sentence below a bullet.
func (r *report) item(format string, args ...any) { r.text("* ", "  ", fmt.Sprintf(format, args...)) }

// text writes s, wrapped.
func (r *report) text(first, rest, s string) {
	for i, l := range fold(Plain(s), columns-len(first)) {
		if i > 0 {
			first = rest
		}
		r.WriteString(strings.TrimRight(first+l, " ") + "\n")
	}
}

// when is a time as a reader anywhere understands it.
func (r *report) when(t time.Time) string {
	utc := t.UTC().Format("2006-01-02 15:04:05 UTC")
	if local := t.In(r.zone); local.Format("-0700") != "+0000" {
		return utc + local.Format(" (15:04:05 -0700)")
	}
	return utc
}

func (r *report) head(a wormbell.Alert, h Header) {
	title := "Security incident " + Plain(a.ID)
	fmt.Fprintf(r, "%s\n%s\n", title, strings.Repeat("=", len(title)))
	r.text("", "", a.Title)
	fmt.Fprintln(r)
	fact := func(name, value string) { r.text(fmt.Sprintf("%-10s", name), strings.Repeat(" ", 10), value) }
	fact("Severity", a.Severity.String())
	fact("First", r.when(a.First))
	fact("Last", r.when(a.Last))
	fact("State", string(a.State))
	if h.Host != "" {
		fact("Machine", h.Host)
	}
	if a.User != "" {
		fact("Account", a.User)
	}
	if a.Demo {
		fact("Note", "this was a demonstration, nothing was stolen")
	}
}

func (r *report) happened(a wormbell.Alert) {
	r.section("What happened")
	findings := slices.Clone(a.Findings)
	slices.SortStableFunc(findings, func(a, b wormbell.Finding) int { return int(b.Severity) - int(a.Severity) })
	for i, f := range findings {
		if i == maxItems {
			r.item("and %d more findings", len(findings)-i)
			break
		}
		r.item("%s (%s)", f.Summary, f.Severity)
	}
}

// maxItems bounds each list of a report.
const maxItems = 50

// each writes the first items of a list, and how many more there are.
func each[T any](r *report, list []T, item func(T)) {
	for i, v := range list {
		if i == maxItems {
			r.item("and %d more", len(list)-i)
			return
		}
		item(v)
	}
}

func (r *report) exposed(x Exposure) {
	if len(x.Packages) > 0 {
		r.section("Which package")
		each(r, x.Packages, func(p Package) {
			text := p.Lifecycle + " script of " + p.String()
			if p.Folder != "" {
				text += " in " + p.Folder
			}
			r.item("%s", text)
		})
	}
	r.section("What was exposed")
	if len(x.Files)+len(x.Variables)+len(x.Exported)+len(x.Reach) == 0 {
		r.item("No credential that we know of.")
	}
	each(r, x.Files, func(f File) {
		who := f.By
		if f.Package != nil {
			who += ", " + f.Lifecycle + " of " + f.Package.String()
		}
		r.item("%s (%s), read %s by %s", f.Path, f.Kind, r.when(f.Time), who)
	})
	each(r, x.Denied, func(f File) {
		r.item("%s (%s), which %s opened %s, was denied to it: nothing was read, and nothing has to be revoked for that", f.Path, f.Kind, f.By, r.when(f.Time))
	})
	each(r, x.Decoys, func(f File) {
		r.item("%s, read %s by %s, is a decoy: what is in it was made up, and nothing has to be revoked", f.Path, r.when(f.Time), f.By)
	})
	each(r, x.Variables, func(v Variable) { r.item("the variable %s in the environment of %s", v.Name, v.By) })
	each(r, x.Exported, func(e Exported) {
		r.item("the variable %s, which %s exports in line %d to every program", e.Name, e.Path, e.Line)
	})
	each(r, x.Reach, func(t Reach) { r.item("%s", t.String()) })
	if x.Demo {
		r.item("All of this was made up for the demonstration.")
	} else if x.Reach == nil && len(x.Files)+len(x.Variables) > 0 {
		r.item("What these could do was not asked of their services.")
	}
	if doubt := Doubt(x.Unwatched); doubt != "" {
		r.item("%s", doubt)
	}
}

// String says in one sentence what a token can do.
func (t Reach) String() string {
	s := t.Kind
	if t.Owner != "" {
		s += " of " + t.Owner
	}
	if t.Where != "" {
		s += " in " + t.Where
	}
	switch {
	case len(t.Can) > 12:
		s += fmt.Sprintf(" can %s, and %d things more", strings.Join(t.Can[:12], ", "), len(t.Can)-12)
	case len(t.Can) > 0:
		s += " can " + strings.Join(t.Can, ", ")
	case t.Why == "":
		s += " can do nothing, says its service"
	}
	if t.Why != "" {
		s += ": what it can do could not be told (" + t.Why + ")"
	}
	return s
}

func (r *report) published(x Exposure) {
	if len(x.Published)+len(x.Versions) == 0 {
		return
	}
	r.section("What was published")
	each(r, x.Versions, func(v Version) {
		text := v.String() + ", " + r.when(v.Time)
		if v.By != "" {
			text += ", by " + v.By
		}
		if u := plainURL(v.Registry); u != "" {
			text += ", at " + u
		}
		if v.Earlier {
			r.item("%s: the registry has it, from before this began; was it you?", text)
			return
		}
		r.item("%s: the registry has it", text)
	})
	each(r, x.Published, func(p Published) { r.item("%s, %s", p.String(), r.when(p.Time)) })
	if x.Versions == nil {
		r.item("These are attempts; whether the registry took them was not asked.")
	}
	if x.Partial {
		r.item("There may have been more than the alert keeps.")
	}
}

// String says in a few words what was tried.
func (p Published) String() string {
	s := p.What
	if u := plainURL(p.Registry); u != "" {
		s += " to " + u
	}
	if p.Staged {
		s += ", staged"
	}
	if p.Count > 1 {
		s += fmt.Sprintf(", %d attempts", p.Count)
	}
	return s
}

func (r *report) changed(x Exposure) {
	if len(x.Changed) == 0 {
		return
	}
	r.section("What was changed")
	each(r, x.Changed, func(c Change) {
		note := ""
		if c.Note != "" {
			note = ": " + c.Note
		}
		r.item("%s %s%s, by %s", c.What, c.Path, note, c.By)
	})
}

func (r *report) ran(x Exposure) {
	if len(x.Tree) == 0 {
		return
	}
	r.section("What ran")
	for i, p := range x.Tree {
		if i == maxItems {
			r.item("and %d more processes", len(x.Tree)-i)
			return
		}
		what := ""
		if p.Package != nil {
			what = fmt.Sprintf(" [%s of %s]", p.Lifecycle, p.Package)
		}
		indent := strings.Repeat("  ", min(p.Depth, 16)+1)
		r.text(indent, indent+"    ", fmt.Sprintf("%s (pid %d)%s", shorten(p.Command, 160), p.PID, what))
	}
}

func (r *report) done(a wormbell.Alert) {
	r.section("What was done")
	if len(a.Actions) == 0 {
		r.item("Nothing yet.")
	}
	each(r, a.Actions, func(act wormbell.Action) { r.item("%s %s: %s", r.when(act.Time), act.What, act.Outcome) })
}

func (r *report) next(a wormbell.Alert, x Exposure) {
	r.section("What to do next")
	if a.Demo {
		r.item("Nothing: this was a demonstration. What it read and published was made up for it.")
		return
	}
	before := r.Len()
	if a.State != wormbell.Closed {
		r.item("On the machine: 'wormbell respond %s' stops what runs, looks for what would come back, then revokes and replaces the credentials.", a.ID)
	}
	var kinds []string
	for _, f := range x.Files {
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	if len(kinds) > 0 {
		r.item("Take these for stolen, until each is revoked and replaced: %s.", strings.Join(kinds, ", "))
	}
	if len(x.Variables)+len(x.Exported) > 0 {
		r.item("Revoke what stands in the variables, too: no file tells who copied them.")
	}
	if len(x.Files)+len(x.Variables) > 0 {
		r.item("Look in the logs of these accounts for whatever happened since %s.", r.when(a.First))
	}
	for _, p := range x.Packages {
		r.item("Remove %s from the project and its lock file, and tell the registry about it.", p.String())
	}
	r.takeBack(x)
	if r.Len() == before {
		r.item("Nothing that we know of.")
	}
}

// takeBack writes the commands. They are not wrapped: they are to be copied.
func (r *report) takeBack(x Exposure) {
	commands := x.Commands()
	if len(commands) == 0 {
		return
	}
	r.item("From a clean machine, warn of what was published, or take it away (registries allow that for a few days only):")
	fmt.Fprintln(r)
	for i, c := range commands {
		if i == 4*maxItems {
			r.item("and %d more versions", (len(commands)-i)/2)
			return
		}
		fmt.Fprintf(r, "    %s\n", c.Line)
	}
}

// Plain makes a string from outside safe to print and to paste: whatever is
// not a visible character is spelled out.
func Plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
		i += n
	}
	return b.String()
}

// shorten cuts s to n characters, in the middle.
func shorten(s string, n int) string {
	c := []rune(s)
	if len(c) <= n {
		return s
	}
	return string(c[:n/2]) + "…" + string(c[len(c)-n/2+1:])
}

// fold breaks s at spaces into lines of at most n characters; a longer word
// has a line of its own.
func fold(s string, n int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

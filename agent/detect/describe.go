package detect

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"

	"wormbell"
	"wormbell/internal/ancestry"
)

// who says who p is, for a person: "postinstall of evil@1.0.0 (node steal.js,
// started by npm install in ~/app)" below a dependency's script, else
// "auto.js (node auto.js, started by bash in ~/app)".
func (s *Scope) who(p *wormbell.Process) string {
	if p == nil {
		return "somebody (this system could not tell who)"
	}
	name := p.Name()
	where, cwd := p, p.Cwd
	if d := ancestry.Dependency(p); d != nil {
		script := d.Lifecycle
		if script == "" {
			script = "an install script"
		}
		name = script + " of " + d.Package.String()
		where = d
	}
	if n := len([]rune(name)); n > 120 {
		name = string([]rune(name)[:120]) + "…"
	}
	by := where.Parent
	for by != nil && by.Parent != nil && ancestry.Shell(by) && !ancestry.Interactive(by) && by.Script == "" {
		by = by.Parent // sh -c
	}
	if ancestry.Dependency(p) != nil {
		if i := ancestry.BelowInstaller(where); i != nil {
			by = i
		}
	}
	out := name + " (" + s.commandLine(p)
	if by != nil {
		out += ", started by " + s.commandLine(by)
		if by.Cwd != "" && !ancestry.Boundary(by) {
			cwd = by.Cwd
		}
	}
	if cwd != "" && cwd != "/" {
		out += " in " + printable(s.Tilde(cwd), 100)
	}
	return out + ")"
}

// whose says who is behind p: the nearest script above it that nobody vouches
// for, `node auto.js` for the npm it starts; else p.
func (s *Scope) whose(p *wormbell.Process) string {
	for a := range p.Chain {
		if ancestry.Dependency(p) != nil || ancestry.Boundary(a) {
			break
		}
		if a.Signer == "" && !ancestry.NamedInstaller(a) && (a.Script != "" || ancestry.JavaScript(a) || ancestry.Interpreter(a)) {
			return s.who(a)
		}
	}
	return s.who(p)
}

// commandLine is p's command line, short: the program, the script without its
// folder, and what follows while there is room.
func (s *Scope) commandLine(p *wormbell.Process) string {
	if client, args, ok := ancestry.Client(p); ok {
		return s.short(strings.Join(append([]string{client}, args...), " "))
	}
	program := path.Base(p.Exe)
	if p.Exe == "" {
		program = p.Name()
	}
	if program == "tmux: server" || ancestry.Interactive(p) || len(p.Args) < 2 {
		if p.Script != "" {
			program += " " + path.Base(p.Script)
		}
		return s.short(program)
	}
	words := []string{program}
	for _, a := range p.Args[1:] {
		if p.Script != "" && path.Base(a) == path.Base(p.Script) {
			a = path.Base(a)
		}
		words = append(words, a)
	}
	return s.short(strings.Join(words, " "))
}

// usualHomes finds homes where they usually lie, with what comes after.
var usualHomes = regexp.MustCompile(`(?:(?:/home|/Users|C:/Users)/[^/\s'":;,)]+|/root)(/|[\s'":;,)]|$)`)

// short makes a command line fit into a sentence, with homes as ~.
func (s *Scope) short(line string) string {
	if homes := s.engine.trust.homes.Load(); homes != nil {
		for _, h := range *homes {
			line = strings.ReplaceAll(line, h+"/", "~/")
		}
	}
	return printable(usualHomes.ReplaceAllString(line, "~$1"), 60)
}

// printable replaces what would move a terminal's cursor or break a line, and
// shortens to n characters: names of files and arguments are anybody's.
func printable(s string, n int) string {
	var b strings.Builder
	count := 0
	for _, r := range s {
		if count >= n {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case !unicode.IsPrint(r):
			r = '�'
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// span says how long something took: "20 s", "5 min", "3 h".
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", max(1, int(d.Round(time.Second).Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24+0.5))
}

// list joins words as a sentence does, eight of them at most.
func list(words []string) string {
	switch n := len(words); {
	case n == 0:
		return ""
	case n == 1:
		return words[0]
	case n > 8:
		return strings.Join(words[:7], ", ") + fmt.Sprintf(" and %d more", n-7)
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

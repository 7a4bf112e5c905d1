package words

import (
	"path"
	"regexp"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/plain"
)

// Lengths of what a sentence names, in characters.
const (
	maxName    = 80
	maxCommand = 60
	maxPath    = 100
)

// Who says who p is: "the postinstall script of evil@1.0.0 (node steal.js,
// started by npm install in ~/app)" below a dependency's script, else "the
// script auto.js (node auto.js, started by bash in a terminal, in ~/auto)". It
// is for the middle of a sentence.
func (w *Words) Who(p *wormbell.Process) string {
	if p == nil {
		return w.Say(whoNobody)
	}
	how := w.how(p)
	if d := ancestry.Dependency(p); d != nil {
		if d.Lifecycle == "" {
			return w.Say(whoPackageAny, plain.Cut(d.Package.String(), maxName), how)
		}
		return w.Say(whoPackage, plain.Cut(d.Lifecycle, maxName), plain.Cut(d.Package.String(), maxName), how)
	}
	name := plain.Cut(p.Name(), maxName)
	if p.Exe == "" && p.Script == "" && len(p.Args) == 0 {
		return w.Say(whoNobody)
	}
	if client, _, ok := ancestry.Client(p); ok && ancestry.NamedInstaller(p) {
		if p.Signer == "" {
			return w.Say(whoFake, client, how)
		}
		return w.Say(whoProgram, client, how)
	}
	if p.Script != "" {
		return w.Say(whoScript, name, how)
	}
	return w.Say(whoProgram, name, how)
}

// how says what p runs, what started it and where.
func (w *Words) how(p *wormbell.Process) string {
	where, cwd := p, p.Cwd
	d := ancestry.Dependency(p)
	if d != nil {
		where = d
	}
	by := where.Parent
	for by != nil && by.Parent != nil && ancestry.Shell(by) && !ancestry.Interactive(by) && by.Script == "" {
		by = by.Parent // sh -c
	}
	if d != nil {
		if i := ancestry.BelowInstaller(where); i != nil {
			by = i
		}
	}
	in := howByIn
	if by != nil && by.Cwd != "" && !ancestry.Boundary(by) {
		cwd, in = by.Cwd, howByOf
	}
	if cwd == "/" {
		cwd = ""
	}
	ran, folder := summary(p), file(tilde(cwd))
	switch {
	case by == nil && folder == "":
		return ran
	case by == nil:
		return w.Say(howIn, ran, folder)
	case ancestry.Interactive(by) && folder == "":
		return w.Say(howTerminal, ran, summary(by))
	case ancestry.Interactive(by):
		return w.Say(howTerminalIn, ran, summary(by), folder)
	case folder == "":
		return w.Say(howBy, ran, summary(by))
	}
	return w.Say(in, ran, summary(by), folder)
}

// whose returns who is behind p: the nearest script at or above it that nobody
// vouches for, `node auto.js` for the npm it starts; else p.
func whose(p *wormbell.Process) *wormbell.Process {
	if ancestry.Dependency(p) != nil {
		return p
	}
	for a := range p.Chain {
		if ancestry.Boundary(a) {
			break
		}
		if a.Signer == "" && !ancestry.NamedInstaller(a) && (a.Script != "" || ancestry.JavaScript(a) || ancestry.Interpreter(a)) {
			return a
		}
	}
	return p
}

// summary is p's command line, short: the program, the script without its
// folder, and what follows while there is room.
func summary(p *wormbell.Process) string {
	if client, args, ok := ancestry.Client(p); ok {
		return short(append([]string{client}, args...))
	}
	program := path.Base(p.Exe)
	if p.Exe == "" {
		program = p.Name()
	}
	script := ""
	if p.Script != "" {
		script = path.Base(p.Script)
	}
	if program == "tmux: server" || ancestry.Interactive(p) || len(p.Args) < 2 {
		if script == "" {
			return short([]string{program})
		}
		return short([]string{program, script})
	}
	words := []string{program}
	for _, a := range p.Args[1:] {
		if script != "" && path.Base(a) == script {
			a = script
		}
		words = append(words, a)
	}
	return short(words)
}

// usualHomes finds homes where they usually lie, with what comes after.
var usualHomes = regexp.MustCompile(`(?:(?:/home|/Users|C:/Users)/[^/\s'":;,)]+|/root)(/|[\s'":;,)]|$)`)

// short makes a command line fit into a sentence, with homes as ~.
func short(words []string) string {
	line := strings.Join(words, " ")
	if len(line) > 4096 { // more than is ever shown
		line = strings.ToValidUTF8(line[:4096], "")
	}
	return plain.Cut(usualHomes.ReplaceAllString(line, "~$1"), maxCommand)
}

package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

var wormCommand = Detector{
	ID:       "worm-command",
	Title:    "A script ran a command that worms use",
	Advice:   "If you did not start this, freeze it and look at what started it. What the command gave out must be taken for stolen.",
	Severity: wormbell.High,
	Kinds:    []wormbell.Kind{wormbell.ProcessStart, wormbell.ShellCommand},
	Named:    true,
	Who:      true,
	Doc: `
Fires when something below the install script of a dependency, or below a program that has raised an alert, runs what worms collect
credentials with or fetch their code by: trufflehog, gh auth token, git credential fill and git's helpers, npm token, npm's commands
that give a package to others, a package manager with a proxy or certificates of its own, secret-tool and other keychains, the commands of aws, gcloud, az, docker, kubectl and password managers that print tokens, wormbell exec and vault, AI agents
with their guard off, curl | sh, and a JavaScript runtime that was fetched (a bun that is no package's and no tool of the home's, or one
under another name). Commands are found in what a shell is given to run, too, and copies of some tools under another name by their arguments.
A command in a shell's history counts if the shell that wrote it is below such a script.

Of what only the person's own programs ask for (trufflehog, gh, git, npm, keychains, wormbell), a script is told of as well that nobody vouches
for, in node or bun, also if it came with npx: low, so listed but not shown, below a person's shell or an IDE, as release tools ask gh for
its token, and in one alert with what else of a day is low and usual; high if nobody is above.

Quiet for what a person types, for a person's shell scripts, for helpers that git or docker start for themselves, and for whatever tools vouched
for start: a terraform that asks aws.`,
	Blind: "" +
		"Tools of other words, a tool's own library, a request to a helper over its socket (an SSH agent, git's credential cache). A copy under another name\n" +
		"is known only where its arguments are telling: trufflehog, `auth token`, `credential fill` and some more, not `pass show`.",
	New: func() Check {
		w := wormCommands{
			reported: NewRecent[commandKey](10*time.Minute, 1000),
			fetching: NewRecent[wormbell.ProcessID](time.Minute, 500),
			waiting:  NewRecent[wormbell.ProcessID](time.Minute, 500),
		}
		return w.check
	},
}

type wormCommands struct {
	reported *Recent[commandKey]
	fetching *Recent[wormbell.ProcessID] // starts of curl and the like, by the parent
	waiting  *Recent[wormbell.ProcessID] // starts of shells that run their input, by the parent
}

// commandKey is one tool of one tree.
type commandKey struct {
	root wormbell.ProcessID
	tool string
}

// reach is what a process is told of for, and how loudly.
type reach struct {
	strict   bool // only what nobody but the person's own programs asks for
	severity wormbell.Severity
}

// reachOf judges who runs p; false if it may run what it likes.
func (s *Scope) reachOf(p *wormbell.Process) (reach, bool) {
	d := ancestry.Dependency(p)
	if d != nil && !ranOnce(d) || s.Suspect(p) {
		return reach{severity: wormbell.High}, true
	}
	if ancestry.Directly(p) || d == nil && ancestry.UnvouchedScript(p) == nil {
		return reach{}, false
	}
	if somebodyAbove(p, d) {
		return reach{strict: true, severity: wormbell.Low}, true
	}
	return reach{strict: true, severity: wormbell.High}, true
}

// somebodyAbove reports whether somebody may have asked for what p does: a
// person's shell or IDE is above, or nothing that nobody vouches for started the
// npx that runs d. d is nil, or the package's program that runs once.
func somebodyAbove(p, d *wormbell.Process) bool {
	return ancestry.Hosted(p) || d != nil && ancestry.UnvouchedScript(d.Parent) == nil
}

// ranOnce reports whether d, the outermost dependency's script, is a program
// that somebody ran by npx or the like: no install script.
func ranOnce(d *wormbell.Process) bool { return d.Lifecycle == "npx" }

func (w *wormCommands) check(e wormbell.Event, s *Scope) {
	p := e.Process
	if p == nil {
		return
	}
	r, ok := s.reachOf(p)
	if !ok {
		return
	}
	var found string
	switch {
	case e.Kind == wormbell.ShellCommand:
		if d := ancestry.Dependency(p); d == nil && !s.Suspect(p) {
			return // a person's own shell
		}
		found = inLine(e.Line, p, r)
	default:
		found = w.started(e, s, r)
	}
	if found == "" {
		return
	}
	key := commandKey{ancestry.Root(p).ID(), found}
	if w.reported.Has(key, e.Time) {
		return
	}
	w.reported.Add(key, e)
	s.Report(wormbell.Finding{Subject: found, Severity: r.severity, Gathered: r.severity == wormbell.Low, Summary: fmt.Sprintf("%s ran what worms use: %s", s.whose(p), found)})
}

// inLine returns the tool that a shell's line runs; "" for none.
func inLine(line string, p *wormbell.Process, r reach) string {
	for _, c := range callsIn(line, p) {
		if t := toolOf(&c, r); t != "" {
			return t
		}
	}
	if !r.strict && fetchesAndRuns(line) {
		return fetchedScript
	}
	return ""
}

// toolOf returns the tool that c calls; "" for none.
func toolOf(c *call, r reach) string {
	c.plain()
	for i := range tools {
		if t := &tools[i]; (t.strict || !r.strict) && t.is(c) {
			return t.id
		}
	}
	return ""
}

const (
	fetchedScript  = "a script run as it was fetched (curl | sh)"
	fetchedRuntime = "a JavaScript runtime that was fetched"
)

// started returns the tool that the process of e runs; "" for none.
func (w *wormCommands) started(e wormbell.Event, s *Scope, r reach) string {
	p := e.Process
	if code := codeOf(p); code != "" {
		return inLine(code, p, r)
	}
	c := callOf(p)
	if shimmed(p) {
		return ""
	}
	if t := toolOf(&c, r); t != "" || r.strict {
		return t
	}
	if w.pipe(e, &c) {
		return fetchedScript
	}
	if s.strayRuntime(p) {
		return fetchedRuntime
	}
	return ""
}

// shimmed reports whether p is our own program in front of npm: a line of shell
// that became it. What npm then does is looked at by itself.
func shimmed(p *wormbell.Process) bool {
	return p.Signer != "" && path.Base(p.Exe) == "wormbell" && strings.Contains(p.Replaced, "/wormbell/shims/")
}

// pipe reports whether e ends a pipe from something that fetches into a shell
// or an interpreter, as a script in a file makes it: the two have one parent and
// start in any order.
func (w *wormCommands) pipe(e wormbell.Event, c *call) bool {
	parent := e.Process.Parent
	if parent == nil {
		return false
	}
	switch {
	case slices.ContainsFunc(c.names, isFetcher):
		if c.flag("-o") || c.flag("--output") || c.flag("-O") && !slices.Contains(c.names, "wget") || c.flag("--remote-name") {
			return false // into a file
		}
		w.fetching.Add(parent.ID(), e)
		return w.waiting.Has(parent.ID(), e.Time)
	case e.Process.Script == "" && !ancestry.Interactive(e.Process) && len(e.Process.Args) > 0 && runsInput(e.Process.Args):
		w.waiting.Add(parent.ID(), e)
		return w.fetching.Has(parent.ID(), e.Time)
	}
	return false
}

// Where runtimes lie that somebody installed: in packages that bring them, and
// in the folders of their own installers and of version managers.
var (
	runtimePackages = []string{"/node_modules/bun/", "/node_modules/@oven/", "/node_modules/deno/", "/node_modules/@deno/", "/node_modules/.bin/"}
	runtimeFolders  = []string{"/.bun/", "/.deno/", "/.local/bin/", "/.local/share/mise/", "/.local/share/pnpm/", "/.local/share/fnm/", "/.asdf/", "/.volta/", "/.nvm/", "/.proto/", "/.cargo/bin/", "/.nix-profile/",
		"/.local/share/reflex/", "/.local/share/rtx/", "/.local/share/aquaproj-aqua/", "/.vscode", "/.cursor"}
)

// strayRuntime reports whether p is a JavaScript runtime that nobody vouches
// for and that neither a package nor the home's tools brought: the worms fetch a
// bun into a folder of their own. Under another name it is known by running a
// file of JavaScript.
func (s *Scope) strayRuntime(p *wormbell.Process) bool {
	exe := p.Exe
	if exe == "" || p.Signer != "" || ancestry.Shell(p) || ancestry.Interpreter(p) {
		return false
	}
	if d := ancestry.Dependency(p); d != nil && d.Ancestor(func(a *wormbell.Process) bool { return a.Exe == exe }) != nil {
		return false // what the person installs with
	}
	hidden := strings.Contains(exe, "/.")
	usual := slices.ContainsFunc(runtimeFolders, func(f string) bool { return strings.Contains(exe, f) }) && !s.Temp(exe)
	switch name := programOf(exe); {
	case name == "node" || name == "nodejs":
		return s.Temp(exe)
	case strings.Contains(exe, "/node_modules/"):
		return (name == "bun" || name == "deno") && !slices.ContainsFunc(runtimePackages, func(f string) bool { return strings.Contains(exe, f) })
	case usual:
		return false
	case name == "bun" || name == "bunx" || name == "deno":
		return s.Temp(exe) || hidden || s.engine.trust.inHome(exe) && path.Base(path.Dir(exe)) != "bin"
	}
	return (s.Temp(exe) || hidden) && runsJavaScript(p.Args)
}

// runsJavaScript reports whether a command line runs a file of JavaScript: the
// first argument that is no flag, or the one after "run".
func runsJavaScript(argv []string) bool {
	for _, a := range argv[min(1, len(argv)):] {
		if strings.HasPrefix(a, "-") || a == "run" {
			continue
		}
		switch path.Ext(a) {
		case ".js", ".mjs", ".cjs", ".ts", ".mts":
			return true
		}
		return false
	}
	return false
}

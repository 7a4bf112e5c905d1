// Package scene reads and writes scenes: small texts that say which processes
// there are, what happens, and what the detectors find. Tests replay them,
// `wormbell replay` shows what the detectors say of one, and `wormbell record`
// writes one from a live machine.
//
// A scene is a txtar archive. Its comment is prose for a person; the sections
// are processes, quiet (events that must lead to no finding), events and
// findings (one a line, see [Findings]). In both tables empty lines and lines
// that begin with # are skipped, and words with blanks are written in double
// quotes, as in Go.
//
// A process is a line:
//
//	ID [< PARENT] [SIGNER] [ATTRIBUTES…] PROGRAM [ARGUMENTS…]
//
// ID is the PID, with letters after it where a PID is used twice; the signer
// stands in brackets, [] for nobody. The attributes:
//
//	cwd=DIR         working directory; the parent's unless given
//	tty=NAME        controlling terminal; the parent's unless given, "tty=" for none
//	leader          leads the session of its terminal
//	fg, bg          in the foreground group or not; as the parent unless given
//	uid=USER        the parent's unless given, else 1000
//	script=FILE     what an interpreter runs; taken from the arguments unless given
//	pkg=NAME@VERSION:SCRIPT   the dependency and its lifecycle script; the parent's where it has one, whatever is said here
//	start=DURATION  when it started, from the scene's beginning; may be negative
//	file=FILE        what script leads to, if it is a link
//	tool=LABEL      the registry tool that it is, "tool:~/app/node_modules/lerna"
//	dry             npm_config_dry_run is set
//
// An event is a line:
//
//	OFFSET KIND ID|? [PATH] [KEY=VALUE…]
//
// The keys are was= and is= (NAME@VERSION, with ":private" after it), pkg=
// (NAME@VERSION), line=, secrets= (separated by commas), count=, user=,
// source=, demo=true, decoy=true, and path= for a path that holds a "=". ~ is
// /home/me in the table of processes and stays ~ in the paths of events.
//
// The package knows no detector; it imports the dictionary and nothing of the
// agent.
package scene

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"

	"golang.org/x/tools/txtar"
)

// Home is what ~ stands for in a scene's processes.
const Home = "/home/me"

// Begin is the time of offset zero.
var Begin = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// Scene is a parsed scene.
type Scene struct {
	Prose    string           // what it shows, for a person
	Cast     []Role           // the processes, parents before children
	Quiet    []wormbell.Event // must lead to no finding
	Events   []wormbell.Event
	Findings string // the findings section as it stands
}

// Role is one process of a scene under the name that its events use.
type Role struct {
	ID      string
	Process *wormbell.Process
}

// maxSize limits what Parse reads: scenes come from other people, too.
const maxSize = 16 << 20

// Parse reads a scene. Errors name the line of the section.
func Parse(data []byte) (*Scene, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("read scene: larger than %d MB", maxSize>>20)
	}
	ar := txtar.Parse(data)
	s := &Scene{Prose: strings.TrimSpace(string(ar.Comment))}
	seen := map[string]bool{}
	sections := map[string]string{}
	for _, f := range ar.Files {
		if !slices.Contains([]string{"processes", "quiet", "events", "findings"}, f.Name) || seen[f.Name] {
			return nil, fmt.Errorf("read scene: section %q is not one of processes, quiet, events and findings, or is there twice", f.Name)
		}
		seen[f.Name] = true
		sections[f.Name] = string(f.Data)
	}
	byID := map[string]*wormbell.Process{}
	err := lines(sections["processes"], "processes", func(words []string) error {
		role, err := parseProcess(words, byID)
		if err != nil {
			return err
		}
		byID[role.ID] = role.Process
		s.Cast = append(s.Cast, role)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, events := range map[string]*[]wormbell.Event{"quiet": &s.Quiet, "events": &s.Events} {
		err := lines(sections[name], name, func(words []string) error {
			e, err := parseEvent(words, byID)
			*events = append(*events, e)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	s.Findings = sections["findings"]
	return s, nil
}

// lines calls do with the words of each line of section that says something.
func lines(section, name string, do func(words []string) error) error {
	n := 0
	for line := range strings.Lines(section) {
		n++
		words, err := split(line)
		if err == nil && len(words) > 0 {
			err = do(words)
		}
		if err != nil {
			return fmt.Errorf("read scene: %s, line %d: %w", name, n, err)
		}
	}
	return nil
}

// split splits a line into words at blanks. A part of a word in double quotes
// may hold blanks, and escapes as in Go.
func split(line string) (words []string, err error) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return nil, nil
	}
	for line != "" {
		var word strings.Builder
		for line != "" && line[0] != ' ' && line[0] != '\t' {
			if line[0] != '"' {
				word.WriteByte(line[0])
				line = line[1:]
				continue
			}
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("a quote is not closed: %s", line)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("unquote %s: %w", quoted, err)
			}
			word.WriteString(text)
			line = line[len(quoted):]
		}
		words = append(words, word.String())
		line = strings.TrimLeft(line, " \t")
	}
	return words, nil
}

func home(p string) string {
	if p == "~" {
		return Home
	}
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return Home + "/" + rest
	}
	return p
}

func parseProcess(words []string, byID map[string]*wormbell.Process) (Role, error) {
	id := words[0]
	pid, err := strconv.Atoi(strings.TrimRight(id, "abcdefghijklmnopqrstuvwxyz"))
	if err != nil || pid < 0 {
		return Role{}, fmt.Errorf("%q is no process ID", id)
	}
	if byID[id] != nil {
		return Role{}, fmt.Errorf("process %s is there twice", id)
	}
	p := &wormbell.Process{PID: pid, Start: Begin, User: "1000", Cwd: Home}
	words = words[1:]
	if len(words) > 1 && words[0] == "<" {
		parent := byID[words[1]]
		if parent == nil {
			return Role{}, fmt.Errorf("process %s: its parent %s is not above it", id, words[1])
		}
		p.Parent, p.Cwd, p.TTY, p.Foreground, p.User = parent, parent.Cwd, parent.TTY, parent.Foreground, parent.User
		p.Package, p.Lifecycle = parent.Package, parent.Lifecycle
		words = words[2:]
	}
	if len(words) == 0 || !strings.HasPrefix(words[0], "[") || !strings.HasSuffix(words[0], "]") {
		return Role{}, fmt.Errorf("process %s: the signer in brackets is missing, [] for nobody", id)
	}
	p.Signer = words[0][1 : len(words[0])-1]
	script, given := "", false
	for words = words[1:]; len(words) > 0; words = words[1:] {
		key, value, _ := strings.Cut(words[0], "=")
		switch key {
		case "cwd":
			p.Cwd = home(value)
		case "tty":
			p.TTY = value
			if value != "" && !strings.HasPrefix(value, "/") {
				p.TTY = "/dev/" + value
			}
			p.Foreground = p.Foreground && value != ""
		case "leader":
			p.Leader, p.Foreground = true, true
		case "fg":
			p.Foreground = true
		case "bg":
			p.Foreground = false
		case "uid":
			p.User = value
		case "script":
			script, given = home(value), true
		case "file":
			p.ScriptFile = home(value)
		case "pkg":
			if p.Package == nil {
				spec, lifecycle, _ := strings.Cut(value, ":")
				p.Package, p.Lifecycle = parsePackage(spec), lifecycle
			}
		case "start":
			d, err := time.ParseDuration(value)
			if err != nil {
				return Role{}, fmt.Errorf("process %s: %w", id, err)
			}
			p.Start = Begin.Add(d)
		case "tool":
			p.Tool = value
		case "dry":
			p.DryRun = true
		case "late":
			p.ArgsLate = true
		case "replaced":
			p.Replaced = home(value)
		default:
			for _, w := range words {
				p.Args = append(p.Args, home(w))
			}
			p.Exe = p.Args[0]
			if !strings.Contains(p.Exe, "/") {
				return Role{}, fmt.Errorf("process %s: %q is neither an attribute nor the path of a program", id, p.Exe)
			}
			if p.Script = scriptOf(p); given {
				p.Script = script
			}
			return Role{id, p}, nil
		}
	}
	return Role{}, fmt.Errorf("process %s: the program is missing", id)
}

// scriptOf returns the file that an interpreter is told to run, as the
// watchers do: the first argument that is no option, none after -c, -e or -m.
func scriptOf(p *wormbell.Process) string {
	if !ancestry.JavaScript(p) && !ancestry.Interpreter(p) && !ancestry.Shell(p) {
		return ""
	}
	for i := 1; i < len(p.Args); i++ {
		a := p.Args[i]
		if !strings.HasPrefix(a, "-") {
			if path.Base(p.Exe) == "bun" && !strings.Contains(a, "/") && !strings.Contains(a, ".") {
				return "" // a command of bun's
			}
			if !strings.HasPrefix(a, "/") {
				a = path.Join(p.Cwd, a)
			}
			return a
		}
		switch flag := strings.TrimLeft(a, "-"); {
		case a == "-" || slices.Contains([]string{"eval", "print", "pe"}, flag):
			return ""
		case !strings.HasPrefix(a, "--") && strings.ContainsAny(flag, "cem") && !ancestry.JavaScript(p) || a == "-e" || a == "-p":
			return ""
		case a == "-r" || a == "--require" || a == "--import" || a == "--rcfile" || a == "--init-file" || a == "-o":
			i++
		}
	}
	return ""
}

func parsePackage(spec string) *wormbell.Package {
	p := &wormbell.Package{Ecosystem: "npm", Name: spec}
	if i := strings.LastIndex(spec, "@"); i > 0 {
		p.Name, p.Version = spec[:i], spec[i+1:]
	}
	return p
}

func parseManifest(s string) *wormbell.Manifest {
	s, private := strings.CutSuffix(s, ":private")
	if s == "@" { // says nothing
		s = ""
	}
	p := parsePackage(s)
	return &wormbell.Manifest{Name: p.Name, Version: p.Version, Private: private}
}

// eventKeys are the keys of an event's extras.
var eventKeys = []string{"was", "is", "pkg", "line", "address", "secrets", "scripts", "count", "user", "source", "path", "demo", "decoy"}

func parseEvent(words []string, byID map[string]*wormbell.Process) (e wormbell.Event, err error) {
	if len(words) < 3 {
		return e, fmt.Errorf("an event needs an offset, a kind and a process or ?")
	}
	d, err := time.ParseDuration(words[0])
	if err != nil {
		return e, fmt.Errorf("offset: %w", err)
	}
	e = wormbell.Event{Time: Begin.Add(d), Kind: wormbell.Kind(words[1]), Source: "scene", User: "1000"}
	if !slices.Contains(wormbell.Kinds, e.Kind) {
		return e, fmt.Errorf("there is no kind of event %q", words[1])
	}
	if words[2] != "?" {
		if e.Process = byID[words[2]]; e.Process == nil {
			return e, fmt.Errorf("there is no process %q", words[2])
		}
		e.User = e.Process.User
	}
	for i, w := range words[3:] {
		key, value, ok := strings.Cut(w, "=")
		if !ok || !slices.Contains(eventKeys, key) {
			if i > 0 {
				return e, fmt.Errorf("%q is none of the keys %s", w, strings.Join(eventKeys, " "))
			}
			e.Path = w
			continue
		}
		switch key {
		case "was":
			e.Was = parseManifest(value)
		case "is":
			e.Is = parseManifest(value)
		case "pkg":
			e.Package = parsePackage(value)
		case "line":
			e.Line = value
		case "address":
			e.Address = value
		case "secrets":
			e.Secrets = strings.Split(value, ",")
		case "scripts":
			e.Scripts = strings.Split(value, ",")
		case "count":
			if e.Count, err = strconv.Atoi(value); err != nil {
				return e, fmt.Errorf("count: %w", err)
			}
		case "user":
			e.User = value
		case "source":
			e.Source = value
		case "path":
			e.Path = value
		case "demo":
			e.Demo = value != "false"
		case "decoy":
			e.Decoy = value != "false"
		}
	}
	return e, nil
}

// Replay shows events to observe, in order, and returns what it finds.
func Replay(events []wormbell.Event, observe func(wormbell.Event) []wormbell.Finding) (found []wormbell.Finding) {
	for _, e := range events {
		found = append(found, observe(e)...)
	}
	return found
}

// Findings writes findings one a line, as in a findings section:
//
//	SEVERITY DETECTOR SUBJECT: SUMMARY
func Findings(found []wormbell.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s %s: %s\n", f.Severity, f.Detector, f.Subject, f.Summary)
	}
	return b.String()
}

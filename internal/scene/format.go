package scene

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"wormbell"

	"golang.org/x/tools/txtar"
)

// Of makes a scene of events that were recorded on a machine, with offsets from
// the first of them. home is the absolute home directory to write as ~, "" for
// none. Findings, if there are any, become the findings section.
func Of(prose string, events []wormbell.Event, found []wormbell.Finding, home string) *Scene {
	s := &Scene{Prose: prose, Findings: Findings(found)}
	if len(events) == 0 {
		return s
	}
	shift := Begin.Sub(events[0].Time)
	c := caster{scene: s, home: home, shift: shift, made: map[wormbell.ProcessID]*wormbell.Process{}, taken: map[string]bool{}}
	for _, e := range events {
		e.Time = e.Time.Add(shift).Round(0)
		e.Process = c.cast(e.Process, 0)
		s.Events = append(s.Events, e)
	}
	return s
}

// caster copies processes into a scene, each once.
type caster struct {
	scene *Scene
	home  string
	shift time.Duration
	made  map[wormbell.ProcessID]*wormbell.Process
	taken map[string]bool
}

func (c *caster) cast(p *wormbell.Process, depth int) *wormbell.Process {
	if p == nil || depth > 64 {
		return nil
	}
	if made, ok := c.made[p.ID()]; ok && same(made, p) {
		return made
	}
	q := *p
	q.Parent = c.cast(p.Parent, depth+1)
	q.Start = p.Start.Add(c.shift).Round(0)
	q.Exe, q.Script, q.ScriptFile, q.Replaced, q.Cwd = c.move(p.Exe), c.move(p.Script), c.move(p.ScriptFile), c.move(p.Replaced), c.move(p.Cwd)
	q.Args = nil
	for _, a := range p.Args {
		q.Args = append(q.Args, c.move(a))
	}
	id := strconv.Itoa(max(0, p.PID))
	for n := 'b'; c.taken[id] && n <= 'z'; n++ {
		id = strconv.Itoa(p.PID) + string(n)
	}
	for c.taken[id] { // the same PID ran more than 25 programs
		id += "z"
	}
	c.taken[id] = true
	c.made[p.ID()] = &q
	c.scene.Cast = append(c.scene.Cast, Role{id, &q})
	return &q
}

// same reports whether made, a copy, is of p still: a process that executes
// another program keeps its ID.
func same(made, p *wormbell.Process) bool {
	return path.Base(made.Exe) == path.Base(p.Exe) && path.Base(made.Script) == path.Base(p.Script) && len(made.Args) == len(p.Args)
}

// move puts a path inside the recorded home into the scene's.
func (c *caster) move(p string) string {
	if c.home == "" || c.home == "/" {
		return p
	}
	if p == c.home {
		return Home
	}
	return strings.ReplaceAll(p, c.home+"/", Home+"/") // also inside -c and -e
}

// Format writes s so that [Parse] reads it again.
func (s *Scene) Format() []byte {
	ids := map[*wormbell.Process]string{}
	for _, r := range s.Cast {
		ids[r.Process] = r.ID
	}
	var processes strings.Builder
	for _, r := range s.Cast {
		processes.WriteString(formatProcess(r, ids) + "\n")
	}
	ar := &txtar.Archive{Comment: []byte(prose(s.Prose) + "\n\n"), Files: []txtar.File{{Name: "processes", Data: []byte(processes.String())}}}
	if len(s.Quiet) > 0 {
		ar.Files = append(ar.Files, txtar.File{Name: "quiet", Data: formatEvents(s.Quiet, ids)})
	}
	ar.Files = append(ar.Files, txtar.File{Name: "events", Data: formatEvents(s.Events, ids)}, txtar.File{Name: "findings", Data: []byte(s.Findings)})
	return txtar.Format(ar)
}

// prose keeps a text from being taken for the start of a section.
func prose(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "-- ", "– ") }

func formatProcess(r Role, ids map[*wormbell.Process]string) string {
	p := r.Process
	words := []string{r.ID}
	parent := &wormbell.Process{User: "1000", Cwd: Home}
	if p.Parent != nil && ids[p.Parent] != "" {
		parent = p.Parent
		words = append(words, "<", ids[p.Parent])
	}
	words = append(words, "["+p.Signer+"]")
	add := func(when bool, word string) {
		if when {
			words = append(words, word)
		}
	}
	add(p.Cwd != parent.Cwd, "cwd="+tilde(p.Cwd))
	add(p.TTY != parent.TTY, "tty="+strings.TrimPrefix(p.TTY, "/dev/"))
	add(p.Leader, "leader")
	fg := parent.Foreground && (p.TTY == parent.TTY || p.TTY != "") || p.Leader
	add(p.Foreground && !fg, "fg")
	add(!p.Foreground && fg, "bg")
	add(p.User != parent.User, "uid="+p.User)
	if p.Package != nil && parent.Package == nil {
		words = append(words, "pkg="+p.Package.String()+":"+p.Lifecycle)
	}
	add(!p.Start.Equal(Begin), "start="+p.Start.Sub(Begin).String())
	add(p.Tool != "", "tool="+p.Tool)
	add(p.DryRun, "dry")
	add(p.ArgsLate, "late")
	add(p.Replaced != "", "replaced="+tilde(p.Replaced))
	args := p.Args
	exe := p.Exe
	if !strings.Contains(exe, "/") {
		exe = "/" + exe // not learned
	}
	if len(args) > 0 {
		args = args[1:]
	}
	probe := *p
	probe.Exe, probe.Args = exe, append([]string{exe}, args...)
	add(scriptOf(&probe) != p.Script, "script="+tilde(p.Script))
	add(p.ScriptFile != "", "file="+tilde(p.ScriptFile))
	for i, w := range words {
		words[i] = quote(w)
	}
	words = append(words, quote(tilde(exe)))
	for _, a := range args {
		words = append(words, quote(tilde(a)))
	}
	return strings.Join(words, " ")
}

func formatEvents(events []wormbell.Event, ids map[*wormbell.Process]string) []byte {
	var b strings.Builder
	for _, e := range events {
		id, ok := ids[e.Process]
		if !ok {
			id = "?"
		}
		words := []string{e.Time.Sub(Begin).String(), string(e.Kind), id}
		add := func(key, value string) {
			if value != "" {
				words = append(words, key+"="+value)
			}
		}
		switch {
		case e.Path == "":
		case strings.Contains(e.Path, "="):
			add("path", e.Path)
		default:
			words = append(words, e.Path)
		}
		add("was", manifest(e.Was))
		add("is", manifest(e.Is))
		if e.Package != nil {
			add("pkg", e.Package.String())
		}
		add("scripts", strings.Join(e.Scripts, ","))
		add("line", e.Line)
		add("address", e.Address)
		add("secrets", strings.Join(e.Secrets, ","))
		if e.Count != 0 {
			add("count", strconv.Itoa(e.Count))
		}
		if user := "1000"; e.Process != nil && e.Process.User != e.User || e.Process == nil && e.User != user {
			words = append(words, "user="+e.User)
		}
		if e.Source != "scene" {
			words = append(words, "source="+e.Source)
		}
		if e.Demo {
			words = append(words, "demo=true")
		}
		if e.Decoy {
			words = append(words, "decoy=true")
		}
		for i, w := range words {
			words[i] = quote(w)
		}
		fmt.Fprintln(&b, strings.Join(words, " "))
	}
	return []byte(b.String())
}

func manifest(m *wormbell.Manifest) string {
	if m == nil {
		return ""
	}
	s := m.Name
	if m.Version != "" {
		s += "@" + m.Version
	}
	if m.Private {
		s += ":private"
	}
	if s == "" {
		s = "@" // a manifest that says nothing
	}
	return s
}

func tilde(p string) string {
	if p == Home {
		return "~"
	}
	if rest, ok := strings.CutPrefix(p, Home+"/"); ok {
		return "~/" + rest
	}
	return p
}

// quote writes w as one word: in quotes where it has to be.
func quote(w string) string {
	for _, r := range w {
		if r <= ' ' || r == '"' || r == '\\' || r == 0x7f || r >= 0x80 {
			return strconv.Quote(w)
		}
	}
	if w == "" || strings.HasPrefix(w, "#") {
		return strconv.Quote(w)
	}
	return w
}

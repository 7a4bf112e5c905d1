package persistence

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"wormbell/internal/cmdline"
)

// process is one that runs as the user.
type process struct {
	pid, ppid, sid int
	start          uint64 // in clock ticks since boot: with pid, the identity
	began          time.Time
	tty            bool
	name           string
	exe            string // "" if it cannot be told
	deleted        string // its program or script, if that is not there any more
	args           []string
	cwd            string
	unit           string // its systemd unit, by control group
	manager        bool   // its parent is init or the user's service manager
	stalled        bool   // its command line could not be read, so that args says nothing
	root           bool   // it is root's
	shut           bool   // which program it runs is kept from us
	types          bool   // its standard input is a terminal
	peers          []string
	spared         string // why it is left alone: it is us, or above us
}

// loose reports whether it runs on its own: no terminal, and nobody waits for it.
func (p *process) loose() bool { return !p.tty && (p.manager || p.sid == p.pid) }

// peer is a server that it is connected to now, or "".
func (p *process) peer() string {
	if len(p.peers) == 0 {
		return ""
	}
	return p.peers[0]
}

// buildTools are programs that run what they have compiled, and wait for it.
var buildTools = []string{"go", "cargo", "cargo-nextest", "make", "gmake", "ninja", "ctest", "dlv", "gdb", "lldb"}

// builds reports whether all processes of the entry are compiled programs that a
// person is at work with: a tool that compiles, or an interactive shell, waits for
// each. A monitor that is to outlive the installation that started it has no such parent.
func (j *judgement) builds(own []*program) bool {
	if j.what != Running || len(j.inline) > 0 || len(own) == 0 {
		return false
	}
	for _, g := range own {
		if !g.binary {
			return false
		}
	}
	return !slices.ContainsFunc(j.live, func(p *process) bool { return !j.attended(p) })
}

// attended reports whether a build tool or a person's shell waits for p.
func (s *scan) attended(p *process) bool {
	if p.manager || p.sid == p.pid {
		return false
	}
	i := slices.IndexFunc(s.processes, func(q *process) bool { return q.pid == p.ppid })
	if i < 0 {
		return false
	}
	parent := s.processes[i]
	name := cmdline.Base(parent.exe)
	switch {
	case slices.Contains(buildTools, name):
		return !parent.loose()
	case shell.MatchString(name): // an interactive one: it has no script
		return p.tty && parent.tty && parent.types && !slices.ContainsFunc(parent.args[min(1, len(parent.args)):], func(a string) bool { return !strings.HasPrefix(a, "-") || a == "-c" })
	}
	return false
}

var shell = regexp.MustCompile(`^(ba|z|da|k|fi)?sh$`)

// lookProcesses lists the user's processes. They are matched with the entries
// when all of these are known.
func lookProcesses(ctx context.Context, s *scan) {
	list, problem := listProcesses(ctx, s)
	if problem != "" {
		s.skip("%s", problem)
	}
	s.processes = list
}

// matchProcesses gives each process to the entry whose program it runs, and
// makes entries of the others.
func (s *scan) matchProcesses() {
	for _, p := range s.processes {
		if p.spared != "" {
			continue
		}
		runs, inline, untold := s.ofProcess(p)
		taken := false
		for _, e := range s.entries {
			if e.what != Running && s.belongs(p, e, runs, inline) {
				e.live = append(e.live, p)
				taken = true
			}
		}
		if taken {
			continue
		}
		e := &entry{what: Running, path: p.exe, part: "pid " + itoa(p.pid), text: strings.Join(p.args, " "), changed: p.began, runs: runs, inline: inline, untold: untold, live: []*process{p}}
		if len(runs) > 0 {
			e.path = runs[len(runs)-1]
			e.part = ""
			// That it was started lately says nothing of what it is, unless nothing else is left.
			e.file = slices.ContainsFunc(runs, func(r string) bool { return !s.program(r).gone })
		} else if len(inline) == 0 && untold == "" {
			continue // the system's own
		}
		for _, r := range runs {
			if g := s.program(r); g.place >= inHome && g.place != inSystem && !g.gone {
				e.steps = append(e.steps, step{Kind: stepMove, From: r})
			}
		}
		s.add(e)
	}
	// Several processes of one program are one trap.
	merged := map[string]*entry{}
	s.entries = slices.DeleteFunc(s.entries, func(e *entry) bool {
		if e.what != Running || len(e.runs) == 0 {
			return false
		}
		first := merged[e.path+"\x00"+e.untold]
		if first == nil {
			merged[e.path+"\x00"+e.untold] = e
			return false
		}
		first.live = append(first.live, e.live...)
		return true
	})
}

// ofProcess is what a process runs of the user's own: files, and code in its
// arguments. untold says why that cannot be told, of an interpreter, which runs
// whatever it is given; "" if it can.
func (s *scan) ofProcess(p *process) (runs, inline []string, untold string) {
	keep := func(f string) {
		if f == "" || slices.Contains(runs, f) {
			return
		}
		if g := s.program(f); g.place == inSystem {
			return
		} else if g.gone {
			p.deleted = f
		}
		runs = append(runs, f)
	}
	if p.exe != "" {
		keep(s.files.actual(p.exe))
	}
	name := cmdline.Base(p.exe)
	if p.stalled && interpreter.MatchString(name) {
		return runs, nil, "nobody can tell what it runs: it does not let go of its command line"
	}
	if len(p.args) == 0 && !interpreter.MatchString(name) {
		return runs, nil, ""
	}
	words := append([]string{p.exe}, p.args[min(1, len(p.args)):]...) // argv[0] is what the process likes
	if p.exe == "" || !interpreter.MatchString(name) {
		if words[0] = p.args[0]; !interpreter.MatchString(cmdline.Base(words[0])) {
			return runs, nil, ""
		}
	}
	name = cmdline.Base(words[0])
	files, inline := takeApart(words)
	there, gone := len(inline) > 0, false
	for _, w := range files[min(1, len(files)):] {
		f := s.script(w, name, p)
		there = there || f != ""
		if f == "" {
			if f = s.files.missing(w, p.cwd); f == "" && p.cwd != "" && scriptLike(w) {
				f = filepath.Join(p.cwd, w)
			}
			if handed.MatchString(w) {
				f = "" // it was a pipe, or is closed
			}
			gone = gone || f != ""
		}
		if (name == "bun" || name == "deno") && !strings.ContainsAny(w, "./") {
			there = true // one of its own commands, or one of the project's
		}
		keep(f)
	}
	switch {
	case there || p.interactive():
	case gone && p.loose():
		untold = "nobody can tell what it runs: the script that its command line names is not there"
	case !gone:
		untold = "nobody can tell what it runs: its command line names no script and holds no code"
	}
	return runs, inline, untold
}

// interactive reports whether it is plainly somebody's at a terminal, who types
// what it does: a poller may have a terminal too, but not listen to it, or be
// called something else.
func (p *process) interactive() bool {
	return p.tty && p.types && len(p.args) > 0 && interpreter.MatchString(cmdline.Base(strings.TrimPrefix(p.args[0], "-")))
}

// handed are names of what a process was handed open, such as by "sh <(…)".
var handed = regexp.MustCompile(`^/(?:dev/fd|proc/self/fd|proc/thread-self/fd)/(\d{1,7})$|^/dev/stdin$`)

// script is where the script lies that a process was started with as w; "" if
// it is not there.
func (s *scan) script(w, interpreter string, p *process) string {
	if m := handed.FindStringSubmatch(w); m != nil {
		to, err := os.Readlink(s.files.sys("/proc/" + itoa(p.pid) + "/fd/" + cmp.Or(m[1], "0")))
		if err != nil || !filepath.IsAbs(to) {
			return ""
		}
		w = to
	}
	if f := s.files.find(w, p.cwd); f != "" {
		return f
	}
	var tails []string // what may be left out
	switch interpreter {
	case "node", "nodejs", "bun", "deno", "tsx", "ts-node":
		tails = []string{".js", ".cjs", ".mjs", ".ts", "/index.js"}
	default:
		tails = []string{"/__main__.py"}
	}
	for _, tail := range tails {
		name := strings.TrimSuffix(w, "/") + tail
		if !strings.Contains(name, "/") {
			name = "./" + name
		}
		if f := s.files.find(name, p.cwd); f != "" {
			return f
		}
	}
	return ""
}

// belongs reports whether p runs what e starts.
func (s *scan) belongs(p *process, e *entry, runs, inline []string) bool {
	if p.unit != "" && slices.Contains(e.unit, p.unit) && !p.tty {
		return true // but for a person's terminal in it: a unit may hold tmux
	}
	for _, r := range e.runs {
		g := s.program(r)
		if g.place == inSystem {
			continue
		}
		for _, mine := range runs {
			if mine == r || s.program(mine).real == g.real {
				return true
			}
		}
	}
	for _, code := range e.inline {
		if len(code) > 8 && slices.ContainsFunc(inline, func(c string) bool { return strings.Contains(c, code) || len(c) > 8 && strings.Contains(code, c) }) {
			return true
		}
	}
	return false
}

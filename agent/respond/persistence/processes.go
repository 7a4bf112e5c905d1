package persistence

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
		runs, inline := s.ofProcess(p)
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
		e := &entry{what: Running, path: p.exe, part: "pid " + itoa(p.pid), text: strings.Join(p.args, " "), changed: p.began, runs: runs, inline: inline, live: []*process{p}}
		if len(runs) > 0 {
			e.path = runs[len(runs)-1]
			e.part = ""
			// That it was started lately says nothing of what it is, unless nothing else is left.
			e.file = slices.ContainsFunc(runs, func(r string) bool { return !s.program(r).gone })
		} else if len(inline) == 0 {
			continue // the system's own
		}
		for _, r := range runs {
			if g := s.program(r); g.place >= inHome && g.place != inSystem && !g.gone {
				e.steps = append(e.steps, step{Kind: stepMove, From: r})
			}
		}
		s.add(e)
	}
	// Several processes of one program are one finding.
	merged := map[string]*entry{}
	s.entries = slices.DeleteFunc(s.entries, func(e *entry) bool {
		if e.what != Running || len(e.runs) == 0 {
			return false
		}
		first := merged[e.path]
		if first == nil {
			merged[e.path] = e
			return false
		}
		first.live = append(first.live, e.live...)
		return true
	})
}

// ofProcess is what a process runs of the user's own.
func (s *scan) ofProcess(p *process) (runs, inline []string) {
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
	if len(p.args) == 0 {
		return runs, nil
	}
	words := slices.Clone(p.args)
	if p.exe != "" && interpreter.MatchString(base(p.exe)) {
		words[0] = p.exe // argv[0] is what the process likes
	}
	if !interpreter.MatchString(base(words[0])) {
		return runs, nil
	}
	files, inline := takeApart(words)
	for _, w := range files[min(1, len(files)):] {
		f := s.files.find(w, p.cwd)
		if f == "" {
			if f = s.files.missing(w, p.cwd); f == "" && p.cwd != "" && scriptLike(w) {
				f = filepath.Join(p.cwd, w)
			}
		}
		keep(f)
	}
	return runs, inline
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

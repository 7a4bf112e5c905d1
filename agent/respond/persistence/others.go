package persistence

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// linkFree reports whether p itself is no symbolic link: folders are gone
// through once, under the name that they have.
func linkFree(p string) bool {
	info, err := os.Lstat(p)
	return err == nil && info.Mode()&fs.ModeSymlink == 0
}

// lookSSH finds who may log in, and what runs when somebody does, sshd(8).
func lookSSH(_ context.Context, s *scan) {
	for _, name := range []string{".ssh/authorized_keys", ".ssh/authorized_keys2"} {
		p := s.files.inHome(name)
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		s.add(&entry{what: SSH, path: p, changed: when, tell: "it says who may log in to this machine, and changed since the incident began: look through its keys",
			byHand: "remove the keys that you do not know from " + s.files.tilde(p)})
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			if m := forced.FindStringSubmatch(line); m != nil {
				e := &entry{what: SSH, path: p, part: "line " + itoa(n), text: m[1], changed: when, file: true, starts: true, inline: []string{m[1]}, steps: []step{{Kind: stepLine, From: p, Old: strings.TrimRight(line, "\r\n")}}}
				s.commandLine(e, m[1])
				s.add(e)
			}
		}
	}
	p := s.files.inHome(".ssh/config")
	if b, when, ok := s.open(p); ok {
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if k := strings.ToLower(key); k != "proxycommand" && k != "localcommand" && k != "match" && k != "knownhostscommand" {
				continue
			}
			if strings.EqualFold(key, "match") {
				_, after, ok := strings.Cut(value, "exec ")
				if value = after; !ok {
					continue
				}
			}
			e := &entry{what: SSH, path: p, part: "line " + itoa(n), text: value, changed: when, file: true, starts: true, inline: []string{value}, steps: []step{{Kind: stepLine, From: p, Old: strings.TrimRight(line, "\r\n")}}}
			s.commandLine(e, strings.Trim(value, `"`))
			s.add(e)
		}
	}
}

var forced = regexp.MustCompile(`command="((?:[^"\\]|\\.)*)"`)

// lookRunners finds programs that let a repository run commands here: CI
// runners, by the files that they need and not by the name of their folder.
func lookRunners(ctx context.Context, s *scan) {
	visit := func(dir string, names []string) bool {
		has := func(n ...string) bool {
			return slices.ContainsFunc(n, func(n string) bool { return slices.Contains(names, n) })
		}
		if dir != s.Home && has(".runner", ".agent") && has("run.sh", "run.cmd", "config.sh", "bin", ".credentials", ".credentials_rsaparams") {
			s.runner(dir, names)
			return false
		}
		return true
	}
	s.walk(ctx, "runners", s.Home, 2, visit)
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/opt"} {
		s.walk(ctx, "runners", s.files.sys(dir), 1, visit)
	}
}

// runner makes an entry of a runner's folder.
func (s *scan) runner(dir string, names []string) {
	e := &entry{what: Runner, path: dir, text: s.files.tilde(dir), starts: true, byHand: "stop it, remove it in the settings of the repository that it belongs to, then delete " + s.files.tilde(dir)}
	e.extra.set(asksService, "it asks a service for work, with a token of its own")
	e.extra.set(remote, "it runs what whoever controls a repository sends it")
	e.extra.set(goesOn, "it goes on for ever")
	for _, name := range []string{".runner", ".agent", ".credentials"} {
		if slices.Contains(names, name) {
			if t := linkChanged(filepath.Join(dir, name)); e.changed.IsZero() || t.After(e.changed) {
				e.changed = t
			}
		}
	}
	for _, name := range []string{"run.sh", "run.cmd", "bin/Runner.Listener", "bin/Agent.Listener", "runsvc.sh", "run-helper.sh", "bin/Runner.Listener.exe"} {
		if p := s.files.find(filepath.Join(dir, name), ""); p != "" {
			e.runs = append(e.runs, p)
			if name == "run.sh" || name == "run.cmd" {
				e.steps = append(e.steps, step{Kind: stepMove, From: p})
				e.byHand = ""
			}
		}
	}
	for _, name := range []string{".runner", ".credentials"} { // without them it cannot log in, and with them put back it can
		if slices.Contains(names, name) && len(e.steps) > 0 {
			e.steps = append(e.steps, step{Kind: stepMove, From: filepath.Join(dir, name)})
		}
	}
	s.add(e)
}

// lookInterpreters finds what npm, bun and Python load of their own accord.
func lookInterpreters(_ context.Context, s *scan) {
	for _, g := range Guarded() {
		p := s.files.untilde(g)
		if s.files.guarded(p) {
			if _, _, err := s.files.resolve(p); err == nil {
				s.skip("%s: it holds credentials, and the agent was not told that it would be read", g)
			}
			continue
		}
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			key, value, _ := strings.Cut(line, "=")
			key = strings.ToLower(strings.TrimSpace(key))
			if !slices.Contains([]string{"script-shell", "node-options", "shell", "git", "init-module", "preload", "globalconfig", "prefix"}, key) {
				continue // nothing else of such a file is kept
			}
			value = strings.TrimSpace(strings.Trim(strings.TrimSpace(value), `"'[]`))
			e := &entry{what: NPMSetting, path: p, part: "line " + itoa(n) + ", " + key, text: key + "=" + value, changed: when, file: true, starts: true, steps: []step{{Kind: stepLine, From: p, Old: strings.TrimRight(line, "\r\n")}}}
			for _, w := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(` =,"'`, r) }) {
				if q := s.files.find(w, s.Home); q != "" && strings.ContainsAny(w, `/\`) && s.program(q).place != inSystem {
					e.runs = append(e.runs, q)
				}
			}
			if len(e.runs) > 0 {
				e.extra.set(reloads, "%s makes npm load its code", key)
				s.add(e)
			}
		}
	}
	s.pythonStart()
}

// pythonStart finds files that every Python of the user runs when it starts,
// site(3): lines that begin with "import" in *.pth, and two modules.
func (s *scan) pythonStart() {
	var dirs []string
	for _, lib := range []string{".local/lib", "Library/Python", "AppData/Roaming/Python"} {
		for _, version := range s.list(s.files.inHome(lib)) {
			dirs = append(dirs, s.files.inHome(filepath.Join(lib, version, "site-packages")), s.files.inHome(filepath.Join(lib, version, "lib/python/site-packages")))
		}
	}
	for _, dir := range dirs {
		for _, name := range s.list(dir) {
			p := filepath.Join(dir, name)
			switch {
			case name == "usercustomize.py" || name == "sitecustomize.py":
				s.startedFile(Startup, p)
			case strings.HasSuffix(name, ".pth"):
				b, when, ok := s.open(p)
				if !ok {
					continue
				}
				var code []string
				for line := range strings.Lines(string(b)) {
					if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "import\t") {
						code = append(code, strings.TrimSpace(line))
					}
				}
				if len(code) > 0 {
					s.add(&entry{what: Startup, path: p, text: code[0], changed: when, starts: true, inline: code, steps: []step{{Kind: stepMove, From: p}}})
				}
			}
		}
	}
}

package persistence_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"wormbell/agent/respond/persistence"
)

// TestCannotBeTold: an interpreter runs what it is given. If nobody can tell
// what that is, a person is told so, and nothing is blocked for it.
func TestCannotBeTold(t *testing.T) {
	t.Parallel()
	const terminal = "/dev/pts/3"
	for _, test := range []struct {
		name string
		p    proc
		put  string // a file in the home that is there
		says string // "" if nobody is told
	}{
		{name: "it calls itself something else", says: "names no script", p: proc{name: "kworker/u8:2", exe: "/usr/bin/perl", args: []string{"[kworker/u8:2]"}, ppid: 1}},
		{name: "in many words", says: "names no script", p: proc{name: "x", exe: "/usr/bin/perl", args: []string{"[kworker/u8:2]", "events", "unbound"}, ppid: 1}},
		{name: "with no words at all", says: "names no script", p: proc{name: "x", exe: "/usr/bin/python3", ppid: 1}},
		{name: "with a terminal that it does not listen to", says: "names no script", p: proc{name: "perl", exe: "/usr/bin/perl", args: []string{"perl"}, ppid: 50, tty: 34816, stdin: "/dev/null"}},
		{name: "with a terminal, under another name", says: "names no script", p: proc{name: "x", exe: "/usr/bin/perl", args: []string{"vim"}, ppid: 50, tty: 34816, stdin: terminal}},
		{name: "one of the home's", put: ".nvm/v22/bin/node", says: "names no script", p: proc{name: "x", exe: "~/.nvm/v22/bin/node", args: []string{"gnome-shell"}, ppid: 1}},
		{name: "code from a pipe", says: "names no script", p: proc{name: "sh", exe: "/usr/bin/sh", args: []string{"sh"}, ppid: 50, stdin: "pipe:[4]"}},
		{name: "code that was handed over", says: "names no script", p: proc{name: "bash", exe: "/usr/bin/bash", args: []string{"bash", "/dev/fd/63"}, ppid: 50}},
		{name: "its script is gone", says: "is not there", p: proc{name: "python3", exe: "/usr/bin/python3", args: []string{"python3", "~/.x/gone.py"}, ppid: 1}},
		{name: "classes that are not there", says: "is not there", p: proc{name: "java", exe: "/usr/bin/java", args: []string{"java", "-cp", "~/.x/a.jar:~/.x", "Main"}, ppid: 1}},

		{name: "somebody's shell", p: proc{name: "bash", exe: "/usr/bin/bash", args: []string{"-bash"}, ppid: 50, tty: 34816, stdin: terminal}},
		{name: "somebody's interpreter", p: proc{name: "python3", exe: "/usr/bin/python3", args: []string{"python3"}, ppid: 50, tty: 34816, stdin: terminal}},
		{name: "a script of the system's", p: proc{name: "python3", exe: "/usr/bin/python3", args: []string{"/usr/bin/python3", "/usr/bin/slack"}, ppid: 1}},
		{name: "a module", p: proc{name: "python3", exe: "/usr/bin/python3", args: []string{"python3", "-m", "http.server"}, ppid: 1}},
		{name: "a script of the home's", put: "work/a.py", p: proc{name: "python3", exe: "/usr/bin/python3", args: []string{"python3", "~/work/a.py"}, ppid: 1}},
		{name: "a script that was handed over", put: "work/a.sh", p: proc{name: "bash", exe: "/usr/bin/bash", args: []string{"bash", "/dev/fd/0"}, ppid: 1, stdin: "~/work/a.sh"}},
		{name: "a script without its ending", put: "work/server.js", p: proc{name: "node", exe: "/usr/bin/node", args: []string{"node", "~/work/server"}, ppid: 1}},
		{name: "a folder", put: "work/app/index.js", p: proc{name: "node", exe: "/usr/bin/node", args: []string{"node", "."}, cwd: "~/work/app", ppid: 1}},
		{name: "classes", put: "work/a.jar", p: proc{name: "java", exe: "/usr/bin/java", args: []string{"java", "-Xmx1g", "-cp", "~/work/classes:~/work/a.jar", "com.example.Main", "x"}, ppid: 1}},
		{name: "a command of the interpreter's", p: proc{name: "deno", exe: "/usr/bin/deno", args: []string{"deno", "lsp"}, ppid: 50}},
		{name: "code in its words", p: proc{name: "mawk", exe: "/usr/bin/mawk", args: []string{"awk", "{print $1}"}, ppid: 50}},
		{name: "no interpreter", p: proc{name: "x", exe: "/usr/bin/pipewire", args: []string{"[kworker/u8:2]"}, ppid: 1}},
		{name: "a part of the kernel", p: proc{name: "kworker/u8:2", ppid: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			for _, name := range []string{"perl", "java", "deno", "mawk"} {
				m.write(m.path("/usr/bin/"+name), "\x7fELF\x00 a program of the system's")
			}
			if test.put != "" {
				m.put(map[string]string{test.put: "print 1"})
			}
			home := func(s string) string { return strings.ReplaceAll(s, "~", m.home) }
			p := test.p
			p.pid, p.start, p.exe, p.cwd, p.stdin = 4711, 60, home(p.exe), home(p.cwd), home(p.stdin)
			p.args = nil
			for _, a := range test.p.args {
				p.args = append(p.args, home(a))
			}
			m.proc(p)
			m.young()
			r := m.quiet()
			if test.says == "" {
				if len(r.Traps) > 0 || len(r.NotLooked) > 0 {
					t.Errorf("a person is told: %q", r.Summary())
				}
				return
			}
			if len(r.Traps) != 1 || r.Traps[0].PIDs[0] != 4711 || !strings.Contains(r.Traps[0].String(), test.says) {
				t.Errorf("a person is not told: %q", r.Summary())
			}
		})
	}
}

// TestStalledCommandLines: whoever does not let go of its command line is told
// of, and not many readers hang for it.
func TestStalledCommandLines(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	const n = persistence.MostHanging + 4
	var pipes []string
	for i := range n {
		p := proc{pid: 100 + i, name: "python3", exe: "/usr/bin/python3", ppid: 1, start: 60}
		if i == 0 {
			p.exe = "/usr/bin/pipewire"
		}
		m.proc(p)
		pipe := m.path(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		if err := errors.Join(os.Remove(pipe), syscall.Mkfifo(pipe, 0o600)); err != nil { // opening it waits for a writer
			t.Fatal(err)
		}
		pipes = append(pipes, pipe)
	}
	t.Cleanup(func() {
		for _, p := range pipes { // let go those who hang
			if f, err := os.OpenFile(p, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				f.Close()
			}
		}
	})
	m.young()
	r := m.quiet()
	hang := 0
	for _, p := range pipes {
		if f, err := os.OpenFile(p, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // ENXIO if nobody reads
			hang++
			defer f.Close()
		}
	}
	if hang == 0 || hang > persistence.MostHanging {
		t.Errorf("%d readers hang, want at most %d", hang, persistence.MostHanging)
	}
	if len(r.Traps) != n-1 || !strings.Contains(r.Traps[0].String(), "does not let go") {
		t.Errorf("not all that run anything are told of: %q", r.Summary())
	}
	if said := strings.Join(r.NotLooked, "\n"); !strings.Contains(said, fmt.Sprintf("of %d the command line cannot be read", n)) {
		t.Errorf("it does not say how many: %q", said)
	}
}

// TestTooManyProcesses: a list that was cut is said to be.
func TestTooManyProcesses(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for i := range 5 {
		m.proc(proc{pid: 100 + i, name: "pipewire", exe: "/usr/bin/pipewire", args: []string{"pipewire"}, ppid: 1})
	}
	m.config.Most(5)
	if said := m.look().NotLooked; len(said) != 0 {
		t.Errorf("said: %q", said)
	}
	m.config.Most(4)
	if said := m.look().NotLooked; len(said) != 1 || !strings.Contains(said[0], "only 4 of them") {
		t.Errorf("said: %q", said)
	}
}

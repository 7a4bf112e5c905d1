package watchers

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"wormbell"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// TestReplaced: what nobody vouches for is remembered of a process that
// executes something else, and of a shell's -c nothing.
func TestReplaced(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	script := putFile(t, filepath.Join(home, "x.sh"), "echo ready; read go; exec sh -c 'echo again; read go; exec cat'\n")
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	for _, tt := range []struct {
		name string
		argv []string
		want string
	}{
		{"a script", []string{"sh", script}, script},
		{"a shell's -c", []string{"sh", "-c", "echo ready; read go; exec sh -c 'echo again; read go; exec cat'"}, ""},
	} {
		cmd := exec.Command(tt.argv[0], tt.argv[1:]...)
		in, err := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewReader(out)
		var p *wormbell.Process
		for _, line := range []string{"ready\n", "again\n"} {
			if got, err := said.ReadString('\n'); err != nil || got != line {
				t.Fatalf("%s said %q, %v", tt.name, got, err)
			}
			p = l.At(cmd.Process.Pid)
			if want := map[string]string{"again\n": tt.want}[line]; p == nil || p.Replaced != want {
				t.Errorf("%s: at %q: replaced %q, want %q", tt.name, line, p.Replaced, want)
			}
			in.Write([]byte("go\n"))
		}
		eventually(t, "the last one", func() bool { p = l.At(cmd.Process.Pid); return p != nil && filepath.Base(p.Exe) == "cat" })
		if p.Replaced != tt.want {
			t.Errorf("%s: at the end: replaced %q, want %q", tt.name, p.Replaced, tt.want)
		}
		// What another process starts is that process's, not its own.
		if p.Parent.Replaced != "" {
			t.Errorf("%s: what started it has replaced %q", tt.name, p.Parent.Replaced)
		}
		in.Close()
		cmd.Wait()
	}
}

// hasty judges as a machine does on which the process has executed something
// else by the time that its file is looked at.
type hasty struct {
	*fakeMachine
	then func()
}

func (h *hasty) Vouch(q signer.Query) string {
	if h.then == nil {
		return h.fakeMachine.Vouch(q)
	}
	then := h.then
	h.then = nil
	then()
	return ""
}

// TestReplacedMeanwhile: that nobody vouched for a program because it was gone
// when it was judged is not held against what comes after.
func TestReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, exe string
		hasty     bool
		want      string
	}{
		{"vouched for", "/usr/bin/env", false, ""},
		{"gone when it was judged", "/usr/bin/env", true, ""},
		{"not vouched for", "/home/u/dropper", false, "/home/u/dropper"},
	} {
		m := newFakeMachine(t)
		m.procs[1] = procs.Info{Stat: procs.Stat{Start: 1, Threads: 1, ArgStart: 1}, Exe: "/usr/sbin/init", Args: []string{"init"}, Env: &procs.Env{}}
		m.tab.appeared(1, nil, false)
		m.fork(1, 50)
		if tt.hasty {
			m.tab.sign = &hasty{m, func() {
				i := m.procs[50]
				i.ArgStart += 4096
				m.procs[50] = i
			}}
		}
		m.exec(50, false, &procs.Env{}, "/", tt.exe)
		if p := m.tab.at(50); p.Exe != tt.exe || p.Replaced != "" {
			t.Errorf("%s: %+v", tt.name, p)
		}
		m.exec(50, false, &procs.Env{}, "/", "/usr/bin/cat")
		if p := m.tab.at(50); p.Exe != "/usr/bin/cat" || p.Replaced != tt.want {
			t.Errorf("%s: then %s replaced %q, want %q", tt.name, p.Exe, p.Replaced, tt.want)
		}
	}
}

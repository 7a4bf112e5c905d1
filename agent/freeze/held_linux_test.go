package freeze_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/freeze"
)

// TestHeld: with Held, too, a tree that forks as fast as it can is stopped
// entirely, and what is none of it is stopped with it if it is to be.
func TestHeld(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o777)
	cmd, other, third := begin(t, "bomb "+dir, 0), begin(t, "headless", 0), begin(t, "sleep", 0)
	l := newLineage(t)
	root := l.at(cmd.Process.Pid).ID()
	until(t, "it forks", func() bool { n, _ := os.ReadDir(dir); return len(n) > 10 })
	c := l.config(root)
	c.Held = true
	c.Also = func(p *wormbell.Process) bool { return p.PID == other.Process.Pid }
	began := time.Now()
	r := l.run(c, freeze.Stop)
	t.Logf("%d processes in %v", len(r.Done), time.Since(began))
	if r.Hurried || len(r.Left) > 0 || len(r.Done) < 10 || !slices.Contains(pids(r.Done), other.Process.Pid) || slices.Contains(pids(r.Done), third.Process.Pid) {
		t.Fatalf("stopped %d, %v", len(r.Done), r)
	}
	for _, id := range l.living(root) {
		if s := state(id.PID); s != "T" && s != "Z" {
			t.Errorf("%d is in state %s", id.PID, s)
		}
	}
	if s := state(third.Process.Pid); s == "T" {
		t.Error("what is none of it was stopped, too")
	}
	os.Remove(filepath.Join(dir, "beat"))
	n1, _ := os.ReadDir(dir)
	time.Sleep(50 * time.Millisecond) // nothing may happen in it
	if n2, _ := os.ReadDir(dir); len(n1) != len(n2) {
		t.Errorf("a stopped tree went on: %d files, then %d", len(n1), len(n2))
	}
	c.Also, c.Held = nil, false
	if r = l.run(c, freeze.Kill); len(r.Left) > 0 {
		t.Errorf("ended, but left %v", r.Left)
	}
}

// TestShellOfAScript: a shell that somebody types at is left alone, and one below
// a dependency's script is not: it is the script that types.
func TestShellOfAScript(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	root, shell := begin(t, "sleep", 0), begin(t, "sleep", 0)
	for _, pkg := range []*wormbell.Package{nil, {Ecosystem: "npm", Name: "evil"}} {
		c := l.config(l.at(root.Process.Pid).ID())
		c.Process = func(pid int) *wormbell.Process {
			p := l.at(pid)
			if p != nil && pid == shell.Process.Pid {
				p.Exe, p.Args, p.Signer, p.TTY, p.Leader, p.Package = "/bin/bash", []string{"bash"}, "deb:bash", "/dev/pts/9", true, pkg
			}
			return p
		}
		c.Living = func(id wormbell.ProcessID) []wormbell.ProcessID {
			return append(l.living(id), l.at(shell.Process.Pid).ID())
		}
		r := l.run(c, freeze.Stop)
		if stopped := slices.Contains(pids(r.Done), shell.Process.Pid); stopped != (pkg != nil) {
			t.Errorf("with package %v: %v", pkg, r)
		}
	}
}

package watchers

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"wormbell/watchers/internal/procs"
)

// Of what a process has in its environment the names of secrets are kept, and
// no value.
func TestSecretsOfAProcess(t *testing.T) {
	t.Parallel()
	l := NewLineage(LineageConfig{})
	t.Cleanup(l.Close)
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & read x; kill $!")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "NPM_TOKEN=canary-of-a-secret", "npm_config_//registry.example.com/:_authToken=canary-of-a-secret",
		"DATABASE_URL=postgres://me:canary-of-a-secret@db.example.com/x", "npm_" + strings.Repeat("0aB1", 9) + "_TOKEN=canary-of-a-secret", "HOME=/canary"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	want := []string{"DATABASE_URL", "NPM_TOKEN", "npm_config_//registry.example.com/:_authToken"}
	eventually(t, "the shell and its child", func() bool {
		p := l.At(cmd.Process.Pid)
		return p != nil && slices.Equal(p.Secrets, want)
	})
	b, err := json.Marshal(l.At(cmd.Process.Pid))
	if err != nil || strings.Contains(string(b), "canary") || strings.Contains(string(b), "0aB1") {
		t.Errorf("%s %v", b, err)
	}
}

// Processes with the same names share them; one with others has its own.
func TestSecretsAreShared(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	m.procs[1] = procs.Info{Stat: procs.Stat{Start: 1, Threads: 1, ArgStart: 1}, Exe: "/usr/sbin/init", Args: []string{"init"}, Env: &procs.Env{}}
	m.tab.appeared(1, nil, false)
	env := func(names ...string) *procs.Env { return &procs.Env{SecretNames: strings.Join(names, "\n")} }
	for _, step := range []struct {
		parent, pid int
		names       []string
	}{{1, 10, []string{"B_TOKEN", "A_TOKEN"}}, {10, 11, []string{"A_TOKEN", "B_TOKEN"}}, {11, 12, []string{"A_TOKEN"}}, {12, 13, nil}} {
		m.fork(step.parent, step.pid)
		m.exec(step.pid, false, env(step.names...), "/p", "/usr/bin/dash", "-c", "x")
	}
	shell, child := m.want(10, "").Secrets, m.want(11, "").Secrets
	if len(child) != 2 || &shell[0] != &child[0] {
		t.Errorf("%q and %q are not the same names", shell, child)
	}
	if got := m.want(12, "").Secrets; !slices.Equal(got, []string{"A_TOKEN"}) {
		t.Errorf("fewer names: %q", got)
	}
	if got := m.want(13, "").Secrets; got != nil {
		t.Errorf("no names: %q", got)
	}
	if n := m.tab.nodes[12].run; n.img.env != noEnv {
		t.Errorf("an environment with nothing else in it is kept: %+v", n.img.env)
	}
}

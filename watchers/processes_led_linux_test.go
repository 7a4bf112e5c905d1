package watchers

import (
	"os"
	"path/filepath"
	"testing"

	"wormbell"
	"wormbell/watchers/internal/procs"
)

// Where a link leads is said of a process and of what is above it for as long as
// that is certain, and not of what was forked or what executes something else.
func TestScriptFile(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cli, link := putFile(t, filepath.Join(dir, "lib/cli.js"), ""), filepath.Join(dir, "tool")
	if err := os.Symlink(cli, link); err != nil {
		t.Fatal(err)
	}
	m := newFakeMachine(t)
	m.led = map[string]string{link: cli, cli: cli}
	m.installer(dir)
	m.fork(50, 200)
	m.exec(200, false, &procs.Env{}, dir, "/usr/bin/node", link)
	m.fork(200, 201)
	m.exec(201, false, &procs.Env{}, dir, dir+"/native")
	m.fork(200, 202)
	m.fork(50, 203)
	m.exec(203, false, &procs.Env{}, dir, "/usr/bin/node", cli)
	m.fork(50, 204)
	m.exec(204, false, &procs.Env{}, dir, "/usr/bin/node", link)
	m.exec(204, false, &procs.Env{}, dir, "/usr/bin/node", "/srv/x.js")
	check := func(when string, pid int, of func(*wormbell.Process) string, want string) {
		t.Helper()
		if got := of(m.tab.at(pid)); got != want {
			t.Errorf("%s: process %d: %q, want %q", when, pid, got, want)
		}
	}
	itself := func(p *wormbell.Process) string { return p.ScriptFile }
	above := func(p *wormbell.Process) string { return p.Parent.ScriptFile }
	check("a link", 200, itself, cli)
	check("below it", 201, above, cli)
	check("forked", 202, itself, "")
	check("no link", 203, itself, "")
	check("another since", 204, itself, "")
	m.led[link] = "" // changed since
	check("a changed link", 201, above, "")
	check("a changed link", 200, itself, "")
	m.led[link] = dir + "/thief.js"
	check("another file", 200, itself, "")
}

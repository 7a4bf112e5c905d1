package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSecondAgentIsNoThief: an agent that has to give up because another one
// serves the socket has not touched the files that the other one guards.
func TestSecondAgentIsNoThief(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	m.write("~/.aws/credentials", "[default]\n")
	m.write("~/.config/gh/hosts.yml", "github.com:\n")
	cmd := exec.Command(filepath.Join(bin, "wormbelld"), "--state", filepath.Join(m.dir, "state2"), "--socket", m.socket, "--home", m.home)
	cmd.Env = m.env()
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("second agent on the same socket: exit %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
	m.quiet("a second agent on the same socket")
}

// TestLoopOfTarballs: a folder that is renamed, packed and published as a
// tarball again and again is a loop, although every tarball is another file.
func TestLoopOfTarballs(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	m.write("~/app/package.json", `{"name":"tea","version":"1.0.0"}`)
	m.write("~/app/loop.js", `
		const fs = require('fs'), run = c => require('child_process').execSync(c, {stdio: 'ignore'})
		for (let i = 0; i < 3; i++) {
			fs.writeFileSync('package.json', JSON.stringify({name: 'tea-' + i, version: '1.0.0'}))
			run('npm pack')
			run('npm publish tea-' + i + '-1.0.0.tgz')
		}`)
	m.must("~/app", "node", "loop.js")
	m.rings("publish-loop")
}

// TestReleasesByScripts: a script that releases the packages of one project,
// each once and under its name, is no loop, also when nobody sits at it and
// what started the script has just laid the project out.
func TestReleasesByScripts(t *testing.T) {
	needRoot(t)
	needNPM(t)
	for name, script := range map[string]string{
		"named workspaces": `for i in 0 1 2 3 4; do npm publish -w p$i || exit 1; done`,
		"all workspaces":   `npm publish --workspaces`,
		"folders":          `for i in 0 1 2 3 4; do (cd packages/p$i && npm publish) || exit 1; done`,
		"tarballs":         `npm pack --workspaces && for f in *.tgz; do npm publish ./$f || exit 1; done`,
	} {
		t.Run(name, func(t *testing.T) {
			m := start(t, options{})
			m.write("~/app/package.json", `{"name":"root","version":"1.0.0","private":true,"workspaces":["packages/*"]}`)
			for i := range 5 {
				m.write(fmt.Sprintf("~/app/packages/p%d/package.json", i), fmt.Sprintf(`{"name":"p%d","version":"1.0.0"}`, i))
			}
			m.write("~/app/release.sh", script)
			m.settle()
			m.must("~/app", "bash", "release.sh")
			m.quiet("a release by " + name)
		})
	}
}

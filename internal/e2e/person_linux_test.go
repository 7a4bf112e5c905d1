package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is an interactive shell on a terminal of its own, as a person has.
type terminal struct {
	m   *machine
	pty *os.File
	cmd *exec.Cmd
	out *buffer
}

func (m *machine) terminal(env ...string) *terminal {
	m.t.Helper()
	cmd := exec.Command("/bin/bash", "--norc", "--noprofile", "-i")
	cmd.Dir, cmd.Env = m.home, append(m.env(), append(env, "PS1=$ ", "TERM=dumb")...)
	m.as(cmd)
	f, err := pty.Start(cmd)
	if err != nil {
		m.t.Fatal(err)
	}
	term := &terminal{m, f, cmd, &buffer{}}
	copied := make(chan struct{})
	go func() { // ends when the shell's terminal closes
		defer close(copied)
		b := make([]byte, 4096)
		for {
			n, err := f.Read(b)
			term.out.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	m.t.Cleanup(func() {
		f.WriteString("\x03\nexit\n")
		f.Close()
		cmd.Process.Kill()
		cmd.Wait()
		<-copied
	})
	return term
}

// types types a line and waits until it is done.
func (term *terminal) types(line string) {
	term.m.t.Helper()
	mark := "done-" + time.Now().Format("150405.000000000")
	term.pty.WriteString(line + "; echo " + mark[:5] + `""` + mark[5:] + "\n")
	term.m.until("the terminal to finish "+line, time.Minute, func() bool { return strings.Contains(term.out.String(), mark) })
}

// TestPersonAtTerminal: a person may look at their own files, and a postinstall
// below the same terminal may not.
func TestPersonAtTerminal(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	term := m.terminal()
	term.types("cat ~/.npmrc")
	term.types("grep -c registry ~/.npmrc")
	term.types("sed -i s/fund=false/fund=true/ ~/.npmrc")
	term.types("npm whoami")
	m.quiet("a person at a terminal")
	m.seed(thief("evil", "/.npmrc"))
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0"}`)
	term.types("cd ~/app && npm install evil@1.0.0")
	m.rings("credential-read")
}

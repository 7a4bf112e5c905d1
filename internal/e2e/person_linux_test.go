package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is an interactive shell on a terminal of its own, as a person has.
type terminal struct {
	m   *machine
	pty *os.File
	pid int
	out *buffer
	dir string // of what is typed by [terminal.start]
	n   int    // how much was
}

// shellCommand is the shell of every terminal.
var shellCommand = []string{"/bin/bash", "--norc", "--noprofile", "-i"}

// terminal starts one as the test's own child: its terminal was made by the
// test, a program that nobody vouches for. See [machine.login].
func (m *machine) terminal(env ...string) *terminal {
	m.t.Helper()
	cmd := m.shell(shellCommand, env)
	f, err := pty.Start(cmd)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.attach(f, cmd.Process.Pid, func() { cmd.Process.Kill(); cmd.Wait() })
}

// login starts one that nothing of the test is above, as after a login: it is
// init's child. The agent must start later: it would know who made it.
func (m *machine) login(env ...string) *terminal {
	m.t.Helper()
	f, tty, err := pty.Open()
	if err != nil {
		m.t.Fatal(err)
	}
	// It leaves the shell behind in a session of its own on that terminal.
	cmd := m.shell(append([]string{"setsid", "--fork", "--ctty"}, shellCommand...), env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	err = cmd.Run()
	tty.Close()
	if err != nil {
		m.t.Fatal(err)
	}
	term := m.attach(f, 0, nil)
	term.dir = scratch(m.t, "e2e-typed")
	if err := os.Chown(term.dir, m.uid, m.uid); err != nil {
		m.t.Fatal(err)
	}
	said := filepath.Join(term.dir, "pid")
	term.types("echo $$ >" + said)
	b, err := os.ReadFile(said)
	if term.pid, _ = strconv.Atoi(strings.TrimSpace(string(b))); err != nil || term.pid <= 1 {
		m.t.Fatalf("the shell does not say who it is: %q, %v", b, err)
	}
	m.shells = append(m.shells, term.pid)
	m.t.Cleanup(func() {
		if !gone(term.pid) { // it can have ignored that its terminal was closed
			syscall.Kill(term.pid, syscall.SIGKILL)
		}
		m.until("the shell to end", 10*time.Second, func() bool { return gone(term.pid) })
	})
	m.t.Cleanup(func() { f.WriteString("\x03\nexit\n"); f.Close() })
	if by := parent(term.pid); by != 1 {
		// A service manager of the user that adopts orphans is as good, if
		// the agent vouches for it.
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", by)); err != nil || filepath.Base(exe) != "systemd" {
			m.t.Skipf("needs orphans to be init's: the shell that stands for a person's was adopted by process %d (%s), and the agent asks who vouches for that one", by, exe)
		}
	}
	return term
}

// shell is a shell of the machine's user.
func (m *machine) shell(argv, env []string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = m.home, append(m.env(), append(env, "PS1=$ ", "TERM=dumb")...)
	m.as(cmd)
	return cmd
}

// attach reads what is shown on the terminal whose other side is f, until it is
// closed.
func (m *machine) attach(f *os.File, pid int, end func()) *terminal {
	term := &terminal{m: m, pty: f, pid: pid, out: &buffer{}}
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
		if end != nil {
			f.WriteString("\x03\nexit\n")
			f.Close()
			end()
		}
		<-copied
	})
	return term
}

// gone reports whether a process has ended.
func gone(pid int) bool { st := state(pid); return st == "" || st == "Z" }

// parent is a process's parent, 0 if there is no such process.
func parent(pid int) (parent int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	var state string
	fmt.Sscanf(string(b[bytes.LastIndexByte(b, ')')+1:]), "%s %d", &state, &parent)
	return parent
}

// types types a line and waits until it is done.
func (term *terminal) types(line string) {
	term.m.t.Helper()
	mark := "done-" + time.Now().Format("150405.000000000")
	term.pty.WriteString(line + "; echo " + mark[:5] + `""` + mark[5:] + "\n")
	term.m.until("the terminal to finish "+line, time.Minute, func() bool { return strings.Contains(term.out.String(), mark) })
}

// typed is a program that runs because a person typed it.
type typed struct {
	term *terminal
	cmd  *exec.Cmd
	pid  int
	done chan struct{} // closed when it has ended
	code int           // its exit status then, -1 if a signal ended it
	err  error         // why that is not known
}

// start types a program and returns when it runs. Of cmd it takes the
// arguments, the folder, the environment and the streams, which are files and
// not terminals to the program; what it writes is there when it has ended. It
// is for shells of [machine.login], one program at a time.
func (term *terminal) start(cmd *exec.Cmd) *typed {
	m := term.m
	m.t.Helper()
	base := filepath.Join(term.dir, strconv.Itoa(term.n))
	term.n++
	var stdin []byte
	if cmd.Stdin != nil {
		var err error
		if stdin, err = io.ReadAll(cmd.Stdin); err != nil {
			m.t.Fatal(err)
		}
	}
	// A command of its own in an interactive shell: a child that is put into
	// the foreground. The words come as they are.
	script := "(\n"
	if cmd.Dir != "" {
		script += "cd " + quoted(cmd.Dir) + " || exit 126\n"
	}
	for _, v := range cmd.Env {
		script += "export " + quoted(v) + "\n"
	}
	script += "echo $BASHPID >" + base + ".says\nexec"
	for _, a := range cmd.Args {
		script += " " + quoted(a)
	}
	script += "\n) <" + base + ".in >" + base + ".out 2>" + base + ".err\necho $? >" + base + ".says\n"
	if err := errors.Join(os.WriteFile(base+".sh", []byte(script), 0o600), os.WriteFile(base+".in", stdin, 0o600), syscall.Mkfifo(base+".says", 0o600),
		os.Chown(base+".sh", m.uid, m.uid), os.Chown(base+".in", m.uid, m.uid), os.Chown(base+".says", m.uid, m.uid)); err != nil {
		m.t.Fatal(err)
	}
	says, err := os.OpenFile(base+".says", os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	says.SetDeadline(time.Now().Add(5 * time.Minute))
	lines := bufio.NewReader(says)
	term.pty.WriteString(" . " + base + ".sh\n")
	number := func() (int, error) {
		line, err := lines.ReadString('\n')
		if err != nil {
			return 0, fmt.Errorf("%q, typed at a terminal: %w; it shows\n%s", cmd.Args, err, term.out)
		}
		return strconv.Atoi(strings.TrimSpace(line))
	}
	p := &typed{term: term, cmd: cmd, done: make(chan struct{})}
	if p.pid, err = number(); err != nil {
		says.Close()
		m.t.Fatal(err)
	}
	go func() { // ends with the program, or when it has had its time
		defer close(p.done)
		defer says.Close()
		if p.code, p.err = number(); p.code > 128 {
			p.code = -1
		}
		for from, to := range map[string]io.Writer{base + ".out": cmd.Stdout, base + ".err": cmd.Stderr} {
			if b, err := os.ReadFile(from); err != nil {
				p.err = errors.Join(p.err, err)
			} else if to != nil {
				to.Write(b)
			}
		}
	}()
	m.t.Cleanup(func() { p.kill(); <-p.done })
	return p
}

// kill ends the program, if it runs, with all that is its.
func (p *typed) kill() { p.signal(syscall.SIGKILL) }

func (p *typed) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		syscall.Kill(p.pid, s)
	}
}

// wait returns the program's exit status, -1 if a signal ended it.
func (p *typed) wait() int {
	p.term.m.t.Helper()
	if <-p.done; p.err != nil {
		p.term.m.t.Fatal(p.err)
	}
	return p.code
}

// run types a program and waits for it.
func (term *terminal) run(cmd *exec.Cmd) int {
	term.m.t.Helper()
	return term.start(cmd).wait()
}

// quoted is a word as the shell takes it.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

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

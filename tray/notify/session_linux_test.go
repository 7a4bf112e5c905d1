package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/text/language"

	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// patience is how long a test waits for what takes some hundredths of a second.
const patience = 30 * time.Second

// await waits until ok; it fails the test if that never comes.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// program is one that a test started.
type program struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// end ends the program.
func (p *program) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-p.done
}

// run starts a program that ends with the test.
func run(t testing.TB, env []string, name string, args ...string) *program {
	t.Helper()
	var out bytes.Buffer
	p := &program{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, &out, &out
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // until the program ends, for which the cleanup waits
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-p.done
		if t.Failed() && out.Len() > 0 {
			t.Logf("%s says:\n%s", filepath.Base(name), out.String())
		}
	})
	return p
}

// bus is a session bus of a test's own, on which nothing is started but what a
// test puts into its services.
type bus struct {
	address  string
	services string // folder
	env      []string
	program  *program
}

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth><servicedir>%s</servicedir>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
`

func startBus(t testing.TB) *bus {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("needs dbus-daemon (package dbus)")
	}
	// The path of a socket has 107 bytes at most, too few for t.TempDir's names.
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{"home", "run", "services"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "bus")
	b := &bus{address: "unix:path=" + socket, services: filepath.Join(dir, "services")}
	// Nothing of the tester's own desktop.
	b.env = []string{"PATH=" + os.Getenv("PATH"), "DBUS_SESSION_BUS_ADDRESS=" + b.address, "HOME=" + filepath.Join(dir, "home"),
		"XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"), "NO_AT_BRIDGE=1", "LC_ALL=C.UTF-8"}
	conf := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, busConfig, b.address, b.services), 0o600); err != nil {
		t.Fatal(err)
	}
	b.program = run(t, b.env, daemon, "--config-file="+conf, "--nofork", "--nopidfile")
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil { // the file is there before it listens
			conn.Close()
			return b
		}
		if time.Now().After(deadline) {
			t.Fatal("the bus does not start")
		}
	}
}

// connect is a connection to the bus that ends with the test.
func (b *bus) connect(t testing.TB) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(b.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// owner returns who has a name on the bus; "" for nobody.
func owner(conn *dbus.Conn, name string) (owner string) {
	conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner)
	return owner
}

// screen is an X server with a window manager, without a screen.
func (b *bus) screen(t testing.TB) {
	t.Helper()
	for _, p := range []struct{ name, pkg string }{{"Xvfb", "xvfb"}, {"openbox", "openbox"}, {"xdotool", "xdotool"}} {
		if _, err := exec.LookPath(p.name); err != nil {
			t.Skipf("needs %s (package %s)", p.name, p.pkg)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x640x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	number, err := bufio.NewReader(r).ReadString('\n') // it comes in pieces
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	b.env = append(b.env, "DISPLAY=:"+strings.TrimSpace(number))
	run(t, b.env, "openbox")
}

// tool runs a program in the session and returns what it wrote.
func (b *bus) tool(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = b.env
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// shot keeps a picture of the screen in $WORMBELL_SHOTS, for a person to see.
func (b *bus) shot(t testing.TB, name string) {
	t.Helper()
	dir := os.Getenv("WORMBELL_SHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := b.tool(t, "import", "-window", "root", filepath.Join(dir, name+".png")); err != nil {
		t.Logf("no picture: %v: %s", err, out)
	}
}

// noTerminals is a configuration of a notifier that writes to no terminal of
// the tester's.
func noTerminals(address string) notify.Config {
	return notify.Only(notify.Config{Words: words.In(language.English), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Bus: address},
		func(string) bool { return false })
}

// openFor opens a notifier that is closed with the test.
func openFor(t testing.TB, c notify.Config) notify.Notifier {
	t.Helper()
	n, err := notify.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// answer waits for an answer.
func answer(t *testing.T, n notify.Notifier) notify.Answer {
	t.Helper()
	select {
	case a := <-n.Answers():
		return a
	case <-time.After(patience):
		t.Fatal("no answer arrives")
		return notify.Answer{}
	}
}

// Package secretservice gives a test a desktop session of its own, without a
// desktop: a session bus and a real GNOME Keyring on it. No program links it.
package secretservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Session is a session bus and what runs on it.
type Session struct {
	// Env is what programs need to be of the session: DBUS_SESSION_BUS_ADDRESS,
	// HOME and XDG_RUNTIME_DIR, to be put behind the rest of an environment.
	Env     []string
	Address string // of the bus
	Home    string // holds the keyrings, under .local/share/keyrings
	uid     int
}

// Config says what there is. The zero Config is a bus with an unlocked keyring.
type Config struct {
	Password  string // of the keyring; "": "test"
	Home      string // "": a new one
	NoKeyring bool   // a bus alone
	UID       int    // whose programs they are, for root: a user that the system knows; 0: the test's own
	Locked    bool   // a keyring that nobody has unlocked; Home has one already
}

// startLimit is how long the programs may take to be ready. They take some
// hundredths of a second.
const startLimit = 20 * time.Second

// Start starts a session that ends with the test. Where its programs are not
// installed the test is skipped.
func Start(t *testing.T, c Config) *Session {
	t.Helper()
	for _, program := range []string{"dbus-daemon", "dbus-send", "gnome-keyring-daemon", "secret-tool"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (packages dbus gnome-keyring libsecret-tools)", program)
		}
	}
	// The path of a socket has 107 bytes at most, too few for t.TempDir's names.
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Session{Address: "unix:path=" + filepath.Join(dir, "bus"), Home: c.Home, uid: c.UID}
	if s.Home == "" {
		s.Home = filepath.Join(dir, "home")
	}
	s.Env = []string{"DBUS_SESSION_BUS_ADDRESS=" + s.Address, "HOME=" + s.Home, "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run")}
	for _, d := range []string{s.Home, filepath.Join(dir, "run")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if c.UID != 0 {
		if err := errors.Join(os.Chown(dir, c.UID, c.UID), os.Chown(s.Home, c.UID, c.UID), os.Chown(filepath.Join(dir, "run"), c.UID, c.UID)); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(busConfig, s.Address)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	bus := s.start(t, "", "dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile")
	await(ctx, t, bus, func() bool {
		_, err := os.Stat(filepath.Join(dir, "bus"))
		return err == nil
	})
	if c.NoKeyring {
		return s
	}
	args, password := []string{"--foreground", "--components=secrets"}, ""
	if !c.Locked {
		args = append(args, "--unlock")
		if password = c.Password; password == "" {
			password = "test"
		}
	}
	daemon := s.start(t, password, "gnome-keyring-daemon", args...)
	await(ctx, t, daemon, func() bool {
		out, err := s.Run(ctx, "", "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets")
		return err == nil && strings.Contains(out, "boolean true")
	})
	return s
}

// busConfig is a bus on which no program is started for those who ask for it.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
`

// Run runs a program in the session and returns what it wrote.
func (s *Session) Run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Stdin = strings.NewReader(stdin)
	if s.uid != 0 {
		as(cmd, s.uid)
	}
	cmd.WaitDelay = 30 * time.Second // also for what it wrote before a normal end
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// program is one that runs until the test ends.
type program struct {
	name string
	out  *os.File
	done chan struct{} // closed when it has ended
}

// start starts a program that is killed when the test ends.
func (s *Session) start(t *testing.T, stdin, name string, args ...string) *program {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), out, out
	if s.uid != 0 {
		as(cmd, s.uid)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{name: name, out: out, done: make(chan struct{})}
	go func() { // ends when the program does, for which Cleanup waits
		cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-p.done
		if b, _ := os.ReadFile(out.Name()); t.Failed() && len(b) > 0 {
			t.Logf("%s says:\n%s", name, b)
		}
		out.Close()
	})
	return p
}

// await waits until the program is ready.
func await(ctx context.Context, t *testing.T, p *program, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
			continue
		case <-p.done:
		case <-ctx.Done():
		}
		b, _ := os.ReadFile(p.out.Name())
		t.Fatalf("%s is not ready: %s", p.name, b)
	}
}

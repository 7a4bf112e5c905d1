package tray_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"wormbell/internal/executable"
	"wormbell/internal/secret"
	"wormbell/tray"
)

const trayName = "org.wormbell.Tray"

// TestHoldsName is no test: it is a program that takes the tray's name, with its
// file hidden if it is told so, and holds it until its input ends.
func TestHoldsName(t *testing.T) {
	address, how, ok := strings.Cut(os.Getenv("WORMBELL_HOLD"), " ")
	if !ok {
		t.Skip("needs WORMBELL_HOLD, which other tests set")
	}
	if how == "hidden" {
		if err := secret.Hide(); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if r, err := conn.RequestName(trayName, dbus.NameFlagDoNotQueue); err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(r, err)
	}
	os.Stdin.Read(make([]byte, 1))
}

// hold lets a copy of this program, of another file, take the tray's name until
// it is made to leave.
func hold(t *testing.T, address, how string, command func(name string, args ...string) *exec.Cmd) (pid int, leave func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "hold")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	program := filepath.Join(dir, "wormbell-tray")
	if err := executable.Copy("/proc/self/exe", program); err != nil {
		t.Fatal(err)
	}
	cmd := command(program, "-test.run=^TestHoldsName$")
	cmd.Env = append(cmd.Env, "WORMBELL_HOLD="+address+" "+how)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		input.Close()
		cmd.Wait()
	})
	t.Cleanup(func() {
		end()
		if t.Failed() {
			t.Logf("who holds the name said: %s", said.String())
		}
	})
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	until(t, "somebody to hold the name", func() (ok bool) {
		return bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, trayName).Store(&ok) == nil && ok
	})
	return cmd.Process.Pid, end
}

// TestNameTaken: a program that is no tray does not keep the tray away. Not
// parallel: the bus is found by the environment.
func TestNameTaken(t *testing.T) {
	address := sessionBus(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	join := func() (*tray.Session, error) { return tray.Join(func(string) string { return "here" }) }

	// This program twice: that is another tray.
	first, err := join()
	if err != nil {
		t.Fatal(err)
	}
	if first.Other() != nil {
		t.Errorf("nobody has the name, but for %+v", first.Other())
	}
	if s, err := join(); !errors.Is(err, tray.ErrRunning) {
		t.Errorf("a second tray: %v %v", s, err)
	}
	if err := first.Leave(); err != nil {
		t.Error(err)
	}

	pid, end := hold(t, address, "seen", exec.Command)
	s, err := join()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Leave()
	if o := s.Other(); o == nil || o.PID != pid || !strings.HasSuffix(o.Name, "/wormbell-tray") {
		t.Errorf("process %d has the name: %+v", pid, o)
	}

	// When that program goes, the name is the tray's.
	end()
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	until(t, "the tray to take its name", func() bool {
		var owner uint32
		err := bus.BusObject().Call("org.freedesktop.DBus.GetConnectionUnixProcessID", 0, trayName).Store(&owner)
		return err == nil && int(owner) == os.Getpid()
	})
	if s, err := join(); !errors.Is(err, tray.ErrRunning) {
		t.Errorf("a second tray, then: %v %v", s, err)
	}
}

// TestNameTakenByHidden: one that hides its file as the tray does, and calls
// itself so, is known by what the kernel tells of everybody. The real tray then
// says who it is, on the notification daemon or, as here, in its log.
func TestNameTakenByHidden(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the built tray")
	}
	t.Parallel()
	d := newDesktop(t)
	pid, _ := hold(t, d.address, "hidden", d.command)
	p := d.start("wormbell-tray", d.command(filepath.Join(build(t, ""), "wormbell-tray"), "--socket", filepath.Join(d.dir, "none.sock")))
	until(t, "the tray to say who has its name", func() bool {
		return strings.Contains(p.said.String(), fmt.Sprintf("holder_pid=%d", pid))
	})
	d.panel()
	d.says("Wormbell is not running")
}

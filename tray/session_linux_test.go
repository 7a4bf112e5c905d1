package tray_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"wormbell/tray"
)

// TestHungPanel: a panel that does not answer holds up neither the start nor
// the end of the tray. Not parallel: the bus is found by the environment.
func TestHungPanel(t *testing.T) {
	address := sessionBus(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	panel, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer panel.Close()
	over := make(chan struct{})
	defer close(over)
	if err := panel.Export(hung{over}, "/StatusNotifierWatcher", "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	if _, err := panel.RequestName("org.kde.StatusNotifierWatcher", 0); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // ends before the test does, unless that fails
		s, err := tray.Join(func(string) string { return "here" })
		if err == nil {
			if s.Shown() {
				err = errors.New("a panel that does not answer shows the icon")
			}
			err = errors.Join(err, s.Leave())
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the tray hangs with the panel")
	}
}

// hung is a panel that answers no question.
type hung struct{ over chan struct{} }

func (h hung) Get(string, string) (dbus.Variant, *dbus.Error) {
	<-h.over
	return dbus.MakeVariant(true), nil
}

// sessionBus starts a session bus that ends with the test and returns its address.
func sessionBus(t *testing.T) string {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("needs dbus-daemon (package dbus)")
	}
	dir, err := os.MkdirTemp("", "bus") // t.TempDir's names are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, conf := filepath.Join(dir, "bus"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemon, "--config-file="+conf, "--nofork", "--nopidfile")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return "unix:path=" + socket
		}
		if time.Now().After(deadline) {
			t.Fatal("the bus does not start")
		}
	}
}

package alert_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/agent/alert"
)

// tmpfs mounts a small file system and returns its folder.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a file system that fills up")
	}
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Skip("cannot mount a tmpfs here:", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// until polls for up to ten seconds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func run(t *testing.T, s *alert.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := tmpfs(t, "size=1m")
	s := open(t, alert.Config{Dir: dir, Now: time.Now})
	first := record(t, s, read(proc(61, shell(), "/bin/sh", "a"), "~/.npmrc", 0))
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for b := make([]byte, 4096); err == nil; {
		_, err = f.Write(b)
	}
	f.Close()
	var all []wormbell.Alert
	for i := range 200 {
		all = append(all, record(t, s, read(proc(100+i, shell(), "/bin/sh", "a"), "~/.npmrc", 0)))
	}
	if p := strings.Join(s.Problems(), "; "); !strings.Contains(p, "disk is full") || !strings.Contains(p, "memory") {
		t.Errorf("problems: %q", p)
	}
	if n := len(s.Alerts(alert.Filter{})); n != 201 {
		t.Errorf("%d alerts, want 201", n)
	}
	if a, err := s.SetState(first.ID, wormbell.Closed, "0", ""); err != nil || a.State != wormbell.Closed {
		t.Error("cannot close while the disk is full:", err)
	}
	run(t, s)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	until(t, "the backlog is written", func() bool { return len(s.Problems()) == 0 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, alert.Config{Dir: dir})
	for _, a := range all {
		got, err := s.Get(a.ID)
		if err != nil || len(got.Findings) != 1 || len(got.Findings[0].Evidence) != 1 {
			t.Fatalf("%s: %+v %v", a.ID, got, err)
		}
	}
	if a, err := s.Get(first.ID); err != nil || a.State != wormbell.Closed {
		t.Errorf("the one closed in between: %v %v", a.State, err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	dir := tmpfs(t, "size=4m")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=4m"); err != nil {
		t.Skip("cannot remount:", err)
	}
	s := open(t, alert.Config{Dir: dir, Now: time.Now})
	if p := strings.Join(s.Problems(), "; "); !strings.Contains(p, "read-only") || !strings.Contains(p, "memory") {
		t.Errorf("problems: %q", p)
	}
	a := record(t, s, read(proc(61, shell(), "/bin/sh", "a"), "~/.npmrc", 0))
	a = record(t, s, read(proc(61, shell(), "/bin/sh", "a"), "~/.npmrc", time.Minute))
	row, err := s.AddTrust(wormbell.TrustRow{Store: "npm", By: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	s.AddCall(alert.Call{What: "trust add"})
	if _, err := alert.Open(alert.Config{Dir: dir}); err == nil {
		t.Error("a second agent on a read-only folder")
	}
	run(t, s)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	until(t, "the backlog is written", func() bool { return len(s.Problems()) == 0 })
	s.Close()
	s = open(t, alert.Config{Dir: dir})
	if got, err := s.Get(a.ID); err != nil || got.Count != 2 {
		t.Errorf("%+v %v", got, err)
	}
	if rows := s.Trust(); len(rows) != 1 || rows[0].ID != row.ID {
		t.Errorf("trust: %+v", rows)
	}
	if calls, err := s.Calls("", 5); len(calls) != 1 {
		t.Error(calls, err)
	}
}

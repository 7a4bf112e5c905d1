package alert_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"wormbell"
	"wormbell/agent/alert"
)

// TestMain lets the test binary be the agent that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("WORMBELL_TEST_RECORD"); dir != "" {
		recordForever(dir)
	}
	os.Exit(m.Run())
}

// recordForever records findings and prints what Record returned, until it is
// killed; at most 20,000 of them, should nobody kill it.
func recordForever(dir string) {
	s, err := alert.Open(alert.Config{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	sh := shell()
	base := rand.IntN(1 << 20)
	for i := range 20000 {
		now := time.Now()
		p := &wormbell.Process{PID: 1000 + base + i/3, Start: now.Truncate(time.Hour), Exe: "/opt/x", Parent: sh}
		a, err := s.Record(wormbell.Finding{Detector: "credential-read", Subject: "~/.npmrc", Process: p,
			Evidence: []wormbell.Event{{Time: now, Kind: wormbell.FileRead, User: fmt.Sprint(i % 50), Process: p}}}, alert.Meta{})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(a.ID, a.Count)
		if i%5 == 4 {
			s.SetState(a.ID, wormbell.Closed, "0", "")
		}
	}
	os.Exit(0)
}

// Killed at any moment, the store has everything that it ever said it had.
func TestKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := map[string]int{}
	for round := range 20 {
		counts := map[string]int{} // what this round was shown
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), "WORMBELL_TEST_RECORD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stop := 1 + rand.IntN(60)
		for n := 0; lines.Scan(); n++ {
			var id string
			var count int
			if _, err := fmt.Sscan(lines.Text(), &id, &count); err != nil {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			counts[id] = count
			if n == stop {
				// Somewhere within the next few writes.
				time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
		cmd.Wait()
		cancel()
		db, err := sql.Open("sqlite", filepath.Join(dir, "wormbell.db"))
		if err != nil {
			t.Fatal(err)
		}
		var ok string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
			t.Fatalf("round %d: integrity_check: %q %v", round, ok, err)
		}
		db.Close()
		s, err := alert.Open(alert.Config{Dir: dir})
		if err != nil {
			t.Fatalf("round %d: next start: %v", round, err)
		}
		if p := s.Problems(); len(p) > 0 {
			t.Fatalf("round %d: next start: %v", round, p)
		}
		maps.Copy(all, counts)
		if round == 19 {
			counts = all // nothing of the earlier ones went either
		}
		for id, n := range counts {
			a, err := s.Get(id)
			if err != nil || a.Count < n {
				t.Fatalf("round %d: alert %s was shown with count %d, now %d, %v", round, id, n, a.Count, err)
			}
		}
		s.Close()
	}
	if len(all) < 100 {
		t.Errorf("only %d alerts were recorded", len(all))
	}
}

func TestSecondAgent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, alert.Config{Dir: dir})
	_, err := alert.Open(alert.Config{Dir: dir})
	if !errors.Is(err, alert.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("second store on the same folder: %v", err)
	}
	s.Close()
	open(t, alert.Config{Dir: dir})
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	good := func(t *testing.T) []byte {
		dir := t.TempDir()
		s := open(t, alert.Config{Dir: dir})
		for i := range 50 {
			record(t, s, read(proc(61+i, shell(), "/bin/sh", "x"), "~/.npmrc", 0))
		}
		s.Close()
		b, err := os.ReadFile(filepath.Join(dir, "wormbell.db"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, spoil := range map[string]func(t *testing.T, b []byte) []byte{
		"garbage":   func(_ *testing.T, b []byte) []byte { return bytes.Repeat([]byte("garbage "), 4096) },
		"truncated": func(_ *testing.T, b []byte) []byte { return b[:len(b)/2] },
		"cut short": func(_ *testing.T, b []byte) []byte { return b[:50] },
		"zeroed": func(_ *testing.T, b []byte) []byte {
			clear(b[4096:])
			return b
		},
		"newer": func(t *testing.T, b []byte) []byte {
			b[63] = 99 // the low byte of user_version, https://sqlite.org/fileformat.html#the_database_header
			return b
		},
		"of a version below none": func(t *testing.T, b []byte) []byte {
			b[60] = 0xff // it has a sign
			return b
		},
		"of no version": func(t *testing.T, b []byte) []byte {
			clear(b[60:64])
			return b
		},
		"of an earlier version than it is": func(t *testing.T, b []byte) []byte {
			b[63] = 1
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := spoil(t, good(t))
			if err := os.WriteFile(filepath.Join(dir, "wormbell.db"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, alert.Config{Dir: dir})
			if p := s.Problems(); len(p) != 1 || !strings.Contains(p[0], "set aside") {
				t.Errorf("problems: %q", p)
			}
			aside, _ := filepath.Glob(filepath.Join(dir, "wormbell.db.*-2026*"))
			if len(aside) == 0 {
				t.Error("nothing was set aside")
			} else if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, b) {
				t.Error("what was set aside is not what was there")
			}
			a := record(t, s, read(proc(61, shell(), "/bin/sh", "x"), "~/.npmrc", 0))
			s.Close()
			s = open(t, alert.Config{Dir: dir})
			if _, err := s.Get(a.ID); err != nil || len(s.Problems()) > 0 {
				t.Errorf("next start: %v %v", err, s.Problems())
			}
		})
	}
}

// Whatever happens to the file while the agent runs, open alerts are written
// again to a sound one.
func TestDatabaseHarmedInUse(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"overwritten": func(dir string) error {
			for _, f := range []string{"wormbell.db", "wormbell.db-wal"} {
				h, err := os.OpenFile(filepath.Join(dir, f), os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				h.Write(bytes.Repeat([]byte("garbage "), 64<<10))
				h.Close()
			}
			return nil
		},
		"truncated": func(dir string) error { return os.Truncate(filepath.Join(dir, "wormbell.db"), 0) },
		"removed":   func(dir string) error { return os.Remove(filepath.Join(dir, "wormbell.db")) },
		"folder removed": func(dir string) error {
			return os.RemoveAll(dir)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			c := &clock{t: t0}
			s := open(t, alert.Config{Dir: dir, Now: c.now})
			want := map[string]bool{}
			for i := range 20 {
				want[record(t, s, read(proc(61+i, shell(), "/bin/sh", "x"), "~/.npmrc", 0)).ID] = true
			}
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			for i := range 300 { // enough that the log is played into the database
				c.add(time.Second)
				p := proc(2000+i/3, shell(), "/bin/sh", "x")
				want[record(t, s, read(p, fmt.Sprint("~/", i), time.Duration(i)*time.Second)).ID] = true
			}
			s.Check() // Run looks every half minute; look now
			cancel()
			<-done
			if got := len(s.Alerts(alert.Filter{})); got != len(want) {
				t.Errorf("%d alerts in memory, want %d", got, len(want))
			}
			if p := s.Problems(); len(p) == 0 {
				t.Error("no problem was told")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = open(t, alert.Config{Dir: dir})
			for id := range want {
				if _, err := s.Get(id); err != nil {
					t.Errorf("%s is lost: %v", id, err)
				}
			}
		})
	}
}

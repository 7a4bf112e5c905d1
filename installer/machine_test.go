//go:build unix

package installer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"wormbell/installer"
)

// manager is a service manager in memory. What it starts is what stands in the
// agent's file: "good 1" answers as version 1, "mute" never does, "broken" ends at
// once and for good, "crashing" again and again.
type manager struct {
	root, bin   string
	unit        string // as of the last reload
	enabled     bool
	tray        bool
	running     string // what the agent's file held when it was started
	restarts    int
	masked      bool
	did         []string
	refuse      map[string]error // what an act answers
	onStart     func()
	trayRunning bool
}

func (g *manager) act(name string) error {
	g.did = append(g.did, name)
	return g.refuse[name]
}

func (g *manager) read(path string) string {
	b, _ := os.ReadFile(filepath.Join(g.root, path))
	return string(b)
}

func (g *manager) service() installer.Service {
	const unit = "/etc/systemd/system/wormbelld.service"
	return installer.Service{
		Look: func(context.Context) (installer.State, error) {
			s := installer.State{Installed: g.unit != "", Masked: g.masked, Enabled: g.enabled, Active: "inactive", Result: "success", Restarts: g.restarts}
			switch word, _, _ := strings.Cut(g.running, " "); word {
			case "good", "mute", "brief":
				s.Active = "active"
			case "broken":
				s.Active, s.Result, s.Status = "failed", "exit-code", 2
			case "crashing":
				g.restarts++
				s.Active, s.Result, s.Restarts = "activating", "exit-code", g.restarts
			}
			return s, nil
		},
		Reload:  func(context.Context) error { g.unit = g.read(unit); return g.act("reload") },
		Enable:  func(context.Context) error { g.enabled = true; return g.act("enable") },
		Disable: func(context.Context) error { g.enabled = false; return g.act("disable") },
		Start: func(context.Context) error {
			if g.unit == "" {
				return errors.New("unit not found")
			}
			_, exec, _ := strings.Cut(g.unit, "ExecStart=")
			exec, _, _ = strings.Cut(exec, "\n")
			g.running = g.read(exec)
			if g.onStart != nil {
				g.onStart()
			}
			return g.act("start")
		},
		Stop: func(context.Context) error { g.running = ""; return g.act("stop") },
		AutostartTray: func(_ context.Context, program string) error {
			g.tray = program != ""
			return g.act("autostart " + filepath.Base(program))
		},
		TrayStarts: func(context.Context) bool { return g.tray },
	}
}

// machine is a fake one on a fresh folder.
func machine(t *testing.T) (*installer.Machine, *manager) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "usr/local/bin", "etc/systemd/system", "var/lib", "run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g := &manager{root: root, refuse: map[string]error{}}
	return &installer.Machine{
		OS: "linux", Root: root, Manager: true, State: "/var/lib/wormbell",
		Owner:   func(context.Context, string) (string, error) { return "", nil },
		Service: g.service(),
		Agent: func(context.Context) (string, int, error) {
			if v, ok := strings.CutPrefix(g.running, "good "); ok {
				return v, 1000, nil
			}
			if answers, ok := map[string]string{"brief": "brief 2", "brief 2": "brief 3", "brief 3": "crashing"}[g.running]; ok {
				g.running = answers
				return "", 1001, nil
			}
			return "", 0, errors.New("nobody listens")
		},
		Log: func(context.Context, time.Time) []string { return []string{"level=ERROR msg=oh"} },
		Sessions: func(context.Context) ([]installer.Session, error) {
			return []installer.Session{{User: "dev",
				Start: func(context.Context) error { g.trayRunning = true; return g.act("tray") },
				Stop:  func(context.Context) error { g.trayRunning = false; return g.act("no tray") },
				Runs:  func(context.Context) bool { return g.trayRunning },
			}}, nil
		},
		Build:    built,
		Vaults:   func(context.Context) ([]installer.Vault, error) { return nil, nil },
		Now:      func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Patience: 300 * time.Millisecond, Settle: 20 * time.Millisecond,
	}, g
}

// built says of a program of these tests what the linker says of a real one: it
// is ours, unless its text says "alien", and of the version that follows "of ".
func built(b []byte) (*debug.BuildInfo, error) {
	text := string(b)
	if strings.Contains(text, "alien") {
		return nil, errors.New("not a Go executable")
	}
	name := "wormbelld"
	for word, of := range map[string]string{"cli ": "wormbell", "tray ": "wormbell-tray"} {
		if strings.HasPrefix(text, word) {
			name = of
		}
	}
	_, version, _ := strings.Cut(text, " of ")
	return &debug.BuildInfo{Path: "wormbell/cmd/" + name, Main: debug.Module{Path: "wormbell", Version: version}}, nil
}

// release is a folder with programs; the agent's file holds agent.
func release(t *testing.T, agent string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"wormbelld": agent, "wormbell": "cli " + agent, "wormbell-tray": "tray " + agent} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func config(t *testing.T, agent string) installer.Config {
	return installer.Config{Source: release(t, agent), Tray: true, Start: true,
		Share: []installer.File{{Path: "bash-completion/completions/wormbell", Data: []byte("complete\n")}}}
}

func install(t *testing.T, m *installer.Machine, c installer.Config) *installer.Plan {
	t.Helper()
	p, err := m.Install(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// tree lists what is below root with modes and sums.
func tree(t *testing.T, root string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		line := fmt.Sprintf("%v /%s", info.Mode(), rel)
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(b))
		}
		lines = append(lines, line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func exists(m *installer.Machine, path string) bool {
	_, err := os.Lstat(filepath.Join(m.Root, path))
	return err == nil
}

func TestMain(m *testing.M) {
	if runtime.GOOS == "windows" {
		os.Exit(0)
	}
	os.Exit(m.Run())
}

//go:build unix

package installer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/installer"
)

// db is a file that says that it is a database of that form.
func db(form byte, text string) []byte {
	b := make([]byte, 100)
	copy(b, "SQLite format 3\x00")
	b[63] = form
	return append(b, text...)
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	install(t, m, config(t, "good 1"))
	store := filepath.Join(m.Root, "var/lib/wormbell/wormbell.db")
	if err := os.WriteFile(store, db(1, "rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.onStart = func() { os.WriteFile(store, db(2, "rows"), 0o600) }
	c := config(t, "good 2")
	c.Share = []installer.File{{Path: "man/man1/wormbell.1", Data: []byte("page\n")}}
	install(t, m, c)
	if g.running != "good 2" || g.read("/usr/local/bin/wormbelld") != "good 2" {
		t.Errorf("%+v", g)
	}
	if b, _ := os.ReadFile(store); string(b) != string(db(2, "rows")) {
		t.Error("the store was touched")
	}
	if exists(m, "usr/local/share/bash-completion/completions/wormbell") || !exists(m, "usr/local/share/man/man1/wormbell.1") || exists(m, "var/lib/wormbell/previous") {
		t.Error(strings.Join(tree(t, m.Root), "\n"))
	}
}

// TestUpgradeFails: whatever the new agent does, the machine is afterwards as it
// was, and guarded.
func TestUpgradeFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ agent, says string }{
		{"mute", "does not answer"},
		{"broken", `ended with "exit-code", status 2`},
		{"crashing", "keeps failing"},
		{"brief", "keeps failing"}, // it answers three times
	} {
		for _, wrote := range []string{"", "form", "log"} {
			migrates := wrote != ""
			t.Run(tc.agent+" "+wrote, func(t *testing.T) {
				t.Parallel()
				m, g := machine(t)
				install(t, m, config(t, "good 1"))
				state := filepath.Join(m.Root, "var/lib/wormbell")
				store := filepath.Join(state, "wormbell.db")
				if err := os.WriteFile(store, db(1, "trust rows"), 0o600); err != nil {
					t.Fatal(err)
				}
				before := tree(t, m.Root)
				g.onStart = func() {
					switch {
					case strings.HasPrefix(g.running, "good"):
					case wrote == "form":
						os.WriteFile(store, db(2, "trust rows and more"), 0o600)
					case wrote == "log": // the new form is still in there alone
						os.WriteFile(store+"-wal", []byte("log"), 0o600)
					}
				}
				c := config(t, tc.agent)
				c.Share = append(c.Share, installer.File{Path: "man/man1/wormbell.1", Data: []byte("page\n")})
				if tc.agent == "mute" {
					c.Prefix = "/opt/wormbell" // so that the unit is another
				}
				p, err := m.Install(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				err = p.Do(t.Context())
				var failed *installer.FailedError
				if !errors.As(err, &failed) || failed.Undo != nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "put back") {
					t.Fatalf("%v", err)
				}
				if !slices.Equal(failed.Log, []string{"level=ERROR msg=oh"}) {
					t.Errorf("log %q", failed.Log)
				}
				after := slices.DeleteFunc(tree(t, m.Root), func(line string) bool { return strings.Contains(line, "wormbell.db.newer-20260102T030405") })
				if d := cmp.Diff(after, before); d != "" {
					t.Errorf("not as it was (-got +want):\n%s", d)
				}
				if migrates != exists(m, "var/lib/wormbell/wormbell.db.newer-20260102T030405") {
					t.Error("what the newer agent wrote is lost, or something was set aside for no reason")
				}
				if g.running != "good 1" || !g.enabled || g.unit != g.read("/etc/systemd/system/wormbelld.service") {
					t.Errorf("%+v", g)
				}
			})
		}
	}
}

// TestFirstInstallFails: nothing is left of it.
func TestFirstInstallFails(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"broken", "enable", "start", "reload", "full"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			m, g := machine(t)
			before := tree(t, m.Root)
			c := config(t, "good 1")
			switch fault {
			case "broken":
				c = config(t, "broken")
			case "full":
				// The last file to be put finds a folder where its own must be.
				p := filepath.Join(m.Root, "usr/local/share")
				if err := os.WriteFile(p, nil, 0o644); err != nil {
					t.Fatal(err)
				}
				before = tree(t, m.Root)
			default:
				g.refuse[fault] = errors.New("no")
			}
			p, err := m.Install(t.Context(), c)
			if err == nil {
				err = p.Do(t.Context())
			}
			if err == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(tree(t, m.Root), before); d != "" {
				t.Errorf("%v: not as it was (-got +want):\n%s", err, d)
			}
			if g.running == "good 1" || g.enabled || g.tray || g.trayRunning {
				t.Errorf("%+v", g)
			}
		})
	}
}

// TestInterrupted: who gives up in the middle has the machine as it was.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	install(t, m, config(t, "good 1"))
	before := tree(t, m.Root)
	ctx, cancel := context.WithCancel(t.Context())
	g.onStart = func() {
		if g.running == "mute" {
			cancel()
		}
	}
	p, err := m.Install(ctx, config(t, "mute"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Do(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if d := cmp.Diff(tree(t, m.Root), before); d != "" || g.running != "good 1" {
		t.Errorf("%q, not as it was (-got +want):\n%s", g.running, d)
	}
}

// TestFailingAgentIsUpgraded: one that does not answer is stopped, its state kept,
// and tried again if the new one is no better.
func TestFailingAgentIsUpgraded(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"good 2", "broken"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			m, g := machine(t)
			install(t, m, config(t, "good 1"))
			if err := os.WriteFile(filepath.Join(m.Root, "var/lib/wormbell/wormbell.db"), db(1, "rows"), 0o600); err != nil {
				t.Fatal(err)
			}
			before := tree(t, m.Root)
			g.running = "crashing"
			p, err := m.Install(t.Context(), config(t, next))
			if err != nil || !strings.HasPrefix(p.Steps[0], "Stop the agent, which does not answer.") {
				t.Fatalf("%v %v", p, err)
			}
			err = p.Do(t.Context())
			if next == "good 2" {
				if err != nil || g.running != next {
					t.Errorf("%q %v", g.running, err)
				}
				return
			}
			if d := cmp.Diff(tree(t, m.Root), before); err == nil || d != "" || g.running != "good 1" {
				t.Errorf("%q %v\n%s", g.running, err, d)
			}
		})
	}
}

// TestKilledInTheMiddle: what was kept when the installer was killed is what is
// put back by the next one that fails.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	install(t, m, config(t, "good 1"))
	before := tree(t, m.Root)
	previous := filepath.Join(m.Root, "var/lib/wormbell/previous")
	if err := os.Mkdir(previous, 0o700); err != nil {
		t.Fatal(err)
	}
	agent := filepath.Join(m.Root, "usr/local/bin/wormbelld")
	if err := os.Rename(agent, filepath.Join(previous, "%2Fusr%2Flocal%2Fbin%2Fwormbelld")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(agent, []byte("half"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := m.Install(t.Context(), config(t, "broken"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Do(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if d := cmp.Diff(tree(t, m.Root), before); d != "" || g.running != "good 1" {
		t.Errorf("%q, not as it was (-got +want):\n%s", g.running, d)
	}
}

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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		Vaults:   func(context.Context) ([]installer.Vault, error) { return nil, nil },
		Now:      func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Patience: 300 * time.Millisecond, Settle: 20 * time.Millisecond,
	}, g
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

func TestInstallFresh(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	p := install(t, m, config(t, "good 1"))
	if p.Nothing() || p.Program != "/usr/local/bin/wormbell" {
		t.Errorf("%q %q", p.Steps, p.Program)
	}
	for path, mode := range map[string]fs.FileMode{"usr/local/bin/wormbelld": 0o755, "usr/local/bin/wormbell": 0o711, "usr/local/bin/wormbell-tray": 0o711,
		"etc/systemd/system/wormbelld.service": 0o644, "etc/systemd/user/wormbell-tray.service": 0o644, "etc/xdg/autostart/org.wormbell.Tray.desktop": 0o644,
		"usr/local/share/bash-completion/completions/wormbell": 0o644, "var/lib/wormbell/installed.json": 0o600,
		"var/lib/wormbell": fs.ModeDir | 0o700, "etc/wormbell/conf.d": fs.ModeDir | 0o755, "etc/wormbell/trust.d": fs.ModeDir | 0o755} {
		info, err := os.Stat(filepath.Join(m.Root, path))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, want %v", path, info, mode)
		}
	}
	if s := g.read("/etc/systemd/system/wormbelld.service"); strings.Contains(s, "/usr/bin/") || !strings.Contains(s, "ExecStart=/usr/local/bin/wormbelld\n") {
		t.Errorf("unit: %s", s)
	}
	if s := g.read("/etc/xdg/autostart/org.wormbell.Tray.desktop"); !strings.Contains(s, "Exec=/usr/local/bin/wormbell-tray\n") {
		t.Errorf("autostart: %s", s)
	}
	if !g.enabled || g.running != "good 1" || !g.tray || !g.trayRunning {
		t.Errorf("%+v", g)
	}
	if exists(m, "var/lib/wormbell/previous") {
		t.Error("what was kept stays")
	}
	again, err := m.Install(t.Context(), config(t, "good 1"))
	if err != nil || !again.Nothing() {
		t.Errorf("the second time: %v, %q", err, again.Steps)
	}
}

func exists(m *installer.Machine, path string) bool {
	_, err := os.Lstat(filepath.Join(m.Root, path))
	return err == nil
}

// TestInstallMends: what is missing or was changed is put right, and only that.
func TestInstallMends(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		harm func(m *installer.Machine, g *manager) error
		want []string // beginnings of the steps
	}{
		"unit changed": {func(m *installer.Machine, g *manager) error {
			return os.WriteFile(filepath.Join(m.Root, "etc/systemd/system/wormbelld.service"), []byte("x"), 0o644)
		}, []string{"Stop the agent that runs", "Put the service's file", "Start the agent", "Start the tray", "Note in"}},
		"completion gone": {func(m *installer.Machine, g *manager) error {
			return os.Remove(filepath.Join(m.Root, "usr/local/share/bash-completion/completions/wormbell"))
		}, []string{"Put completions", "Note in"}},
		"stopped":    {func(m *installer.Machine, g *manager) error { g.running = ""; return nil }, []string{"Start the agent, and", "Note in"}},
		"disabled":   {func(m *installer.Machine, g *manager) error { g.enabled = false; return nil }, []string{"Have wormbelld started", "Note in"}},
		"older runs": {func(m *installer.Machine, g *manager) error { g.running = "crashing"; return nil }, []string{"Start the agent, and", "Note in"}},
		"open state": {func(m *installer.Machine, g *manager) error {
			return os.Chmod(filepath.Join(m.Root, "var/lib/wormbell"), 0o755)
		}, []string{"Make the folders /var/lib/wormbell", "Note in"}},
		"tray's ended": {func(m *installer.Machine, g *manager) error { g.trayRunning = false; return nil }, []string{"Start the tray for dev", "Note in"}},
		"link in place": {func(m *installer.Machine, g *manager) error {
			name := filepath.Join(m.Root, "usr/local/bin/wormbell")
			return errors.Join(os.Remove(name), os.Symlink("wormbelld", name))
		}, []string{"Stop the agent that runs", "Put the programs /usr/local/bin/wormbell", "Start the agent", "Start the tray", "Note in"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, g := machine(t)
			c := config(t, "good 1")
			install(t, m, c)
			before := tree(t, m.Root)
			if err := tc.harm(m, g); err != nil {
				t.Fatal(err)
			}
			p := install(t, m, c)
			ok := len(p.Steps) == len(tc.want)
			for i := range p.Steps {
				ok = ok && strings.HasPrefix(p.Steps[i], tc.want[i])
			}
			if !ok {
				t.Errorf("steps %q", p.Steps)
			}
			if d := cmp.Diff(tree(t, m.Root), before); d != "" {
				t.Errorf("not as it was (-got +want):\n%s", d)
			}
			if g.running != "good 1" || !g.enabled || !g.trayRunning {
				t.Errorf("%+v", g)
			}
		})
	}
}

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

// TestOneAtATime: a second one does nothing while the first is at it.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	p, err := m.Install(t.Context(), config(t, "good 1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.Install(t.Context(), config(t, "good 2"))
	if err != nil {
		t.Fatal(err)
	}
	var busy error
	g.onStart = func() { g.onStart, busy = nil, second.Do(t.Context()) }
	if err := p.Do(t.Context()); err != nil || !errors.Is(busy, installer.ErrBusy) || g.running != "good 1" {
		t.Errorf("%v, the second: %v", err, busy)
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

// TestAgentThatCannotBeAsked: where nobody can ask it, the manager is believed.
func TestAgentThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	m.Agent = nil
	install(t, m, config(t, "good 1"))
	if p, err := m.Install(t.Context(), config(t, "good 1")); err != nil || !p.Nothing() {
		t.Errorf("the second time: %v %v", p, err)
	}
	p, err := m.Install(t.Context(), config(t, "broken"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Do(t.Context()); err == nil || g.running != "good 1" {
		t.Errorf("%q %v", g.running, err)
	}
}

// TestChangedSincePlanned: what is put is what the person agreed to.
func TestChangedSincePlanned(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	c := config(t, "good 1")
	before := tree(t, m.Root)
	p, err := m.Install(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Source, "wormbelld"), []byte("good evil"), 0o755); err != nil {
		t.Fatal(err)
	}
	err = p.Do(t.Context())
	if d := cmp.Diff(tree(t, m.Root), before); err == nil || !strings.Contains(err.Error(), "no longer what it was") || d != "" || g.running != "" {
		t.Errorf("%q %v\n%s", g.running, err, d)
	}
}

// TestSweeps: what a killed installation left half written is removed.
func TestSweeps(t *testing.T) {
	t.Parallel()
	m, _ := machine(t)
	left := filepath.Join(m.Root, "usr/local/bin/.wormbell-new-123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	install(t, m, config(t, "good 1"))
	if exists(m, "usr/local/bin/.wormbell-new-123") {
		t.Error("it is still there")
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

// TestRefused: what cannot go well is not begun, and says what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(m *installer.Machine, g *manager, c *installer.Config)
		says   string
	}{
		"no systemd":  {func(m *installer.Machine, _ *manager, _ *installer.Config) { m.Manager = false }, "no service manager"},
		"masked":      {func(_ *installer.Machine, g *manager, _ *installer.Config) { g.masked = true }, "masked"},
		"no programs": {func(_ *installer.Machine, _ *manager, c *installer.Config) { c.Source = t.TempDir() }, "there is no wormbelld"},
		"other agent": {func(_ *installer.Machine, g *manager, _ *installer.Config) { g.running = "good 0" }, ""},
		"package": {func(m *installer.Machine, _ *manager, _ *installer.Config) {
			m.Owner = func(context.Context, string) (string, error) { return "deb:wormbell", nil }
		}, "deb:wormbell"},
		"open folder": {func(m *installer.Machine, _ *manager, _ *installer.Config) {
			os.Chmod(filepath.Join(m.Root, "usr/local/bin"), 0o777)
		}, "others than root may write"},
		"relative prefix": {func(_ *installer.Machine, _ *manager, c *installer.Config) { c.Prefix = "opt" }, "not an absolute path"},
		"manifest of others": {func(m *installer.Machine, _ *manager, _ *installer.Config) {
			os.MkdirAll(filepath.Join(m.Root, "var/lib/wormbell"), 0o700)
			os.WriteFile(filepath.Join(m.Root, "var/lib/wormbell/installed.json"), []byte(`{"version":1,"files":[{"path":"/etc/passwd"}]}`), 0o666)
			os.Chmod(filepath.Join(m.Root, "var/lib/wormbell/installed.json"), 0o666)
		}, "others than root could have written it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, g := machine(t)
			c := config(t, "good 1")
			tc.change(m, g, &c)
			if name == "other agent" {
				look := m.Service.Look
				m.Service.Look = func(ctx context.Context) (installer.State, error) {
					s, err := look(ctx)
					s.Active = "inactive"
					return s, err
				}
				tc.says = "an agent runs already"
			}
			before := tree(t, m.Root)
			p, err := m.Install(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("%v, %v", p, err)
			}
			if d := cmp.Diff(tree(t, m.Root), before); d != "" || len(g.did) > 0 {
				t.Errorf("it was begun: %q\n%s", g.did, d)
			}
		})
	}
}

// TestWithoutStart: files alone, also where there is no systemd.
func TestWithoutStart(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	m.Manager = false
	c := config(t, "good 1")
	c.Start, c.Tray = false, false
	install(t, m, c)
	if !exists(m, "usr/local/bin/wormbelld") || exists(m, "usr/local/bin/wormbell-tray") || len(g.did) > 0 {
		t.Errorf("%q\n%s", g.did, strings.Join(tree(t, m.Root), "\n"))
	}
}

// TestPackaged: where a package has put the files, only what is missing is done.
func TestPackaged(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	m.Owner = func(_ context.Context, path string) (string, error) { return "deb:wormbell", nil }
	c := config(t, "good 1")
	bin := filepath.Join(m.Root, "usr/bin")
	for _, name := range []string{"wormbelld", "wormbell", "wormbell-tray"} {
		if err := os.Rename(filepath.Join(c.Source, name), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	c.Source, g.unit = bin, "ExecStart=/usr/bin/wormbelld\n"
	before := tree(t, m.Root)
	p := install(t, m, c)
	if d := cmp.Diff(tree(t, m.Root), before); d != "" || !g.enabled || g.running != "good 1" || !g.trayRunning || p.Program != "/usr/bin/wormbell" {
		t.Errorf("%+v\n%s", g, d)
	}
	if p, err := m.Install(t.Context(), c); err != nil || !p.Nothing() {
		t.Errorf("the second time: %v %v", p, err)
	}
	_, err := m.Uninstall(t.Context(), installer.Removal{Purge: true})
	var told *installer.AdviceError
	if !errors.Is(err, installer.ErrOwned) || !errors.As(err, &told) || !strings.Contains(told.Advice[0], "sudo apt purge wormbell wormbell-tray") {
		t.Errorf("%v", err)
	}
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	for _, purge := range []bool{false, true} {
		t.Run(fmt.Sprint(purge), func(t *testing.T) {
			t.Parallel()
			m, g := machine(t)
			before := tree(t, m.Root)
			install(t, m, config(t, "good 1"))
			for _, name := range []string{"var/lib/wormbell/wormbell.db", "etc/wormbell/config.toml"} {
				if err := os.WriteFile(filepath.Join(m.Root, name), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(m.Root, "etc/systemd/user/wormbell-tray.service"), []byte("changed"), 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := m.Uninstall(t.Context(), installer.Removal{Purge: purge})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(p.Notes, func(s string) bool { return strings.Contains(s, "wormbell-tray.service was changed") }) {
				t.Errorf("notes %q", p.Notes)
			}
			if err := p.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := tree(t, m.Root)
			if !purge {
				var kept []string
				got = slices.DeleteFunc(got, func(line string) bool {
					ours := strings.Contains(line, "wormbell")
					if ours {
						_, name, _ := strings.Cut(line, "/")
						kept = append(kept, strings.Fields(name)[0])
					}
					return ours
				})
				if d := cmp.Diff(kept, []string{"etc/wormbell", "etc/wormbell/config.toml", "var/lib/wormbell", "var/lib/wormbell/wormbell.db"}); d != "" {
					t.Errorf("kept (-got +want):\n%s", d)
				}
			}
			if d := cmp.Diff(got, before); d != "" {
				t.Errorf("not as before (-got +want):\n%s", d)
			}
			if g.running != "" || g.enabled || g.tray || g.trayRunning {
				t.Errorf("%+v", g)
			}
			if _, err := m.Uninstall(t.Context(), installer.Removal{}); !errors.Is(err, installer.ErrNotInstalled) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// TestUninstallSpares: what is not ours any more stays.
func TestUninstallSpares(t *testing.T) {
	t.Parallel()
	m, _ := machine(t)
	install(t, m, config(t, "good 1"))
	autostart := "etc/xdg/autostart/org.wormbell.Tray.desktop"
	m.Owner = func(_ context.Context, path string) (string, error) {
		if path == "/"+autostart {
			return "deb:wormbell-tray", nil
		}
		return "", nil
	}
	link := filepath.Join(m.Root, "usr/local/bin/wormbell")
	if err := errors.Join(os.Remove(link), os.Symlink("/etc/passwd", link)); err != nil {
		t.Fatal(err)
	}
	p, err := m.Uninstall(t.Context(), installer.Removal{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !exists(m, autostart) || !exists(m, "usr/local/bin/wormbell") || exists(m, "usr/local/bin/wormbelld") {
		t.Error(strings.Join(tree(t, m.Root), "\n"))
	}
}

// TestUninstallWithVaults: nobody's token is left where nothing hands it out.
func TestUninstallWithVaults(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	install(t, m, config(t, "good 1"))
	m.Vaults = func(context.Context) ([]installer.Vault, error) {
		return []installer.Vault{{User: "dev", Tokens: 2}}, nil
	}
	var vaults *installer.VaultsError
	if _, err := m.Uninstall(t.Context(), installer.Removal{}); !errors.As(err, &vaults) || vaults.Vaults[0].User != "dev" || g.running == "" {
		t.Errorf("%v", err)
	}
	if p, err := m.Uninstall(t.Context(), installer.Removal{LeaveVaults: true}); err != nil || p.Nothing() {
		t.Errorf("%v %v", p, err)
	}
}

func TestMain(m *testing.M) {
	if runtime.GOOS == "windows" {
		os.Exit(0)
	}
	os.Exit(m.Run())
}

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
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/installer"
)

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

// TestChangedSincePlanned: what is put is what the person was shown, whatever
// another program of theirs has put in its place.
func TestChangedSincePlanned(t *testing.T) {
	t.Parallel()
	m, g := machine(t)
	c := config(t, "good 1")
	p, err := m.Install(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Source, "wormbelld"), []byte("good evil"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Do(t.Context()); err != nil || g.running != "good 1" || g.read("/usr/local/bin/wormbelld") != "good 1" {
		t.Errorf("%q %v", g.running, err)
	}
	if want := fmt.Sprintf("wormbelld has the SHA-256 %x.", sha256.Sum256([]byte("good 1"))); !slices.Contains(p.Notes, want) {
		t.Errorf("notes %q, no %q", p.Notes, want)
	}
}

// TestWhoCouldHaveChanged: the plan says what is not known of the programs, and
// nothing of it when none is put.
func TestWhoCouldHaveChanged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: programs of somebody else's")
	}
	const could, proves = "Others than root could have changed the programs", "Nothing here proves who made them"
	for name, tc := range map[string]struct {
		change func(dir string) error
		could  bool
	}{
		"root's":         {func(string) error { return nil }, false},
		"a user's":       {func(dir string) error { return os.Chown(dir, 4001, 4001) }, true},
		"for all":        {func(dir string) error { return os.Chmod(dir, 0o777) }, true},
		"below a user's": {func(dir string) error { return os.Chown(filepath.Dir(dir), 4001, 4001) }, true},
		"a user's file":  {func(dir string) error { return os.Chown(filepath.Join(dir, "wormbell"), 4001, 4001) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := machine(t)
			c := config(t, "good 1")
			if err := tc.change(c.Source); err != nil {
				t.Fatal(err)
			}
			p := install(t, m, c)
			if all := strings.Join(p.Notes, "\n"); strings.Contains(all, could) != tc.could || !strings.Contains(all, proves) || strings.Count(all, "SHA-256") < 3 {
				t.Errorf("notes:\n%s", all)
			}
			if p, err := m.Install(t.Context(), c); err != nil || len(p.Notes) > 0 {
				t.Errorf("the second time: %q %v", p.Notes, err)
			}
		})
	}
}

// TestProgramsOfOneBuild: three programs that are not of one build are not put.
func TestProgramsOfOneBuild(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, text, says string }{
		"one of another version": {"wormbell", "cli of v2", `wormbelld is of version "v1", wormbell of "v2"`},
		"an exchanged one":       {"wormbell-tray", "cli of v1", `what is called wormbell-tray was built as "wormbell/cmd/wormbell"`},
		"no program":             {"wormbelld", "alien", "is no program of Wormbell's"},
		"a good one":             {"wormbell", "cli of v1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := machine(t)
			c := config(t, "good of v1")
			if err := os.WriteFile(filepath.Join(c.Source, tc.file), []byte(tc.text), 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Install(t.Context(), c); (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestOurPrograms: what the linker wrote into a real program is read.
func TestOurPrograms(t *testing.T) {
	t.Parallel()
	m, _ := machine(t)
	m.Build = nil
	c := config(t, "good 1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wormbelld", "wormbell", "wormbell-tray"} {
		if err := os.WriteFile(filepath.Join(c.Source, name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Install(t.Context(), c); err == nil || !strings.Contains(err.Error(), `what is called wormbelld was built as "wormbell/installer.test"`) {
		t.Errorf("%v", err)
	}
}

// TestHostilePrograms: what a person's folder holds instead of a program neither
// keeps root waiting nor leads it to another file.
func TestHostilePrograms(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"a link":   func(path string) error { return os.Symlink("/etc/passwd", path) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"a file without end": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o755), os.Truncate(path, 129<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := machine(t)
			c := config(t, "good 1")
			path := filepath.Join(c.Source, "wormbelld")
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Install(t.Context(), c); err == nil {
				t.Error("it is taken for a program")
			}
		})
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

//go:build unix

package installer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/installer"
)

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

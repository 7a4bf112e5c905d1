//go:build unix

package installer_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/installer"
	"wormbell/internal/decoy"
)

// TestUninstallWithDecoys: what users have planted goes, while somebody knows
// where it lies; what they have made of it stays.
func TestUninstallWithDecoys(t *testing.T) {
	t.Parallel()
	for _, purge := range []bool{false, true} {
		m, _ := machine(t)
		install(t, m, config(t, "good 1"))
		home := filepath.Join(m.Root, "home/dev")
		if err := os.MkdirAll(home, 0o700); err != nil {
			t.Fatal(err)
		}
		var list []wormbell.Decoy
		for _, p := range []string{"~/.npmrc.bak", "~/.aws/credentials.old", "~/.env.orig"} {
			put, err := decoy.Plant(home, p, []byte("text\n"), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, wormbell.Decoy{ID: p, User: "1000", Home: "/home/dev", Path: p, File: put.File, Made: put.Made})
		}
		state := filepath.Join(m.Root, m.State)
		if err := errors.Join(os.MkdirAll(state, 0o700), decoy.WriteList(state, list), os.WriteFile(filepath.Join(home, ".env.orig"), []byte("mine"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if p, err := m.Uninstall(t.Context(), installer.Removal{Purge: purge, LeaveDecoys: true}); err != nil || strings.Contains(strings.Join(p.Steps, "\n"), "ecoy") || !strings.Contains(strings.Join(p.Notes, "\n"), "The decoys in /home/dev stay") {
			t.Errorf("%+v, %v", p, err)
		}
		p, err := m.Uninstall(t.Context(), installer.Removal{Purge: purge})
		if err != nil || !strings.HasPrefix(p.Steps[0], "Remove the decoys in /home/dev") {
			t.Fatalf("%+v, %v", p, err)
		}
		if _, err := os.Lstat(filepath.Join(home, ".npmrc.bak")); err != nil {
			t.Errorf("planning removed it: %v", err)
		}
		if err := p.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(home + "/.*")
		if err != nil || len(left) != 1 || filepath.Base(left[0]) != ".env.orig" || !strings.Contains(strings.Join(p.Notes, "\n"), "~/.env.orig of /home/dev stays: it is no longer the file that was planted") {
			t.Errorf("left: %q, notes %q", left, p.Notes)
		}
		if _, err := os.Lstat(filepath.Join(state, decoy.ListName)); err == nil {
			t.Error("the list stays")
		}
	}
}

//go:build unix

package installer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/installer"
)

// TestLedElsewhere: whoever can change a folder below share leads root neither to
// write nor to remove a file somewhere else.
func TestLedElsewhere(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"at the installation": true, "at the removal": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := machine(t)
			victim := filepath.Join(m.Root, "usr/bin/wormbell")
			if err := os.WriteFile(victim, []byte("victim"), 0o755); err != nil {
				t.Fatal(err)
			}
			lead := func() {
				theirs := filepath.Join(m.Root, "usr/local/share/bash-completion")
				os.RemoveAll(theirs)
				if err := os.MkdirAll(theirs, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(theirs, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("../../../bin", filepath.Join(theirs, "completions")); err != nil {
					t.Fatal(err)
				}
			}
			c := config(t, "good 1")
			c.Share = []installer.File{{Path: "bash-completion/completions/wormbell", Data: []byte("completion")}}
			if before {
				lead()
			}
			plan := install(t, m, c)
			if before && !strings.Contains(strings.Join(plan.Notes, "\n"), "completions/wormbell is left out: others than root may write") {
				t.Errorf("it is not told: %q", plan.Notes)
			}
			if !before {
				lead()
			}
			plan, err := m.Uninstall(t.Context(), installer.Removal{})
			if err != nil {
				t.Fatal(err)
			}
			if err := plan.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(victim); string(b) != "victim" {
				t.Errorf("root was led to it: %q %v", b, err)
			}
		})
	}
}

// TestPrefixLedElsewhere: a link of root's to a folder of root's is not enough,
// if others can put another folder in its place.
func TestPrefixLedElsewhere(t *testing.T) {
	t.Parallel()
	m, _ := machine(t)
	theirs := filepath.Join(m.Root, "home/dev")
	if err := os.MkdirAll(filepath.Join(theirs, "w/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("home/dev/w", filepath.Join(m.Root, "w")); err != nil {
		t.Fatal(err)
	}
	c := config(t, "good 1")
	c.Prefix = "/w"
	if _, err := m.Install(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(theirs, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Install(t.Context(), c); err == nil || !strings.Contains(err.Error(), "others than root may write") {
		t.Errorf("programs go where others can replace them: %v", err)
	}
}

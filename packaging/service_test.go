package packaging_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"wormbell/packaging"
)

// directives returns the lines of a unit that say something, in their order.
func directives(t *testing.T, name string) (list []string) {
	t.Helper()
	b, err := fs.ReadFile(packaging.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		if key, _, ok := strings.Cut(line, "="); !ok || key != strings.TrimSpace(key) {
			t.Errorf("%s: %q is no directive", name, line)
		}
		list = append(list, line)
	}
	return list
}

// rows returns the first cells of a table of docs/service.md, and which of them
// have no second.
func rows(t *testing.T, title string) (list []string) {
	t.Helper()
	b, err := os.ReadFile("../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("docs/service.md has no part %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if cell, ok := strings.CutPrefix(line, "| `"); ok {
			cell, _, _ = strings.Cut(cell, "` |")
			list = append(list, cell)
		}
	}
	return list
}

// TestEveryLineHasItsReason: the page about the unit has each of its lines, as
// it is, and none that it has not.
func TestEveryLineHasItsReason(t *testing.T) {
	unit, page := directives(t, "systemd/wormbelld.service"), rows(t, "What the unit says")
	for _, d := range unit {
		if !slices.Contains(page, d) {
			t.Errorf("docs/service.md has no row for %s", d)
		}
	}
	for _, r := range page {
		if !slices.Contains(unit, r) {
			t.Errorf("docs/service.md explains %s, which the unit does not say", r)
		}
	}
}

// TestLeftOut: what would blind the agent or make openers wait is not there, and
// is explained.
func TestLeftOut(t *testing.T) {
	left := rows(t, "What is left out, and why")
	for _, want := range []string{"PrivateNetwork", "PrivateUsers", "ProtectHome", "PrivateTmp", "ProtectProc", "ProcSubset", "DynamicUser", "CPUQuota", "MemoryHigh"} {
		if !slices.Contains(left, want) {
			t.Errorf("docs/service.md does not say why %s is left out", want)
		}
	}
	for _, d := range directives(t, "systemd/wormbelld.service") {
		key, _, _ := strings.Cut(d, "=")
		if slices.Contains(left, key) {
			t.Errorf("docs/service.md says that %s is left out, and the unit has %s", key, d)
		}
	}
}

// TestCapabilities: each one that is left has a reason, and no other.
func TestCapabilities(t *testing.T) {
	for _, d := range directives(t, "systemd/wormbelld.service") {
		if set, ok := strings.CutPrefix(d, "CapabilityBoundingSet="); ok {
			got, want := strings.Fields(set), rows(t, "The capabilities")
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("the unit has %q, docs/service.md explains %q", got, want)
			}
			return
		}
	}
	t.Error("the unit does not bound its capabilities")
}

// TestTrayUnit: it gives up at some time, and is not kept from opening a browser.
func TestTrayUnit(t *testing.T) {
	unit := directives(t, "systemd/wormbell-tray.service")
	for _, want := range []string{"ExecStart=/usr/bin/wormbell-tray", "Restart=on-failure", "StartLimitBurst=10"} {
		if !slices.Contains(unit, want) {
			t.Errorf("the tray's unit has no %s", want)
		}
	}
	for _, d := range unit {
		for _, bad := range []string{"Private", "Protect", "Restrict", "SystemCall", "NoNewPrivileges", "MemoryDeny", "ConditionEnvironment"} {
			if strings.HasPrefix(d, bad) {
				t.Errorf("%s: a browser that the tray opens could not start", d)
			}
		}
	}
}

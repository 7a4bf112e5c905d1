package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"wormbell"
	"wormbell/agent/respond"
)

// TestDemonstrationExposesNothing: what a demonstration has read in its scratch
// home says nothing about the person's own file of that name.
func TestDemonstrationExposesNothing(t *testing.T) {
	t.Parallel()
	token := respond.Token{ID: "npm:registry.example.com", Kind: "npm", Places: []respond.Place{{Path: "~/.npmrc"}}}
	real, demo := theft(), theft()
	demo.ID, demo.Demo = "demo2345", true
	if got := exposedBy([]wormbell.Alert{real, demo}, token); len(got) != 1 || got[0] != real.ID {
		t.Errorf("it is said to be exposed by %q, want %q alone", got, real.ID)
	}
}

// TestManifestChangeIsSaidInFull: what became different is the point of the
// line, so it is not what a narrow terminal loses.
func TestManifestChangeIsSaidInFull(t *testing.T) {
	t.Parallel()
	a := farm()
	e := &a.Findings[0].Evidence[0]
	e.Path, e.Was.Name = "~/projects/a-long-name-of-a-folder/menu-app/package.json", "menu-app"
	for _, w := range []int{80, 100} {
		got := strings.Join(strings.Fields(draw(w, a)), " ")
		if want := `changed ~/projects/a-long-name-of-a-folder/menu-app/package.json: "private" removed, menu-app → zul-tapai9-kyuki, 1.0.0 → 4.1.7`; !strings.Contains(got, want) {
			t.Errorf("at %d columns it is not said that %s:\n%s", w, want, draw(w, a))
		}
	}
}

// TestTreeIsInOrder: what a process started stands in the order in which it was
// started, whichever finding names it first.
func TestTreeIsInOrder(t *testing.T) {
	t.Parallel()
	a := farm()
	f := &a.Findings[0]
	f.Evidence = f.Evidence[:5]
	f.Evidence[1], f.Evidence[4] = f.Evidence[4], f.Evidence[1]
	got := draw(100, a)
	at := 0
	for _, pid := range []string{"pid 5001", "pid 5002", "pid 5003", "pid 5004"} {
		i := strings.Index(got, pid)
		if i < at {
			t.Fatalf("%s is not where it belongs:\n%s", pid, got)
		}
		at = i
	}
}

// TestRootFindsTheProgram: sudo does not look into the person's PATH, so a hint
// says where the program lies if that is nowhere that sudo looks.
func TestRootFindsTheProgram(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ self, text, want string }{
		{"/usr/bin/wormbell", "'sudo wormbell install' installs it", "'sudo wormbell install' installs it"},
		{"/usr/local/bin/wormbell", "'sudo wormbell install'", "'sudo wormbell install'"},
		{"/home/dev/wormbell/bin/wormbell", "'sudo wormbell install' installs it; 'wormbell status'", "'sudo /home/dev/wormbell/bin/wormbell install' installs it; 'wormbell status'"},
		{"/home/dev/my tools/wormbell", "'sudo wormbell run'", "'sudo wormbell run'"}, // it would need quotes within quotes
		{"", "'sudo wormbell run'", "'sudo wormbell run'"},
		{"/home/dev/bin/other", "'sudo wormbell run'", "'sudo wormbell run'"}, // a test, or a program of another name
		{"/home/dev/bin/wormbell", "'sudo wormbelld --check'", "'sudo wormbelld --check'"},
	} {
		if got := asRoot(tt.self, tt.text); got != tt.want {
			t.Errorf("of %q beside %q it makes %q, want %q", tt.text, filepath.Dir(tt.self), got, tt.want)
		}
	}
}

// TestWhichAlert: who forgets the ID is told where it stands.
func TestWhichAlert(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"alert", "show"}, {"alert", "freeze"}, {"alert", "close", "a", "b"}, {"alert", "trust"}, {"respond"}} {
		_, errs, status := wormbellRun(t, sample(), args...)
		if status != exitCannot || !strings.Contains(errs, "it wants the ID of one alert") || !strings.Contains(errs, "hint: 'wormbell alerts' lists them") {
			t.Errorf("wormbell %q: exit %d, %s", args, status, errs)
		}
	}
}

// TestStatusOfNo: a plan that was not agreed to is not done, and the exit status
// says so (docs/respond.md).
func TestStatusOfNo(t *testing.T) {
	t.Parallel()
	if err := agreed(true); err != nil {
		t.Error(err)
	}
	if err := agreed(false); err == nil || err.Error() != "nothing was done: you did not agree to the plan" {
		t.Errorf("it says %v", err)
	}
}

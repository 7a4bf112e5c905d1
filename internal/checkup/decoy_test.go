package checkup_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"wormbell/internal/checkup"
)

// TestPlantedDecoys: a decoy is told as one, is no risk and stays closed. Where one
// may lie that we were not told of, nothing is opened that was not announced.
func TestPlantedDecoys(t *testing.T) {
	t.Parallel()
	text := "NPM_TOKEN=" + (&decoys{rng: rand.New(rand.NewPCG(1, 2))}).summed("npm_") + "\n"
	m := newMachine(t)
	m.write("~/.env.bak", text)
	var announced []string
	m.config.Announce = func(_ context.Context, files []string) error { announced = append(announced, files...); return nil }
	if risks := found(m.run(), checkup.Risk); !has(risks, "env ~/.env.bak: npm access token") {
		t.Errorf("without a decoy: %q", risks)
	}
	if !slices.Contains(announced, "~/.env.bak") {
		t.Errorf("it was opened and not announced: %q", announced)
	}
	announced = nil
	m.config.Decoys = []string{"~/.env.bak", "~/.npmrc.old"}
	r := m.run()
	if risks := strings.Join(found(r, checkup.Risk), "\n"); strings.Contains(risks, ".env.bak") {
		t.Errorf("a decoy is a risk:\n%s", risks)
	}
	if fine := found(r, checkup.Fine); !has(fine, "decoy ~/.env.bak") || !has(fine, "decoy ~/.npmrc.old") {
		t.Errorf("the decoys are not told: %q", fine)
	}
	if slices.Contains(announced, "~/.env.bak") {
		t.Error("a decoy was going to be opened")
	}
}

package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestChoose(t *testing.T) {
	all, err := choose(nil)
	if err != nil || len(all) != len(figures) {
		t.Errorf("choose(nil) = %d figures, %v; want all %d", len(all), err, len(figures))
	}
	seen := map[string]bool{}
	for _, n := range names() {
		got, err := choose([]string{n})
		if err != nil || len(got) != 1 || got[0].name != n || seen[n] {
			t.Errorf("choose(%q) = %v, %v; want that one, named once", n, got, err)
		}
		seen[n] = true
	}
	if _, err := choose([]string{"open", "speed"}); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "idle") {
		t.Errorf("an unknown name: %v, want an error that lists the known ones", err)
	}
}

// TestVerdict: what could not be measured is never shown as met or not met.
func TestVerdict(t *testing.T) {
	for want, r := range map[string]row{
		"met":             {what: "w", reach: "≤ 1", reached: "0.5", met: true},
		"not met":         {what: "w", reach: "≤ 1", reached: "2"},
		"not measured":    {what: "w", reach: "≤ 1", met: true, note: "no npm"},
		"for information": {what: "w", reached: "2"},
	} {
		if got := r.verdict(); got != want {
			t.Errorf("verdict of %+v = %q, want %q", r, got, want)
		}
	}
}

func TestPage(t *testing.T) {
	done := []measured{
		{figures[0], []row{{what: "a|b", reach: "≤ 1", reached: "0.5", met: true, note: "beside it 0.4"}}},
		{figures[1], []row{{what: "c", note: "no npm"}}},
	}
	m := machine{system: "linux", kernel: "6.1", arch: "amd64", cores: 2, memory: "8 GiB", fileSystem: "ext4", load: "0.1", npm: "no npm"}
	got := page(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC), m, false, done)
	for _, want := range []string{"2026-11-22", "2 cores", "ext4", `| a\|b | ≤ 1 | 0.5 | met |`, "| c | – | – | not measured |",
		"-only " + figures[0].name, "a|b: beside it 0.4", "c: no npm"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	if sum := summary(done); !strings.Contains(sum, "1 figures met, 0 not met, 1 not measured") || !strings.Contains(sum, "no npm") {
		t.Errorf("summary = %q", sum)
	}
}

func TestField(t *testing.T) {
	const status = "Name:\tx\nVmRSS:\t    7340 kB\nRssAnon:\t 12 kB\n"
	if got := field(status, "VmRSS:"); got != 7340 {
		t.Errorf("VmRSS = %d, want 7340", got)
	}
	if got := field(status, "Pss:"); got != 0 {
		t.Errorf("a key that is not there = %d, want 0", got)
	}
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChoose(t *testing.T) {
	all, err := choose(nil)
	if err != nil || len(all) != len(figures)-2 || slices.ContainsFunc(all, func(f figure) bool { return f.hours }) {
		t.Errorf("choose(nil) = %d figures of %d, %v; want all but two that take hours", len(all), len(figures), err)
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
		"met":             {What: "w", Reach: "≤ 1", Reached: "0.5", Met: true},
		"not met":         {What: "w", Reach: "≤ 1", Reached: "2"},
		"not measured":    {What: "w", Reach: "≤ 1", Met: true, Note: "no npm"},
		"for information": {What: "w", Reached: "2"},
	} {
		if got := r.verdict(); got != want {
			t.Errorf("verdict of %+v = %q, want %q", r, got, want)
		}
	}
}

func TestPage(t *testing.T) {
	done := []measured{
		{figures[0], "0.1", []row{{What: "a|b", Reach: "≤ 1", Reached: "0.5", Met: true, Note: "beside it 0.4"}}},
		{figures[1], "", []row{{What: "c", Note: "no npm"}}},
	}
	m := machine{system: "linux", kernel: "6.1", arch: "amd64", cores: 2, memory: "8 GiB", fileSystem: "ext4", npm: "no npm"}
	got := page(results{}.with(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC), m, false, done))
	for _, want := range []string{"2026-11-22, load 0.1", "load unknown", "Machine: 2 cores", "ext4", `| a\|b | ≤ 1 | 0.5 | met |`, "| c | – | – | not measured |",
		"-only " + figures[0].name, "a|b: beside it 0.4", "c: no npm"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	if sum := summary(done); !strings.Contains(sum, "1 figures met, 0 not met, 1 not measured") || !strings.Contains(sum, "no npm") {
		t.Errorf("summary = %q", sum)
	}
}

// A figure that is measured by itself takes the place of its old rows, wherever it
// stands, and of no other's.
func TestMeasuredAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	none, err := readResults(file)
	if err != nil || len(none.Results) != 0 {
		t.Fatalf("a file that is not there holds %v, %v", none, err)
	}
	day := func(n int) time.Time { return time.Date(2026, 11, n, 1, 0, 0, 0, time.UTC) }
	of := func(i int, reached string) measured {
		return measured{figures[i], "1.5", []row{{What: "w" + figures[i].name, Reach: "≤ 1", Reached: reached, Note: "note=" + reached}}}
	}
	m := machine{system: "linux", kernel: "6.1", cores: 2}
	old := machine{system: "linux", kernel: "5.15", cores: 4}
	first := none.with(day(20), old, true, []measured{of(0, "a"), of(1, "b"), of(2, "c")})
	first.Results = append(first.Results, result{Figure: "no more", Rows: []row{{What: "gone"}}})
	if err := first.write(file); err != nil {
		t.Fatal(err)
	}
	before, err := readResults(file)
	if err != nil {
		t.Fatal(err)
	}
	after := before.with(day(21), m, false, []measured{of(1, "d")})
	if len(after.Results) != 3 || after.Results[0].Rows[0].Reached != "a" || after.Results[1].Rows[0].Reached != "d" || after.Results[2].Taken != "2026-11-20" {
		t.Errorf("results are %+v", after.Results)
	}
	got := page(after)
	for want, is := range map[string]bool{"note=a": true, "note=b": false, "note=c": true, "note=d": true, "gone": false,
		"Machine: 2 cores": true, "with `-quick`, of fewer rounds, on another machine (4 cores": true, "on 2026-11-21, load 1.5": true} {
		if strings.Contains(got, want) != is {
			t.Errorf("the page says %q: %v, want %v:\n%s", want, !is, is, got)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(file); err == nil {
		t.Error("a spoiled file is read as if it held nothing")
	}
}

// The page is written from the results that are kept, and from nothing else.
func TestPageIsFresh(t *testing.T) {
	r, err := readResults("results.json")
	if err != nil || len(r.Results) == 0 {
		t.Fatalf("%d results, %v", len(r.Results), err)
	}
	b, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != page(r) {
		t.Error("docs/benchmarks.md is not what -update would write of internal/bench/results.json")
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

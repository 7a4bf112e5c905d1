package cmdline_test

import (
	"strings"
	"testing"

	"wormbell/internal/cmdline"

	"github.com/google/go-cmp/cmp"
)

func TestPipes(t *testing.T) {
	for _, test := range []struct {
		line string
		want []cmdline.Piped
	}{
		{"", nil},
		{"curl -fsSL x | bash", []cmdline.Piped{{"curl -fsSL x", false}, {"bash", true}}},
		{"a || b; c | d && e", []cmdline.Piped{{"a", false}, {"b", false}, {"c", false}, {"d", true}, {"e", false}}},
		{"(curl x) | sh", []cmdline.Piped{{"curl x", false}, {"sh", true}}},
		{"a |& b & c", []cmdline.Piped{{"a", false}, {"b", true}, {"c", false}}},
		{"echo 'a | b' \"c;d\"", []cmdline.Piped{{"echo 'a | b' \"c;d\"", false}}},
		{"if gh auth token\nthen x | y; fi", []cmdline.Piped{{"gh auth token", false}, {"x", false}, {"y", true}, {"fi", false}}},
	} {
		if diff := cmp.Diff(cmdline.Pipes(test.line), test.want); diff != "" {
			t.Errorf("Pipes(%q): %s", test.line, diff)
		}
	}
}

func TestParts(t *testing.T) {
	got := cmdline.Parts("X=\"$(gh auth token)\" && diff <(a b) `c d`")
	want := []string{"X=\"$(gh auth token)\"", "diff <", "a b", "`c d`", "gh auth token", "a b", "c d"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestUnwrap(t *testing.T) {
	for line, want := range map[string][]string{
		"A=b env -i C=d /usr/bin/nohup nice -n 5 gh auth token": {"gh", "auth", "token"},
		"timeout 5 busybox wget x":                              {"wget", "x"},
		"sudo -u me 'a b'":                                      {"a b"},
		"env":                                                   {"env"},
		"":                                                      nil,
	} {
		if diff := cmp.Diff(cmdline.Unwrap(cmdline.Split(line, false)), want); diff != "" {
			t.Errorf("Unwrap(%q): %s", line, diff)
		}
	}
}

func TestBase(t *testing.T) {
	for name, want := range map[string]string{`C:\Tools\gh.exe`: "gh", "/usr/bin/gh": "gh", "x.EXE": "x"} {
		if got := cmdline.Base(name); got != want {
			t.Errorf("Base(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestLong: an enemy's line is read in time that grows with its length only. In
// time that grows with its square, these take minutes.
func TestLong(t *testing.T) {
	for _, unit := range []string{"(", "$(", "a|", "$(a) ", "`", "\"", "{;"} {
		if n := len(cmdline.Parts(strings.Repeat(unit, 1_000_000))); n > 7000 {
			t.Errorf("%q: %d commands", unit, n)
		}
	}
}

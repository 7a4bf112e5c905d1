package docs

import (
	"strings"
	"testing"
)

// TestDiffer: what differs is seen, and what only varies is not.
func TestDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"a\nb", "a\nb", true}, {"a\nb", "a", false}, {"a", "a\nb", false}, {"a\nc", "a\nb", false},
		{"a\n…\nc", "a\nb\nb\nc", true}, {"a\n…", "a\nb", true}, {"…\nc\nd", "a\nc\ne", false}, {"a\n…\nc", "a\nb", false},
		{"pid 12 read", "pid 3456 read", true}, {"pid 12 read", "pid 12 wrote", false},
		{"open · Sun 22 Nov 01:02:52 · 4 findings", "open · Mon 3 Jan 11:12:13 · 4 findings", true},
		{"open · Sun 22 Nov 01:02:52 · 4 findings", "open · Mon 3 Jan 11:12:13 · 5 findings", false},
		{"within 1 s: x", "within 20 ms: x", true}, {"  wormbell respond zgtscutg     replace", "  wormbell respond zgtscutg  replace", true},
		{"two packages were read", "two programs were read", false}, {"bash  pid 1", "bash --norc --noprofile -i  pid 2", true},
		{"read …", "read a lot", true}, {"read …", "wrote a lot", false},
	} {
		if fault := Differ(strings.Split(c.want, "\n"), strings.Split(c.got, "\n")); (fault == "") != c.same {
			t.Errorf("%q and %q: %q", c.want, c.got, fault)
		}
	}
}

package ancestry

import (
	"slices"
	"testing"

	"wormbell"
)

func TestTyped(t *testing.T) {
	for _, c := range []struct {
		name string
		p    *wormbell.Process
		want []string
	}{
		{"nothing is known", nil, []string{"an unknown process"}},
		{"without arguments", &wormbell.Process{Exe: "/usr/bin/node"}, []string{"node"}},
		{"a login shell", &wormbell.Process{Exe: "/bin/bash", Args: []string{"-bash", "-i"}}, []string{"bash", "-i"}},
		{"npm", &wormbell.Process{Exe: "/usr/bin/node", Script: "/usr/lib/node_modules/npm/bin/npm-cli.js", Signer: "deb:nodejs",
			Args: []string{"node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "ci", "--force"}}, []string{"npm", "ci", "--force"}},
		{"a script after the interpreter's flags", &wormbell.Process{Exe: "/usr/bin/node", Script: "/home/u/x/collect.js",
			Args: []string{"/usr/bin/node", "--no-warnings", "../x/collect.js", "a b"}}, []string{"node", "--no-warnings", "collect.js", "a b"}},
	} {
		if got := Typed(c.p); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

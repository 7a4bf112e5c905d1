package ancestry

import (
	"slices"

	"wormbell"
)

// maxAbove is how many ancestors are shown above a process that no dependency
// and no interactive shell is above: a build server's tree can be deep.
const maxAbove = 4

// Top is where the picture of p's ancestry begins: the package manager that ran
// the dependency's script, else what p was started from, at most maxAbove up.
// The interactive shell above is shown too: that is where a person sits.
func Top(p *wormbell.Process) *wormbell.Process {
	t := p
	if d := Dependency(p); d != nil {
		t = d
		for a := range d.Parent.Chain {
			if Boundary(a) || !NamedInstaller(a) && !Shell(a) {
				break
			}
			if NamedInstaller(a) {
				t = a
			}
		}
	} else {
		for range maxAbove {
			if t.Parent == nil || Boundary(t.Parent) || t.Parent.Exe == "" {
				break // not learned: an older process of another user
			}
			t = t.Parent
		}
	}
	if Interactive(t.Parent) {
		return t.Parent
	}
	return t
}

// Plumbing reports whether p is the shell that an installer runs a script
// through: `sh -c "node x.js"`, of which its child says all.
func Plumbing(p *wormbell.Process) bool {
	return Shell(p) && p.Script == "" && len(p.Args) > 1 && slices.Contains(p.Args[1:min(3, len(p.Args))], "-c")
}

package ancestry

import "wormbell"

// Hosted reports whether p's work hangs below a shell that a person types at or
// below an IDE, also in the background and detached from it: somebody may have
// asked for it. It is for how loudly to tell of something, and grants nothing:
// what a person started need not do what the person wants.
func Hosted(p *wormbell.Process) bool {
	for a := range p.Chain {
		switch {
		case host(a, ides) || ideServer(a):
			return true
		case Interactive(a):
			return UnvouchedScript(a) == nil // else a script made the terminal for itself
		case Boundary(a) && !host(a, terminals):
			return false
		}
	}
	return false
}

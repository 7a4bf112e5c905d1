package ancestry

import "wormbell"

// Directly reports whether a person started p: typed its name at a shell, or
// that of a program that somebody vouches for and that is all there is between
// (`env X=1 tool`, `time tool`, `sh -c tool`). p itself need not be vouched
// for. What a script of the person's starts, or a package manager, the person
// did not start, although they started that.
func Directly(p *wormbell.Process) bool {
	if p == nil || p.Replaced != "" { // else another program was typed, which became p
		return false
	}
	for a := range p.Chain {
		if a != p && (a.Signer == "" || a.Replaced != "" || NamedInstaller(a) || LoadsCode(a)) {
			return false
		}
		if Person(a, nil) {
			return true
		}
	}
	return false
}

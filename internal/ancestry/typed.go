package ancestry

import (
	"path"
	"slices"
	"strings"

	"wormbell"
)

// Typed returns the words of p's command line as a person would have typed
// them: the program and the script without their folders, and npm instead of
// node's npm-cli.js. The arguments are as of exec. It is at least p's name.
func Typed(p *wormbell.Process) []string {
	if p == nil || len(p.Args) == 0 {
		return []string{p.Name()}
	}
	words := []string{path.Base(strings.TrimPrefix(p.Args[0], "-"))} // "-bash" is a login shell's
	rest := p.Args[1:]
	if i := slices.IndexFunc(rest, func(a string) bool { return p.Script != "" && path.Base(a) == path.Base(p.Script) }); i >= 0 {
		name := path.Base(p.Script)
		if Installer(p) {
			words = []string{strings.TrimSuffix(name, "-cli.js")}
		} else {
			words = append(append(words, rest[:i]...), name)
		}
		rest = rest[i+1:]
	}
	return append(words, rest...)
}

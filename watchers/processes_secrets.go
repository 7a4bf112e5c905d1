package watchers

import (
	"slices"

	"wormbell/internal/mask"
	"wormbell/watchers/internal/procs"
)

// nameSecrets keeps the names of e's variables that seem to hold a secret: a
// token that a thief finds there opens no file. Most are what a person's shell
// has exported and are the same for all that run below it: one copy does.
func (r *run) nameSecrets(e *procs.Env) {
	names := slices.DeleteFunc(e.Secrets(), func(name string) bool {
		masked, _ := mask.Line(name)
		return masked != name // somebody made a secret the name
	})
	if r.parent != nil && slices.Equal(r.parent.img.secrets, names) {
		names = r.parent.img.secrets
	}
	r.img.secrets = names
}

package vault

import (
	"errors"
	"fmt"
	"os"
)

// ErrScript is wrapped by errors that say that a package's script asks, or
// something that one started.
var ErrScript = errors.New("a package's script asks")

// variables are what npm, pnpm, yarn and bun put into the environment of the
// scripts that they run.
var variables = []string{"npm_lifecycle_event", "npm_lifecycle_script"}

// Caller reports by an error that wraps ErrScript that this process descends from
// a package's script, as far as that can be seen: by what the package manager put
// into the environments of this process and of those above it, as of their start.
//
// It is a hint and no guard. A script that leaves the tree (a double fork) shows
// nothing of it, and whoever may run this program may also read what it reads. The
// agent, where it runs, knows the tree from the beginning.
func Caller() error {
	for _, name := range variables {
		if v, ok := os.LookupEnv(name); ok {
			return fmt.Errorf("%w: %s=%s stands in the environment", ErrScript, name, short(v))
		}
	}
	return above()
}

func short(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", s)
}

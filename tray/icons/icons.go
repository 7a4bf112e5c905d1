// Package icons holds the tray's icons as the systems want them. They are made
// by `make generate` from the drawings in its folder svg; see package
// tray/icons/draw.
package icons

import (
	"fmt"
	"io/fs"
)

// name of the file of a state, "quiet", "paused", "less", "absent", "alert-paused"
// or "alert", and of how many alerts are open. Ten and more are "9+".
func name(state string, count int) string {
	switch {
	case state != "alert":
		return state
	case count > 9:
		return "alert-9plus"
	}
	return fmt.Sprintf("alert-%d", max(1, count))
}

// load reads an embedded file.
func load(files fs.ReadFileFS, file string) ([]byte, error) {
	b, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load icon: %w", err)
	}
	return b, nil
}

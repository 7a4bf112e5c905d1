package icons

import "embed"

//go:embed ico/*.ico
var files embed.FS

// For returns the icon file, which holds all sizes.
func For(state string, count, _ int) ([]byte, error) {
	return load(files, "ico/"+name(state, count)+".ico")
}

// Template reports whether the system gives icons their colour.
const Template = false

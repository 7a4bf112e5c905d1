package icons

import "embed"

//go:embed template/*.png
var files embed.FS

// For returns the icon: a template image, whose colour is the menu bar's.
func For(state string, count, _ int) ([]byte, error) {
	return load(files, "template/"+name(state, count)+".png")
}

// Template reports that the system gives icons their colour.
const Template = true

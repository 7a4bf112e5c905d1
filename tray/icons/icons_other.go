//go:build !darwin && !windows

package icons

import (
	"embed"
	"fmt"
)

//go:embed png/*-22.png png/*-44.png
var files embed.FS

// For returns the icon: a PNG of 22 pixels, the size of panels, or of twice
// that for screens of twice the resolution.
func For(state string, count int, double bool) ([]byte, error) {
	size := 22
	if double {
		size = 44
	}
	return load(files, fmt.Sprintf("png/%s-%d.png", name(state, count), size))
}

// Template reports whether the system gives icons their colour.
const Template = false

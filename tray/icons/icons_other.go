//go:build !darwin && !windows

package icons

import (
	"embed"
	"fmt"
)

//go:embed png/*.png
var files embed.FS

// For returns the icon: a PNG of 16, 22, 32 or 44 pixels.
func For(state string, count, size int) ([]byte, error) {
	return load(files, fmt.Sprintf("png/%s-%d.png", name(state, count), size))
}

// Template reports whether the system gives icons their colour.
const Template = false

//go:build !darwin && !windows

package icons

import (
	"embed"
	"fmt"
)

//go:embed png/*.png notice/*.png
var files embed.FS

// For returns the icon: a PNG of 16, 22, 32 or 44 pixels.
func For(state string, count, size int) ([]byte, error) {
	return load(files, fmt.Sprintf("png/%s-%d.png", name(state, count), size))
}

// Notice returns the picture of a notification, a PNG of 96 pixels, of a state
// "alert", "quiet", "paused" or "absent".
func Notice(state string) ([]byte, error) { return load(files, "notice/"+state+".png") }

// Template reports whether the system gives icons their colour.
const Template = false

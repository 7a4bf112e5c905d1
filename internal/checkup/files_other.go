//go:build !unix

package checkup

import (
	"errors"
	"io/fs"
	"os"
)

const (
	openSafely = 0
	openFolder = 0
)

// errNotFolder is nothing that this system says.
var errNotFolder = errors.New("not a folder")

// modes say nothing here; access lists are not looked at.
const modes = false

// groupOf: there are no gids here.
func groupOf(fs.FileInfo) int { return -1 }

// ownedBy: temporary folders are the user's own here.
func ownedBy(fs.FileInfo, int) bool { return true }

// listing is the folder itself: nothing is known here that makes a list wait.
func listing(d *os.File, path string) (*os.File, error) { return os.Open(path) }

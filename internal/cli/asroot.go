package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sudoPath is where sudo looks for programs, whatever the person's PATH says
// (secure_path in sudoers(5), as the distributions have it).
var sudoPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// plainPath is a path that needs no quotes in a shell.
var plainPath = regexp.MustCompile(`^[\w./+@-]+$`)

// asRoot makes "sudo wormbell …" in a hint name the program self, where sudo
// would not find it: one that was built and not installed.
func asRoot(self, text string) string {
	if filepath.Base(self) != "wormbell" || slices.Contains(sudoPath, filepath.Dir(self)) || !plainPath.MatchString(self) {
		return text
	}
	return strings.ReplaceAll(text, "sudo wormbell ", "sudo "+self+" ")
}

// hinted is asRoot for the program that runs.
func hinted(text string) string {
	self, err := os.Executable()
	if err != nil {
		return text
	}
	return asRoot(self, text)
}

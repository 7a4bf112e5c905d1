package notify

import (
	"strings"

	"wormbell"
	"wormbell/internal/plain"
)

// osascript is the program that shows notices on macOS, where only a signed
// application in a bundle has buttons.
const osascript = "/usr/bin/osascript"

// The texts come to the script as arguments: within it they would be code.
const (
	showQuietly = `display notification (item 2 of argv) with title (item 1 of argv)`
	showAloud   = showQuietly + ` sound name "Sosumi"`
)

// appleScript returns the arguments with which osascript shows a notice.
func appleScript(n Notice, body string) []string {
	show := showAloud
	if n.Severity <= wormbell.Medium {
		show = showQuietly
	}
	return []string{"-e", "on run argv", "-e", show, "-e", "end run", argument(n.Title), argument(body)}
}

// argument makes text one that is not taken for an option.
func argument(s string) string {
	if s = plain.Text(s); s == "" || strings.HasPrefix(s, "-") {
		return " " + s
	}
	return s
}

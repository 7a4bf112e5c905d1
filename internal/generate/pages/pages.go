// Package pages knows which pages of docs are made from the code, and how.
package pages

import (
	"wormbell/agent/detect"
	"wormbell/agent/respond"
	"wormbell/agent/settings"
	"wormbell/internal/cli"
)

// All returns the generated pages: their text by file name, from the top of
// the repository.
func All() map[string]string {
	all := map[string]string{
		"docs/commands.md":  cli.Markdown(),
		"docs/config.md":    settings.Markdown(),
		"docs/detectors.md": detect.Markdown(),
		"docs/tokens.md":    respond.Markdown(),
	}
	for name, text := range detect.Pages() {
		all["docs/detectors/"+name] = text
	}
	return all
}

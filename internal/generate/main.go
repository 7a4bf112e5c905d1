// Command generate writes the pages of docs that are made from the code, and
// the tray's icons, which are made from drawings. It is run by `make generate`;
// tests say when they are stale.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"wormbell/internal/generate/pages"
	"wormbell/tray/icons/draw"
)

func main() {
	files := map[string][]byte{}
	for file, text := range pages.All() {
		files[file] = []byte(text)
	}
	const icons = "tray/icons"
	drawn, err := draw.All(icons)
	if err != nil {
		fail(err)
	}
	for file, image := range drawn {
		files[filepath.Join(icons, file)] = image
	}
	for file, text := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			fail(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

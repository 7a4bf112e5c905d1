// Command generate writes the pages of docs that are made from the code. It is
// run by `make generate`; a test of the repository says when they are stale.
package main

import (
	"fmt"
	"os"

	"wormbell/internal/generate/pages"
)

func main() {
	for file, text := range pages.All() {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

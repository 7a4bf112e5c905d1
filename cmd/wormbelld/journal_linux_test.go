package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// streamOf is what the service manager would say of f, as another program knows it.
func streamOf(t *testing.T, f *os.File) string {
	out, err := exec.Command("stat", "-c", "%d:%i", f.Name()).Output()
	if err != nil {
		t.Skipf("needs stat(1): %v", err)
	}
	return strings.TrimSpace(string(out))
}

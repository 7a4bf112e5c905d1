package execring

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestObjectIsOfItsSource makes the object once more, by the commands that
// stand in execring.go for `make bpf`.
func TestObjectIsOfItsSource(t *testing.T) {
	source, err := os.ReadFile("execring.go")
	if err != nil {
		t.Fatal(err)
	}
	dir, made := t.TempDir(), 0
	text, err := os.ReadFile("exec.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "exec.bpf.c"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(source)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate ")
		if !ok {
			continue
		}
		args := strings.Fields(line)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skip("needs what makes the object: ", err)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		made++
	}
	got, err := os.ReadFile(filepath.Join(dir, "exec.bpf.o"))
	if err != nil || made != 2 {
		t.Fatalf("%d commands: %v", made, err)
	}
	want, err := os.ReadFile("exec.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("exec.bpf.o is not what exec.bpf.c gives; `make bpf` makes it")
	}
}

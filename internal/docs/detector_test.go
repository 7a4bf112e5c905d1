package docs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// copied returns a copy of the repository as git has it, with what is not
// committed yet.
func copied(t *testing.T) string {
	t.Helper()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range strings.Fields("*.go go.mod go.sum Makefile .ci agent cmd docs installer internal packaging tray watchers") {
		found, err := filepath.Glob(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range found {
			to := filepath.Join(dir, filepath.Base(from))
			if info, err := os.Stat(from); err != nil {
				t.Fatal(err)
			} else if info.IsDir() {
				err = os.CopyFS(to, os.DirFS(from))
				if err != nil {
					t.Fatal(err)
				}
				continue
			}
			b, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// shell runs a line in dir and returns what it printed.
func shell(t *testing.T, dir, line string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestWriteADetector follows docs/write-a-detector.md: what it says to write is
// written into a copy of the repository, what it says to type is typed, and the
// detector does what the page says of it.
func TestWriteADetector(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a minute: it builds the agent anew, in another folder")
	}
	dir := copied(t)
	b, err := os.ReadFile(filepath.Join(dir, "docs/write-a-detector.md"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("docs/write-a-detector.md", string(b))
	if err != nil {
		t.Fatal(err)
	}
	pieces, commands := p.Pieces(), p.Commands()
	if len(pieces) != 6 || len(commands) < 6 {
		t.Fatalf("the page has %d pieces of code and %d commands", len(pieces), len(commands))
	}
	for _, c := range pieces {
		if err := c.Put(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range commands {
		out, err := shell(t, dir, c.Text)
		if err != nil {
			t.Fatalf("%s:%d: %s: %v\n%s", c.Page, c.Line, c.Text, err, out)
		}
		if fault := Differ(c.Output, strings.Split(strings.TrimRight(out, "\n"), "\n")); c.Shows && fault != "" {
			t.Errorf("%s:%d: %s\n%s\nit printed\n%s", c.Page, c.Line, c.Text, fault, out)
		}
	}
	made, err := os.ReadFile(filepath.Join(dir, "docs/detectors/clipboard-by-install-script.md"))
	if err != nil || !strings.Contains(string(made), "# clipboard-by-install-script") {
		t.Errorf("the detector has no page (%v)", err)
	}

	// What the page says of seeing it fail.
	const file, guard = "agent/detect/clipboard-by-install-script.go", "script == nil || "
	b, err = os.ReadFile(filepath.Join(dir, file))
	if err != nil || strings.Count(string(b), guard) != 1 || !strings.Contains(strings.Join(p.Lines, "\n"), "Take `script == nil ||` away") {
		t.Fatalf("the page says what to take away, and it is not there (%v)", err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.Replace(string(b), guard, "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := shell(t, dir, "go test ./agent/detect -run TestScenes"); err == nil || !strings.Contains(out, "clipboard-by-install-script") {
		t.Errorf("without its condition the detector passes its tests\n%s", out)
	} else {
		t.Logf("without its condition:\n%s", out)
	}
}

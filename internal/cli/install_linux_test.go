package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"wormbell/internal/executable"
)

// TestFirstLook: the checkup runs as the person behind sudo, with that person's
// rights, and nothing of root's environment.
func TestFirstLook(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it becomes another user")
	}
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode().Perm()&0o001 == 0 && strings.HasPrefix(d, os.TempDir()) {
			if err := os.Chmod(d, info.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	program := filepath.Join(dir, "wormbell")
	if err := executable.Write(program, "#!/bin/sh\necho \"$1 $(id -u) $(id -G)\"; env; read -r _ _ _ _ _ session _ </proc/$$/stat; echo \"in the session $session of $$\"; exit 1\n"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_UID", "65534") // nobody
	t.Setenv("NPM_TOKEN", "root's own")
	t.Setenv("LD_PRELOAD_PATH", "x")
	vouched := true
	run := func(commands ...string) (string, string) {
		var o, e bytes.Buffer
		a := &app{streams: Streams{strings.NewReader(""), &o, &e}, zone: time.UTC}
		root := &cobra.Command{Use: "wormbell"}
		for _, name := range commands {
			root.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
		}
		if err := a.firstLook(t.Context(), root, program, vouched); err != nil {
			t.Error(err)
		}
		return o.String(), e.String()
	}
	out, errs := run("checkup")
	if !strings.Contains(out, "checkup 65534 ") || strings.Contains(out, "NPM_TOKEN") || strings.Contains(out, "SUDO_") || strings.Contains(out, "LD_") || errs != "" {
		t.Errorf("%s%s", out, errs)
	}
	for _, line := range strings.Split(out, "\n") {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "checkup" && strings.Contains(" "+strings.Join(words[2:], " ")+" ", " 0 ") {
			t.Errorf("root's group was kept: %s", line)
		}
	}
	// Else whoever has taken over a program of that user could type into root's shell.
	if _, rest, ok := strings.Cut(out, "in the session "); !ok {
		t.Errorf("the session is not known: %s", out)
	} else if f := strings.Fields(rest); len(f) < 3 || f[0] != f[2] {
		t.Errorf("it has our terminal: %s", out)
	}
	if out, errs := run("status"); out+errs != "" {
		t.Errorf("without that command: %s%s", out, errs)
	}
	// Started by a program of a home's, the agent would refuse it.
	if vouched = false; !rootsOwn("/bin/sh") || rootsOwn(program) {
		t.Error("root's programs are not told from others")
	}
	if out, errs := run("checkup"); !strings.Contains(out, "Now type 'wormbell checkup' yourself") || errs != "" {
		t.Errorf("from a home: %s%s", out, errs)
	}
	vouched = true
	t.Setenv("SUDO_UID", "0")
	if out, _ := run("checkup"); !strings.HasPrefix(out, "Run '") || strings.Contains(out, "NPM_TOKEN") {
		t.Errorf("with nobody behind sudo: %s", out)
	}
	t.Setenv("SUDO_UID", "65534; rm -rf /")
	if out, _ := run("checkup"); !strings.HasPrefix(out, "Run '") {
		t.Errorf("with nonsense: %s", out)
	}
}

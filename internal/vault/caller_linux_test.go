package vault

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestCallerChild is no test: it is what asks below a script.
func TestCallerChild(t *testing.T) {
	if os.Getenv("WORMBELL_TEST_CALLER") == "" {
		t.Skip("it is run by TestCaller")
	}
	if err := Caller(); !errors.Is(err, ErrScript) {
		t.Errorf("it may have tokens: %v", err)
	}
}

// TestCaller: what npm tells a script is found in the environment of a process
// above, however much stands there before it.
func TestCaller(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 20} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `env -u npm_lifecycle_event "$0" -test.run='^TestCallerChild$'; exit $?`, os.Args[0])
		cmd.Env = append(os.Environ(), "WORMBELL_TEST_CALLER=1")
		for i := range n {
			cmd.Env = append(cmd.Env, "FILL"+string(rune('A'+i))+"="+strings.Repeat("x", 100_000)) // a value is 128 KiB at most
		}
		cmd.Env = append(cmd.Env, "npm_lifecycle_event=postinstall")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%d long variables before it: %v\n%s", n, err, out)
		}
	}
}

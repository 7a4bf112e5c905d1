//go:build unix

package vault_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
	"wormbell/internal/vault"
)

// The environment of a child that is to be killed.
const (
	killAt   = "WORMBELL_TEST_KILL_AT" // the number of the step
	killHome = "WORMBELL_TEST_KILL_HOME"
	killDo   = "WORMBELL_TEST_KILL_DO" // "move" or "restore"
)

// onDisk is a vault whose keychain outlives the process: a sealed file.
func onDisk(t *testing.T, home string, step func(string)) *vault.Vault {
	t.Helper()
	keys, err := keychain.OpenSealed(filepath.Join(home, "keys", "sealed"), secret.Of("passphrase"), keychain.SealedConfig{WorkFactor: 1, Step: step})
	if err != nil {
		t.Fatal(err)
	}
	return &vault.Vault{Home: home, State: filepath.Join(home, "state"), Keys: keys, Now: time.Now, Step: step}
}

// TestKilledChild is what the children of TestKilled run.
func TestKilledChild(t *testing.T) {
	at, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		return // TestKilled starts it otherwise
	}
	steps := 0
	v := onDisk(t, os.Getenv(killHome), func(name string) {
		if steps++; steps == at {
			os.Stdout.WriteString("killed before " + name + "\n")
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // a signal to oneself can take a moment
		}
	})
	do := v.Move
	if os.Getenv(killDo) == "restore" {
		do = v.Restore
	}
	if _, err := do(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
}

// TestKilled kills Move and Restore before each of their steps: every token is
// then in the file, or in the keychain and on the list, and doing it again ends it.
func TestKilled(t *testing.T) {
	t.Parallel()
	const before = "# c\n//h/:_authToken=one\na=1\n//i/:_auth=two\n"
	values := map[string]string{"//h/:_authToken": "one", "//i/:_auth": "two"}
	for _, what := range []string{"move", "restore"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			both := map[bool]int{}
			for n := 1; ; n++ {
				home := t.TempDir()
				v := onDisk(t, home, nil)
				write(t, v, before)
				if what == "restore" {
					if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
				cmd.Env = append(os.Environ(), killAt+"="+strconv.Itoa(n), killHome+"="+home, killDo+"="+what)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
				if err != nil && !killed {
					t.Fatalf("%v: %s", err, out)
				}
				v = onDisk(t, home, nil)
				items, err := v.Items()
				if err != nil {
					t.Fatalf("after %s: %v", out, err)
				}
				for key, value := range values {
					inFile := strings.Contains(read(t, v), key+"="+value+"\n")
					listed := false
					for _, i := range items {
						got, err := v.Keys.Get(t.Context(), i.Service, i.Account)
						listed = listed || i.Key == key && err == nil && got.Reveal() == value
					}
					if !inFile && !listed {
						t.Fatalf("%s: %s is lost", out, key)
					}
					both[inFile]++
				}
				if _, err := map[string]func() (vault.Report, error){
					"move": func() (vault.Report, error) { return v.Move(t.Context(), "~/.npmrc") }, "restore": func() (vault.Report, error) { return v.Restore(t.Context(), "~/.npmrc") },
				}[what](); err != nil {
					t.Fatalf("after %s: %v", out, err)
				}
				items, err = v.Items()
				if what == "move" && (len(items) != 2 || strings.Contains(read(t, v), "=one")) || what == "restore" && (len(items) != 0 || read(t, v) != before) || err != nil {
					t.Errorf("after %s, done again: %+v, %v, %s", out, items, err, read(t, v))
				}
				if !killed {
					break
				}
			}
			if both[true] < 4 || both[false] < 2 {
				t.Errorf("outcomes: %v", both)
			}
		})
	}
}

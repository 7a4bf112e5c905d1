package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// opened reports whether do opens a file, by whichever name.
func opened(t *testing.T, file string, do func()) bool {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, file, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	do()
	n, err := unix.Read(fd, make([]byte, 4096))
	return err == nil && n > 0
}

// TestReaders: every way to read opens the file and leaves it as it is.
func TestReaders(t *testing.T) {
	for how, args := range readers {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			file := filepath.Join(tmp, "it's home", "secret")
			if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("inert\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			a := args(file, tmp)
			if _, err := exec.LookPath(a[0]); err != nil {
				t.Skipf("needs %s", a[0])
			}
			var out []byte
			was := opened(t, file, func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				out, _ = exec.CommandContext(ctx, a[0], a[1:]...).CombinedOutput() // git says by its status that files differ
			})
			if how == "fork" { // it does so after its parent has ended
				return
			}
			if !was {
				if unix.Geteuid() != 0 && (how == "mount" || how == "namespace" || how == "uring") {
					t.Skipf("needs root here: %s", out)
				}
				t.Errorf("%q opens nothing: %s", a, out)
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != "inert\n" {
				t.Errorf("afterwards: %q, %v", b, err)
			}
		})
	}
}

// TestWays: what is started in every way runs, with its arguments.
func TestWays(t *testing.T) {
	for via, way := range ways {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			script, said := filepath.Join(tmp, "script.sh"), filepath.Join(tmp, "said")
			if err := os.WriteFile(script, []byte("printf %s \"$2\" >\"$1\"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			a := way([]string{"sh", script, said, "it's \"this\" $HOME"}, tmp)
			if _, err := exec.LookPath(a[0]); err != nil {
				t.Skipf("needs %s", a[0])
			}
			cmd := exec.Command(a[0], a[1:]...)
			cmd.Dir = tmp
			cmd.Env = append(os.Environ(), "HOME="+tmp, "npm_config_cache="+filepath.Join(tmp, "cache"), "npm_config_update_notifier=false")
			out, err := cmd.CombinedOutput()
			for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				if b, _ := os.ReadFile(said); string(b) == "it's \"this\" $HOME" {
					return
				}
			}
			t.Errorf("%q: nothing was said: %v\n%s", a, err, out)
		})
	}
}

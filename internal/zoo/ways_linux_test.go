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
			script, out := filepath.Join(tmp, "script.sh"), filepath.Join(tmp, "said")
			if err := os.WriteFile(script, []byte("printf %s \"$2\" >\"$1\"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			said(t, way([]string{"sh", script, out, "it's \"this\" $HOME"}, tmp), tmp, out, "it's \"this\" $HOME")
		})
	}
}

// TestScriptWays: a script runs in every way that its language has.
func TestScriptWays(t *testing.T) {
	for _, language := range languages {
		for _, via := range waysOf(&Play{Script: Script{Language: language}}) {
			if ways[via] != nil {
				continue
			}
			t.Run(language+" "+via, func(t *testing.T) {
				t.Parallel()
				if _, ok := bins(testClients, scriptWays[via].client); scriptWays[via].client != "" && !ok {
					t.Skipf("needs %s", scriptWays[via].client)
				}
				dir := t.TempDir()
				places := &stagePlaces{home: dir, tmp: filepath.Join(dir, "tmp"), control: filepath.Join(dir, "control"), clients: testClients}
				for _, d := range []string{places.tmp, places.control} {
					if err := os.Mkdir(d, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				p := &Play{File: "$TMP/script", Via: via, Script: Script{Language: language, Steps: []Step{write("~/said", "it's me")}}}
				if err := os.WriteFile(places.real(p.File), []byte(source(&p.Script, places, nil)), 0o644); err != nil {
					t.Fatal(err)
				}
				w := &writer{places: places}
				args, _, _, _ := w.command(&Step{Play: p})
				said(t, args, places.tmp, filepath.Join(dir, "said"), "it's me")
			})
		}
	}
}

// said starts a command and waits until a file says what it should.
func said(t *testing.T, args []string, dir, file, want string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("needs %s", args[0])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "npm_config_cache="+filepath.Join(dir, "cache"), "npm_config_update_notifier=false")
	out, err := cmd.CombinedOutput()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if b, _ := os.ReadFile(file); string(b) == want {
			return
		}
	}
	t.Errorf("%q: nothing was said: %v\n%s", args, err, out)
}

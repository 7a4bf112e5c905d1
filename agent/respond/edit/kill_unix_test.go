//go:build unix

package edit

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The environment of a child that is to be killed.
const (
	killAt   = "WORMBELL_TEST_KILL_AT" // the number of the step
	killPath = "WORMBELL_TEST_KILL_PATH"
	killDo   = "WORMBELL_TEST_KILL_DO" // "apply" or "create"
)

const oldText, newText = "a=1\nk=old value\nb=2\n", "a=1\nk=another\nb=2\n"

func replaceK(new string) func([]byte) ([]Change, error) {
	return func(data []byte) ([]Change, error) {
		c, err := INI(data)[1].Replace(data, new)
		return []Change{c}, err
	}
}

// TestKilledChild is what the children of TestKilled run.
func TestKilledChild(t *testing.T) {
	at, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		return // TestKilled starts it otherwise
	}
	steps := 0
	f := files{step: func(name string) {
		if steps++; steps == at {
			os.Stdout.WriteString("killed before " + name + "\n")
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // a signal to oneself can take a moment
		}
	}}
	if os.Getenv(killDo) == "create" {
		err = f.create(os.Getenv(killPath), []byte(newText))
	} else {
		err = f.apply(os.Getenv(killPath), replaceK("another"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dieAt runs what do says on path and kills it before its nth step; it returns
// the step's name, or "" if it was through before.
func dieAt(t *testing.T, n int, do, path string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	cmd.Env = append(os.Environ(), killAt+"="+strconv.Itoa(n), killPath+"="+path, killDo+"="+do)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("it was not killed: %v: %s", err, out)
	}
	_, name, _ := strings.Cut(string(out), "killed before ")
	return strings.TrimSpace(name)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range all {
		s = append(s, e.Name())
	}
	return strings.Join(s, " ")
}

// TestKilled kills Apply before each of its steps. The file is then the old or
// the new one, byte for byte, with what else belongs to it, and the next Apply
// removes what was left.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o400} {
		for _, link := range []bool{false, true} {
			t.Run(mode.String()+map[bool]string{true: " through a link"}[link], func(t *testing.T) {
				t.Parallel()
				killed(t, mode, link)
			})
		}
	}
}

func killed(t *testing.T, mode fs.FileMode, link bool) {
	seen := map[string]bool{}
	for n := 1; ; n++ {
		home, dir := t.TempDir(), t.TempDir()
		file := filepath.Join(dir, ".npmrc")
		path := file
		if err := os.WriteFile(file, []byte(oldText), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if link {
			path = filepath.Join(home, ".npmrc")
			if err := os.Symlink(file, path); err != nil {
				t.Fatal(err)
			}
		}
		hasAttribute := unix.Setxattr(file, "user.wormbell", []byte("kept"), 0) == nil || mode&0o200 == 0
		was, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		step := dieAt(t, n, "apply", path)

		got, err := os.ReadFile(path)
		if err != nil || string(got) != oldText && string(got) != newText {
			t.Fatalf("before %q: %q, %v", step, got, err)
		}
		seen[string(got)] = true
		if step == "" && string(got) != newText {
			t.Fatalf("it ended without an error and the file is %q", got)
		}
		now, err := os.Stat(file)
		if err != nil || now.Mode() != was.Mode() || !sameOwner(now, was) {
			t.Fatalf("before %q: mode %v, was %v: %v", step, now.Mode(), was.Mode(), err)
		}
		value := make([]byte, 10)
		if size, err := unix.Getxattr(file, "user.wormbell", value); hasAttribute && mode&0o200 != 0 && string(value[:max(size, 0)]) != "kept" {
			t.Fatalf("before %q: attribute %q, %v", step, value[:max(size, 0)], err)
		}
		if link {
			if to, err := os.Readlink(path); err != nil || to != file {
				t.Fatalf("before %q: the link leads to %q, %v", step, to, err)
			}
		}
		left, _ := filepath.Glob(filepath.Join(dir, prefix+"*"))
		for _, l := range left {
			info, err := os.Lstat(l)
			if err != nil || info.Mode().Perm()&^mode != 0 {
				t.Errorf("before %q: %s is %v, the file is %v: %v", step, l, info.Mode(), mode, err)
			}
		}
		if len(left) > 1 {
			t.Errorf("before %q: %q are left", step, left)
		}
		if err := Apply(path, func([]byte) ([]Change, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if all := names(t, dir); all != ".npmrc" {
			t.Errorf("before %q: the next Apply left %s", step, all)
		}
		if step == "" {
			break
		}
		if n > 100 {
			t.Fatal("it does not end")
		}
	}
	if !seen[oldText] || !seen[newText] {
		t.Errorf("only one outcome was met: %v", seen)
	}
}

// TestKilledCreate: after a crash the new file is whole or not there.
func TestKilledCreate(t *testing.T) {
	t.Parallel()
	seen := map[bool]int{}
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, ".npmrc")
		step := dieAt(t, n, "create", path)
		got, err := os.ReadFile(path)
		there := err == nil
		if there && string(got) != newText || !there && !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("before %q: %q, %v", step, got, err)
		}
		seen[there]++
		if there {
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Fatalf("before %q: %v, %v", step, info.Mode(), err)
			}
		} else if err := Create(path, []byte(newText)); err != nil {
			t.Fatal(err)
		}
		// Also where the crash left two names of one file.
		if err := Apply(path, replaceK("third")); err != nil {
			t.Fatalf("before %q: %v", step, err)
		}
		if all := names(t, dir); all != ".npmrc" {
			t.Errorf("before %q: %s", step, all)
		}
		if step == "" {
			break
		}
	}
	if seen[true] < 2 || seen[false] < 2 {
		t.Errorf("outcomes %v", seen)
	}
}

// TestInterfered changes something under Apply before each of its steps: it must
// see it or be done with.
func TestInterfered(t *testing.T) {
	t.Parallel()
	acts := map[string]func(path string) error{
		"written in place": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("A")
			return err
		},
		"replaced by the same": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte(oldText), 0o600), os.Rename(path+"2", path))
		},
		"removed":      os.Remove,
		"another mode": func(path string) error { return os.Chmod(path, 0o640) },
		"a link now":   func(path string) error { return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path)) },
		"the temporary file exchanged": func(path string) error {
			all, err := filepath.Glob(filepath.Join(filepath.Dir(path), prefix+"*"))
			for _, p := range all {
				err = errors.Join(err, os.WriteFile(p+"2", []byte("evil"), 0o600), os.Rename(p+"2", p))
			}
			return err
		},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				path := filepath.Join(t.TempDir(), "f")
				if err := os.WriteFile(path, []byte(oldText), 0o600); err != nil {
					t.Fatal(err)
				}
				steps, last := 0, ""
				f := files{step: func(name string) {
					if steps++; steps == n {
						last = name
						if err := act(path); err != nil {
							t.Error(err)
						}
					}
				}}
				err := f.apply(path, replaceK("another"))
				if last == "" || last == "rename" || last == "sync folder" {
					// Between the last look and the rename nothing can be seen; but what is
					// renamed is never another's.
					if got, _ := os.ReadFile(path); string(got) == "evil" {
						t.Errorf("before %q: another's file was put in place", last)
					}
					if last == "" {
						break
					}
					continue
				}
				if name == "the temporary file exchanged" && (last == "clean" || last == "create") {
					continue // there is none yet
				}
				if !errors.Is(err, ErrChanged) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errIrregular) && err != nil || err == nil && name != "another mode" {
					t.Errorf("before %q: %v", last, err)
				}
				if got, err := os.ReadFile(path); err == nil && strings.Contains(string(got), "another") && name != "another mode" {
					t.Errorf("before %q: it was written over: %q", last, got)
				}
			}
		})
	}
}

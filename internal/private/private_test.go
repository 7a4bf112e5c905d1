package private_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"wormbell/internal/private"
)

func TestDir(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, "a", "b")
	for range 2 {
		if err := private.Dir(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := private.Dir(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := private.Dir(file); err == nil {
		t.Error("a file is a folder")
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(path, link); err == nil {
		if err := private.Dir(link); err == nil {
			t.Error("a symbolic link is a folder")
		}
	}
}

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if _, err := private.Read(path, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, text := range []string{"one", "", strings.Repeat("x", 10)} {
		if err := os.WriteFile(path+".new", []byte("left by a killed process"), 0o644); err != nil {
			t.Fatal(err)
		}
		var steps []string
		if err := private.Write(path, []byte(text), func(s string) { steps = append(steps, s) }); err != nil {
			t.Fatal(err)
		}
		if got, err := private.Read(path, 10); err != nil || string(got) != text {
			t.Errorf("%q %v", got, err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		if _, err := os.Lstat(path + ".new"); !errors.Is(err, fs.ErrNotExist) || len(steps) < 5 {
			t.Error(err, steps)
		}
	}
	if _, err := private.Read(path, 9); err == nil {
		t.Error("longer than the limit")
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err == nil && runtime.GOOS != "windows" {
		if _, err := private.Read(link, 10); err == nil {
			t.Error("a symbolic link was read")
		}
		if err := private.Write(link, []byte("y"), nil); err != nil {
			t.Error(err)
		}
		if got, err := private.Read(path, 10); err != nil || string(got) != strings.Repeat("x", 10) {
			t.Errorf("a symbolic link was written through: %v", err)
		}
	}
	if _, err := private.Read(filepath.Dir(path), 10); err == nil {
		t.Error("a folder was read")
	}
	if err := private.Write(filepath.Join(path, "x"), nil, nil); err == nil {
		t.Error("written below a file")
	}
	for range 2 {
		if err := private.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func TestReadDoesNotBlock(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := exec.Command("mkfifo", fifo).Run(); err != nil {
		t.Skip("no mkfifo here")
	}
	done := make(chan error, 1)
	go func() { _, err := private.Read(fifo, 10); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a FIFO was read")
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for a writer")
	}
}

// TestHolder is no test: it is the process whose lock is looked at.
func TestHolder(t *testing.T) {
	path := os.Getenv("WORMBELL_TEST_LOCK")
	if path == "" {
		t.Skip("it is run by TestLockEndsWithTheProcess")
	}
	lock, err := private.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("locked\n")
	time.Sleep(5 * time.Minute) // until it is killed
	runtime.KeepAlive(lock)     // else the collector closes its file
}

func TestLockEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	child := exec.Command(os.Args[0], "-test.run=^TestHolder$")
	child.Env = append(os.Environ(), "WORMBELL_TEST_LOCK="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := private.TryLock(path); !errors.Is(err, private.ErrLocked) {
		t.Errorf("another process has it: %v", err)
	}
	child.Process.Kill()
	child.Wait()
	l, err := private.TryLock(path)
	if err != nil {
		t.Fatalf("its holder was killed: %v", err)
	}
	l.Release(true)
	l.Release(true)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestLockInOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	l, err := private.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := private.TryLock(path); !errors.Is(err, private.ErrLocked) {
		t.Error(err)
	}
	l.Release(false)
	if l, err = private.TryLock(path); err != nil {
		t.Fatal(err)
	}
	l.Release(false)
}

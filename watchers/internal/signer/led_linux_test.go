package signer

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"wormbell/watchers/internal/procs"
)

// A link says what a process runs only if it, and all around it, has been the
// same since before the process began.
func TestLed(t *testing.T) {
	t.Parallel()
	needRoot(t)
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	tool := put(t, filepath.Join(home, "lib/node_modules/tool/cli.js"), "")
	thief := put(t, filepath.Join(home, "thief.js"), "")
	link := func(name, to string) string {
		name = filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Dir(name), 1234, 1234); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	still := link("still/tool", "../lib/node_modules/tool/cli.js")
	relinked, moved, bin := link("relinked/tool", thief), link("moved/tool", tool), link("folder/bin/tool", tool)
	other := link("other/bin/tool", thief)
	all := []string{still, relinked, moved, bin, other}

	reader := procs.NewReader()
	defer reader.Close()
	pid, _ := started(t, reader, exec.Command("cat"))
	elsewhere := exec.Command("cat")
	elsewhere.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	away, _ := started(t, reader, elsewhere)

	now := time.Now()
	s := newSigner(t, Config{Now: func() time.Time { return now }})
	changed := newest(t, s, all)
	// What was made last is ten seconds old, and the process nine.
	now = changed.Add(10 * time.Second)
	age := 9 * time.Second
	for name, want := range map[string]string{still: tool, relinked: thief, moved: tool, bin: tool} {
		if got := s.Led(pid, name, age); got != want {
			t.Errorf("%s leads to %q, want %q", name, got, want)
		}
	}
	if got := s.Led(pid, still, 10*time.Second+time.Millisecond); got != "" {
		t.Errorf("a link made after the process began leads to %q", got)
	}
	if got := s.Led(away, still, age); got != "" {
		t.Errorf("in another view of the file system it leads to %q", got)
	}
	if got := s.Led(1<<22+1, still, age); got != "" {
		t.Errorf("for no process it leads to %q", got)
	}

	// While the process runs, its link is made to lead to the tool; another is
	// taken away and put back; a folder likewise.
	waitTick(t, home, changed)
	if err := os.Remove(relinked); err != nil {
		t.Fatal(err)
	}
	link("relinked/tool", tool)
	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(moved, moved+"2")
	rename(moved+"2", moved)
	rename(filepath.Join(home, "folder/bin"), filepath.Join(home, "bin2"))
	rename(filepath.Join(home, "other/bin"), filepath.Join(home, "folder/bin"))
	rename(filepath.Join(home, "folder/bin"), filepath.Join(home, "other/bin"))
	rename(filepath.Join(home, "bin2"), filepath.Join(home, "folder/bin"))
	now = changed.Add(10 * time.Second)
	begun := now.Sub(changed) // the process began right after all was made
	for _, name := range []string{relinked, moved, bin} {
		if got := s.Led(pid, name, begun-ledTicks*procs.Tick()); got != "" {
			t.Errorf("%s was changed since, and leads to %q", name, got)
		}
	}
	if got := s.Led(pid, still, begun-ledTicks*procs.Tick()); got != tool {
		t.Errorf("what was left alone leads to %q, want %q", got, tool)
	}
}

// newest is the last change on the way to any of names.
func newest(t *testing.T, s *Signer, names []string) time.Time {
	t.Helper()
	last := int64(0)
	for _, name := range names {
		found, err := s.files.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		last = max(last, found.Moved)
	}
	return time.Unix(0, last)
}

// waitTick waits until what is changed in dir is stamped with a later time.
func waitTick(t *testing.T, dir string, after time.Time) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		probe := put(t, filepath.Join(dir, "probe"), "")
		st, err := os.Stat(probe)
		if err != nil {
			t.Fatal(err)
		}
		if time.Unix(0, st.Sys().(*syscall.Stat_t).Ctim.Nano()).After(after) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the kernel's clock stands still")
		}
	}
}

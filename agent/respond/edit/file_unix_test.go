//go:build unix

package edit_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/agent/respond/edit"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "dot/files"), 0o700); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "dot/files/npmrc")
	write(t, target, "k=old\n")
	links := map[string]string{"a": "b", "b": dir + "/c/../files/npmrc", "c": "dot/./files", "loop": "loop2", "loop2": "loop", "nowhere": "x"}
	for from, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := edit.Apply(filepath.Join(dir, "a"), set("k", "new")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, target); got != "k=new\n" {
		t.Errorf("%q", got)
	}
	for from, to := range links {
		if got, err := os.Readlink(filepath.Join(dir, from)); err != nil || got != to {
			t.Errorf("%s is %q, %v", from, got, err)
		}
	}
	if _, err := edit.Read(filepath.Join(dir, "loop")); !errors.Is(err, syscall.ELOOP) {
		t.Error(err)
	}
	if _, err := edit.Read(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// ".." after a link goes up from where the link leads, not from where it is.
	if _, err := edit.Read(dir + "/c/../files/npmrc"); err != nil {
		t.Error(err)
	}
}

func TestNoRegularFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link, dir, "/dev/null", "/dev/zero", "/"} {
		done := make(chan error, 2)
		go func() { // ends with the two calls that it makes
			_, err := edit.Read(path)
			done <- err
			done <- edit.Apply(path, set("k", "new"))
		}()
		for range 2 {
			select {
			case err := <-done:
				if err == nil {
					t.Errorf("%s was read", path)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: it waits", path)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hard := filepath.Join(dir, "hard")
	write(t, hard, "k=old\n")
	if err := os.Link(hard, hard+"2"); err != nil {
		t.Fatal(err)
	}
	if err := edit.Apply(hard, set("k", "new")); err == nil || !strings.Contains(err.Error(), "hard links") {
		t.Error(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(open, "f"), "k=old\n")
	if err := os.Symlink(filepath.Join(open, "f"), filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(open, "f"), filepath.Join(dir, "l")} {
		if err := edit.Apply(path, set("k", "new")); err == nil || !strings.Contains(err.Error(), "everybody") || read(t, path) != "k=old\n" {
			t.Error(err)
		}
	}
	if err := edit.Create(filepath.Join(open, "g"), nil); err == nil {
		t.Error("made in a folder where everybody may write")
	}
}

// TestRootIsNotLed: what root does in a user's folder stays with that user's files.
func TestRootIsNotLed(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root: it acts in other users' folders")
	}
	const alice, bob = 54321, 54322
	base := t.TempDir()
	own := func(path string, uid int) string {
		t.Helper()
		if err := os.Lchown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(path string, uid int) string {
		write(t, path, "k=old\n")
		return own(path, uid)
	}
	folder := func(path string, uid int) string {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return own(path, uid)
	}
	link := func(to, path string, uid int) string {
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return own(path, uid)
	}
	a, b, r := folder(base+"/alice", alice), folder(base+"/bob", bob), folder(base+"/root", 0)
	folder(a+"/.config", alice)
	file(r+"/f", 0)
	file(b+"/f", bob)
	refused := []string{
		link(r+"/f", a+"/to-root", alice),
		link(b+"/f", a+"/to-bob", alice),
		link(r, a+"/root", alice) + "/f",
		link(b, a+"/bob", alice) + "/f",
		file(a+"/roots", 0),
		file(a+"/bobs", bob),
		link(a+"/roots", r+"/to-roots-at-alice", 0),
		link(a+"/to-bob", r+"/to-bob-by-alice", 0),
		file(r+"/alices", alice),
	}
	for _, path := range refused {
		if err := edit.Apply(path, set("k", "new")); err == nil || read(t, path) != "k=old\n" {
			t.Errorf("%s was changed: %v", path, err)
		}
	}
	for _, path := range refused[:6] {
		if _, err := edit.Read(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	for _, path := range []string{file(a+"/f", alice), link(".config/x", a+"/.x", alice), link(a, r+"/alice", 0) + "/g", r + "/f"} {
		switch filepath.Base(path) {
		case ".x":
			file(a+"/.config/x", alice)
		case "g":
			file(a+"/g", alice)
		}
		was, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := edit.Apply(path, set("k", "new")); err != nil || read(t, path) != "k=new\n" {
			t.Errorf("%s: %v", path, err)
		}
		now, err := os.Stat(path)
		if err != nil || now.Sys().(*syscall.Stat_t).Uid != was.Sys().(*syscall.Stat_t).Uid || now.Sys().(*syscall.Stat_t).Gid != was.Sys().(*syscall.Stat_t).Gid {
			t.Errorf("%s changed hands: %v", path, err)
		}
	}
	if err := edit.Create(a+"/new", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(a + "/new"); err != nil || info.Sys().(*syscall.Stat_t).Uid != alice || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := edit.Create(a+"/bob/new", []byte("x")); err == nil {
		t.Error("made a file for bob on alice's way")
	}
}

// TestForeignGroup: a group is kept even where that takes root.
func TestForeignGroup(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root: it gives files to other groups")
	}
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "k=old\n")
	if err := errors.Join(os.Chown(path, 0, 54323), os.Chmod(path, 0o2640)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := edit.Apply(path, set("k", "new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640|fs.ModeSetgid || info.Sys().(*syscall.Stat_t).Gid != 54323 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestLeftovers: only what a crash left of this file goes.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ".npmrc")
	write(t, path, "k=old\n")
	const id = "0123456789abcdef"
	stay := []string{".wormbell-.npmrc2." + id, ".wormbell-.npmrc." + id[1:], ".wormbell-.npmrc." + id + "0", ".wormbell-.npmrc.0123456789abcdeg", ".wormbell-.npmrc.fedcba987654321" + "0"}
	for _, name := range append(stay, ".wormbell-.npmrc."+id) {
		write(t, filepath.Join(dir, name), "")
	}
	// One is a living process's.
	f, err := os.OpenFile(filepath.Join(dir, stay[len(stay)-1]), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := edit.Apply(path, set("k", "new")); err != nil {
		t.Fatal(err)
	}
	for _, name := range stay {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".wormbell-.npmrc."+id)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it stayed: %v", err)
	}
}

// TestAtOnce: of edits at the same time each is done or told that the file changed.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, strings.Repeat("x=0\n", 8))
	errs := make(chan error, 8)
	for i := range 8 {
		go func() { // ends with its one call
			errs <- edit.Apply(path, func(data []byte) ([]edit.Change, error) {
				c, err := edit.INI(data)[i].Replace(data, "done")
				return []edit.Change{c}, err
			})
		}()
	}
	for range 8 {
		if err := <-errs; err != nil && !errors.Is(err, edit.ErrChanged) {
			t.Error(err)
		}
	}
	if got := read(t, path); strings.Count(got, "x=") != 8 || !strings.Contains(got, "done") {
		t.Errorf("%q", got)
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

package tree

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/internal/answer"
)

// mute mounts a file system in user space that answers nobody, and returns how to
// end it.
func mute(t *testing.T, dir string) (end func()) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no file systems in user space here: %v", err)
	}
	if err := unix.Mount("fuse", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)); err != nil {
		unix.Close(fd)
		t.Skipf("no file systems in user space here: %v", err)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		unix.Close(fd) // everybody who waits gets an error
		unix.Unmount(dir, unix.MNT_FORCE)
		unix.Unmount(dir, unix.MNT_DETACH)
	}
	t.Cleanup(end)
	return end
}

// TestSilentHome: a home that does not answer keeps nobody waiting, is told, and is
// looked at again when it does; the others are seen meanwhile.
func TestSilentHome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	for name, refuse := range backends {
		t.Run(name, func(t *testing.T) {
			dead, alive := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(dead, "package.json"), []byte("below"), 0o600); err != nil {
				t.Fatal(err)
			}
			end := mute(t, dead)
			r := &rig{t: t, home: alive}
			done := make(chan error, 1)
			go func() {
				var err error
				r.feed, err = New(Config{Homes: []string{dead, alive}, Refuse: refuse})
				done <- err
			}()
			within := func(what string, do func() bool) {
				t.Helper()
				for deadline := time.Now().Add(40 * time.Second); !do(); time.Sleep(20 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("%s: it did not come about", what)
					}
				}
			}
			within("a new feed", func() bool {
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
					return true
				default:
					return false
				}
			})
			r.feed.looker, r.feed.low.turn = answer.New(200*time.Millisecond), 200*time.Millisecond
			r.sub = r.feed.Subscribe(Want{Name: wantsManifest, Dirs: true})
			stop, ran := make(chan struct{}), make(chan error, 1)
			ctx, cancel := context.WithCancel(context.Background())
			go func() { ran <- r.feed.Run(ctx); close(stop) }()
			defer func() {
				cancel()
				select {
				case <-stop:
				case <-time.After(30 * time.Second):
					t.Error("the feed does not end")
				}
			}()
			r.until("Armed", func(c Change) bool { return c.Op == Armed })
			within("what is told of the dead home", func() bool {
				s, ok := r.feed.State()
				return ok && strings.Contains(s.Why, dead+" does not answer") && !s.Who && slices.Equal(r.feed.Silent(), []string{dead})
			})
			r.sh(`echo {} >package.json`)
			r.until("a change in the other home", func(c Change) bool { return c.Path == filepath.Join(alive, "package.json") })
			began := time.Now()
			for range 20 {
				if _, _, err := r.feed.ReadFile(filepath.Join(dead, "package.json"), 100); err == nil {
					t.Error("what does not answer was read")
				}
				r.feed.List(dead, func(string, bool) { t.Error("it was listed") })
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("20 questions took %v", took)
			}
			end()
			within("it answers again", func() bool { return len(r.feed.Silent()) == 0 })
			if b, _, err := r.feed.ReadFile(filepath.Join(dead, "package.json"), 100); string(b) != "below" {
				t.Errorf("read %q, %v", b, err)
			}
			r.until("what is said of its content", func(c Change) bool { return c.Op == MovedIn && c.Path == dead })
			os.WriteFile(filepath.Join(dead, "package.json"), nil, 0o600) // by this process: not told
			cmd := fmt.Sprintf("echo {} >%s/package.json", dead)
			r.sh(cmd)
			r.until("a change in it", func(c Change) bool { return c.Path == filepath.Join(dead, "package.json") })
		})
	}
}

// TestFarFile: a file on a file system that may not answer is read as any other.
func TestFarFile(t *testing.T) {
	home := t.TempDir()
	name := filepath.Join(home, "x")
	text := strings.Repeat("0123456789", 20_000)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{Homes: []string{home}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.names.close()
	f.setRoots([]root{{path: home, backend: byFolder, fstype: "nfs4"}})
	file, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<20))
	if string(b) != text || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if st, err := file.Stat(); err != nil || st.Size() != int64(len(text)) {
		t.Errorf("%v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if b, _, err := f.ReadFile(name, 1<<20); string(b) != text || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, _, err := f.ReadFile(name, 100); err == nil {
		t.Error("a limit does not hold")
	}
}

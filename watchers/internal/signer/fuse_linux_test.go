package signer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/procs"
)

// A file system in user space with one program in it, which can be told to
// answer nobody any more: include/uapi/linux/fuse.h.
type fuse struct {
	dir    string
	dev    int // descriptor of /dev/fuse
	ended  chan struct{}
	body   []byte
	silent atomic.Bool
}

const (
	fuseLookup, fuseGetattr, fuseOpen, fuseRead, fuseInit = 1, 3, 14, 15, 26
	fuseStatfs, fuseOpendir, fuseAccess                   = 17, 27, 34
)

// mountFuse serves the program at file as "prog" in a folder below a new one.
func mountFuse(t *testing.T, file string) *fuse {
	t.Helper()
	needRoot(t)
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no file systems in user space here: %v", err)
	}
	f := &fuse{dir: t.TempDir(), dev: fd, ended: make(chan struct{}), body: body}
	if err := unix.Mount("fuse", f.dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)); err != nil {
		unix.Close(fd)
		t.Skipf("no file systems in user space here: %v", err)
	}
	t.Cleanup(func() {
		unix.Unmount(f.dir, unix.MNT_FORCE) // everybody who waits for an answer gets an error, also the server
		unix.Unmount(f.dir, unix.MNT_DETACH)
		<-f.ended
		unix.Close(fd)
	})
	go f.serve() // ends when the connection does
	return f
}

func (f *fuse) serve() {
	defer close(f.ended)
	buf := make([]byte, 1<<17+4096)
	for {
		n, err := unix.Read(f.dev, buf)
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil {
			return
		}
		if f.silent.Load() {
			continue
		}
		in := binary.NativeEndian
		op, unique, node := in.Uint32(buf[4:]), in.Uint64(buf[8:]), in.Uint64(buf[16:])
		arg := buf[40:n]
		var out bytes.Buffer
		errno := int32(0)
		attr := func() {
			mode, size, links := uint32(unix.S_IFDIR|0o755), uint64(0), uint32(2)
			if node == 2 {
				mode, size, links = unix.S_IFREG|0o755, uint64(len(f.body)), 1
			}
			for _, v := range []any{node, size, (size + 511) / 512, [3]uint64{}, [3]uint32{}, mode, links, [5]uint32{}} {
				binary.Write(&out, in, v)
			}
		}
		switch op {
		case fuseInit:
			for _, v := range []any{uint32(7), uint32(31), uint32(1 << 17), uint32(0), uint16(12), uint16(9), uint32(1 << 17), uint32(1), [9]uint32{}} {
				binary.Write(&out, in, v)
			}
		case fuseLookup:
			if name, _, _ := bytes.Cut(arg, []byte{0}); string(name) != "prog" {
				errno = -int32(unix.ENOENT)
				break
			}
			node = 2
			binary.Write(&out, in, [5]uint64{2, 0, 0, 0, 0}) // node, generation; nothing may be cached
			attr()
		case fuseGetattr:
			binary.Write(&out, in, [2]uint64{})
			attr()
		case fuseOpen, fuseOpendir:
			binary.Write(&out, in, [2]uint64{})
		case fuseRead:
			from := min(in.Uint64(arg[8:]), uint64(len(f.body)))
			out.Write(f.body[from:min(from+uint64(in.Uint32(arg[16:])), uint64(len(f.body)))])
		case fuseStatfs:
			binary.Write(&out, in, [5]uint64{})
			binary.Write(&out, in, [10]uint32{4096, 255, 4096}) // size of a block, longest name
		case fuseAccess:
		default:
			errno = -int32(unix.ENOSYS)
		}
		if errno != 0 {
			out.Reset()
		}
		var head bytes.Buffer
		binary.Write(&head, in, uint32(16+out.Len()))
		binary.Write(&head, in, errno)
		binary.Write(&head, in, unique)
		unix.Write(f.dev, append(head.Bytes(), out.Bytes()...))
	}
}

// soon runs do and fails the test if it does not return.
func soon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s waits for a file system that does not answer", what)
	}
}

// Whoever is asked about holds up everybody who opens a guarded file.
func TestNothingWaitsForAFileSystemInUserSpace(t *testing.T) {
	needRoot(t)
	s := newSigner(t, Config{})
	f := mountFuse(t, "/bin/sleep")
	r := procs.NewReader()
	t.Cleanup(r.Close)
	// By a shell: between fork and exec this process can stand still as a whole
	// (its collector waits for the fork), and then it serves no file system.
	pid, info := started(t, r, exec.Command("/bin/sh", "-c", `exec "$0" 1000`, filepath.Join(f.dir, "prog")))
	for deadline := time.Now().Add(10 * time.Second); filepath.Base(info.Exe) != "prog" || len(info.Args) == 0; time.Sleep(time.Millisecond) {
		var err error
		if info, err = r.Read(pid); err != nil || time.Now().After(deadline) {
			t.Fatalf("the program does not start: %v", err)
		}
	}
	f.silent.Store(true)
	soon(t, "Vouch", func() {
		if who := vouch(s, pid, info); who != "" {
			t.Errorf("a program on a file system of anybody's is vouched for by %q", who)
		}
	})
	soon(t, "Lookup", func() {
		if _, err := s.files.Lookup(filepath.Join(f.dir, "prog")); err == nil {
			t.Error("it was found")
		}
	})
}

// A folder on the way is a folder when it is looked at, and a symlink to
// where nobody answers when it is used.
func TestNothingFollowsAFolderThatIsSwapped(t *testing.T) {
	needRoot(t)
	f := mountFuse(t, "/bin/sleep")
	f.silent.Store(true)
	home := t.TempDir()
	put(t, filepath.Join(home, "a", "package.json"), `{"name":"a"}`)
	if err := os.Symlink(f.dir, filepath.Join(home, "b")); err != nil {
		t.Fatal(err)
	}
	files := NewFiles()
	t.Cleanup(files.Close)
	stop := make(chan struct{})
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, filepath.Join(home, "a"), unix.AT_FDCWD, filepath.Join(home, "b"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	defer func() { close(stop); <-swapped }()
	read := 0
	soon(t, "Read", func() {
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			if _, err := files.Read(filepath.Join(home, "a", "package.json"), 1<<20); err == nil {
				read++
			}
		}
	})
	if read == 0 {
		t.Error("it was never read at all")
	}
}

// Whoever makes a mount namespace may put an overlay over a file system of their
// own in user space, and it asks that one. An overlay that we see, too, is
// another's work: a machine may lie on one.
func TestNothingWaitsForAnOverlay(t *testing.T) {
	needRoot(t)
	f := mountFuse(t, "/bin/sleep")
	dir := t.TempDir()
	for _, name := range []string{"empty", "foreign", "base", "ours"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, "base", "prog"), "a program")
	over := func(below string) string {
		return fmt.Sprintf("lowerdir=%s:%s", below, filepath.Join(dir, "empty"))
	}
	ours := filepath.Join(dir, "ours")
	if err := unix.Mount("overlay", ours, "overlay", unix.MS_RDONLY, over(filepath.Join(dir, "base"))); err != nil {
		t.Skipf("no overlays here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(ours, unix.MNT_DETACH) })
	s := newSigner(t, Config{})
	foreign := filepath.Join(dir, "foreign")
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `mount -t overlay -o "$1" overlay "$2" && echo && exec sleep 1000`, "sh", over(f.dir), foreign)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Skipf("no overlay over a file system in user space here: %v", err)
	}
	f.silent.Store(true)
	soon(t, "Means", func() {
		if same, known := s.Means(cmd.Process.Pid, filepath.Join(foreign, "prog"), Ident{}, false); same || known {
			t.Errorf("an overlay of anybody's: same %v, known %v", same, known)
		}
	})
	prog := filepath.Join(ours, "prog")
	found, err := s.files.Lookup(prog)
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := s.Means(cmd.Process.Pid, prog, found.Ident, false); !same {
		t.Error("an overlay that is ours, too, is not looked at")
	}
}

// TestLibrariesOfAnAppImage: an editor's own file system in LD_LIBRARY_PATH does
// not make strangers of what is started in its terminal; a library of it does.
func TestLibrariesOfAnAppImage(t *testing.T) {
	needRoot(t)
	s := newSigner(t, Config{})
	f := mountFuse(t, "/bin/sleep")
	f.silent.Store(true)
	r := procs.NewReader()
	t.Cleanup(r.Close)
	cmd := exec.Command("/bin/cat")
	pid, info := started(t, r, cmd)
	info.Env.LibraryPath = f.dir + "/usr/lib:" + f.dir
	plugin := put(t, filepath.Join(t.TempDir(), "plugin.so"), "")
	linked := t.TempDir()
	if err := os.Symlink(plugin, filepath.Join(linked, "plugin.so")); err != nil {
		t.Fatal(err)
	}
	soon(t, "Vouch", func() {
		if vouch(s, pid, info) == "" {
			t.Error("cat is not vouched for")
		}
	})
	exe := procs.Mapped{Path: info.Exe}
	for _, tc := range []struct {
		name string
		file string
		path string
		want bool
	}{
		{"nothing else", info.Exe, f.dir, false},
		{"a library of that file system", f.dir + "/prog", f.dir, true},
		{"a plugin from elsewhere, where it may have come from there", plugin, f.dir, true},
		{"a plugin from elsewhere", plugin, "/usr/lib:/not/there", false},
		{"what a link in the folder leads to", plugin, linked, true},
		{"a folder of each process's own", plugin, "/proc/self/cwd", true},
		{"a library of a folder that is named", plugin, f.dir + ":" + filepath.Dir(plugin), true},
		{"a file without a name", "/memfd:x", "", true},
	} {
		soon(t, "Stranger", func() {
			if got := s.Stranger(pid, []procs.Mapped{exe, {Path: tc.file}}, tc.path); (got != "") != tc.want {
				t.Errorf("%s: %q", tc.name, got)
			}
		})
	}
}

package vm_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell/internal/vm"
)

func TestMachine(t *testing.T) {
	extra := t.TempDir()
	write(t, filepath.Join(extra, "of-root"), "large\n", 0o640)
	m := vm.Start(t, vm.Config{Image: vm.Image(t, vm.Desktop...), Keeps: true, Disks: []string{vm.Disk(t, extra, 16)}})
	t.Logf("its processor is slower by %.0f", m.Slowness(t.Context()))

	t.Run("commands", func(t *testing.T) {
		m := m.With(t)
		if got := m.Run(t.Context(), "root", "cat /proc/1/comm; systemctl is-system-running --wait; stat -fc %T /sys/fs/cgroup"); got != "systemd\nrunning\ncgroup2fs\n" {
			t.Errorf("the machine is %q", got)
		}
		out, code := m.Try(t.Context(), "dev", `id -un; echo wrong >&2; exit 7`)
		if out != "dev\nwrong\n" || code != 7 {
			t.Errorf("%q, exit %d", out, code)
		}
		if _, code := m.Try(t.Context(), "dev", "tty"); code != 1 {
			t.Error("it has a terminal")
		}
		if out, code := m.Do(t.Context(), "dev", "tty && loginctl show-session -p Remote $XDG_SESSION_ID && systemctl --user is-active basic.target",
			vm.Options{Terminal: true, Login: true}); code != 0 || !strings.HasPrefix(out, "/dev/pts/") || !strings.HasSuffix(out, "Remote=yes\nactive\n") {
			t.Errorf("%q, exit %d", out, code)
		}
		if out, _ := m.Do(t.Context(), "dev", "cat", vm.Options{Stdin: strings.NewReader("given")}); out != "given" {
			t.Errorf("%q", out)
		}
	})
	t.Run("users", func(t *testing.T) {
		m := m.With(t)
		m.Run(t.Context(), "root", "useradd --create-home --shell /bin/bash other")
		if got := m.Run(t.Context(), "other", "pwd"); got != "/home/other\n" {
			t.Errorf("%q", got)
		}
	})
	t.Run("no way out", func(t *testing.T) {
		m := m.With(t)
		if out, code := m.Try(t.Context(), "root", "timeout 10 bash -c 'echo >/dev/tcp/10.0.2.2/"+listener(t)+"'"); code == 0 {
			t.Errorf("it reaches this machine: %s", out)
		}
	})
	t.Run("files", func(t *testing.T) {
		m := m.With(t)
		dir := t.TempDir()
		write(t, filepath.Join(dir, "it's"), "text\n", 0o751)
		if err := os.Chmod(filepath.Join(dir, "it's"), 0o751); err != nil {
			t.Fatal(err)
		}
		m.Put(t.Context(), filepath.Join(dir, "it's"), "/opt/it's")
		m.Put(t.Context(), dir, "/opt/folder")
		m.Write(t.Context(), "/etc/some/thing.toml", "a = 1\n")
		got := m.Run(t.Context(), "root", `cd /opt; stat -c '%n %U %a %s' "it's" folder/*; cat /etc/some/thing.toml`)
		if want := "it's root 751 5\nfolder/it's root 751 5\na = 1\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		m.Get(t.Context(), "/opt/folder", filepath.Join(dir, "back"))
		m.Get(t.Context(), "/opt/it's", filepath.Join(dir, "one"))
		for _, name := range []string{"back/it's", "one"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != "text\n" {
				t.Errorf("%s: %q %v", name, b, err)
			}
		}
		m.Run(t.Context(), "root", "mkdir /mnt/extra && mount -o ro /dev/vdb /mnt/extra")
		if got := m.Run(t.Context(), "root", "cat /mnt/extra/of-root; stat -c %a /mnt/extra/of-root"); got != "large\n640\n" {
			t.Errorf("%q", got)
		}
	})
	t.Run("restart", func(t *testing.T) {
		m := m.With(t)
		m.Run(t.Context(), "root", "echo kept >/var/kept; echo gone >/run/gone")
		m.Reboot(t.Context())
		if got := m.Run(t.Context(), "dev", "cat /var/kept /run/gone 2>/dev/null || id -un"); got != "kept\ndev\n" {
			t.Errorf("after a restart %q", got)
		}
	})
}

// TestEnds: a machine does not outlive its test, however that ends, and leaves
// nothing on the image.
func TestEnds(t *testing.T) {
	image := vm.Image(t, vm.Desktop...)
	if os.Getenv("WORMBELL_VM_CHILD") != "" {
		m := vm.Start(t, vm.Config{Image: image})
		m.Run(t.Context(), "root", "echo x >/var/left && sync")
		os.Stdout.WriteString("started\n")
		<-t.Context().Done() // never
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	dir := t.TempDir()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestEnds$", "-test.timeout=20m")
	child.Env = append(os.Environ(), "WORMBELL_VM_CHILD=1", "TMPDIR="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("started"))
	if _, err := io.ReadFull(out, b); err != nil || string(b) != "started" {
		t.Fatalf("it says %q: %v", b, err)
	}
	if n := machines(t, dir); n != 1 {
		t.Fatalf("%d machines run: the test proves nothing", n)
	}
	child.Process.Kill()
	child.Wait()
	for deadline := time.Now().Add(time.Minute); machines(t, dir) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the machine outlived its test")
		}
	}
	m := vm.Start(t, vm.Config{Image: image})
	if out, code := m.Try(t.Context(), "root", "cat /var/left"); code == 0 {
		t.Errorf("the image was written to: %s", out)
	}
}

// machines counts those that keep what they write below a folder.
func machines(t *testing.T, dir string) (n int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		environ, err := os.ReadFile(name)
		if err != nil {
			continue // it ended, or ends
		}
		comm, err := os.ReadFile(filepath.Join(filepath.Dir(name), "comm"))
		if err == nil && strings.HasPrefix(string(comm), "qemu-system-") && strings.Contains(string(environ), "\x00TMPDIR="+dir+"/") {
			n++
		}
	}
	return n
}

// listener accepts on this machine until the test ends, and returns its port.
func listener(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

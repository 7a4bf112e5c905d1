package fanotify

import (
	"os"
	"testing"
)

// Lines as the kernel writes them to /proc/PID/syscall.
func TestAccessOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, arch, line string
		want             access
	}{
		{"openat for reading", "amd64", "257 0xffffff9c 0x7ffd1d0a6b2e 0x0 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", reads},
		{"openat with O_CLOEXEC", "amd64", "257 0xffffffffffffff9c 0xc00001c0c0 0x80000 0x0 0x0 0x0 0xc00008dd40 0x40a5ce\n", reads},
		{"openat for writing", "amd64", "257 0xffffff9c 0x55d0c8 0x241 0x1b6 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", writes},
		{"openat for both", "amd64", "257 0xffffff9c 0x55d0c8 0x42 0x1b6 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", reads},
		{"open for writing", "amd64", "2 0x55d0c8 0x1 0x0 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", writes},
		{"open for reading", "amd64", "2 0x55d0c8 0x0 0x1 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", reads},
		{"neither, for ioctl", "amd64", "2 0x55d0c8 0x3 0x0 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", writes},
		{"creat", "amd64", "85 0x55d0c8 0x1b6 0x0 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", writes},
		{"open_by_handle_at for writing", "amd64", "304 0x3 0x55d0c8 0x1 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", writes},
		{"openat2, whose flags may change under us", "amd64", "437 0xffffff9c 0x55d0c8 0x7ffd1d0a5300 0x18 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", unclear},
		{"execve", "amd64", "59 0x55d0c8 0x1 0x1 0x1 0x1 0x1 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", unclear},
		{"epoll_wait", "amd64", "232 0x6 0x7ffd1d0a53a8 0x1 0xffffffff 0x1 0x1 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", unclear},
		{"running", "amd64", "running\n", unclear},
		{"a worker of io_uring", "amd64", "-1 0x0 0x0\n", unclear},
		{"openat for writing", "arm64", "56 0xffffff9c 0x55d0c8 0x241 0x1b6 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", writes},
		{"openat for reading", "arm64", "56 0xffffff9c 0x55d0c8 0x0 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", reads},
		{"creat of another architecture", "arm64", "85 0x55d0c8 0x1b6 0x0 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", unclear},
		{"an architecture that we do not know", "riscv64", "56 0xffffff9c 0x55d0c8 0x241 0x1b6 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n", unclear},
		{"nothing", "amd64", "", unclear},
		{"nonsense", "amd64", "257 x y z 0 0 0", unclear},
	} {
		if got := accessOf([]byte(tt.line), tt.arch); got != tt.want {
			t.Errorf("%s on %s: got %d, want %d", tt.name, tt.arch, got, tt.want)
		}
	}
}

// A process that is in no open at all is not said to be writing.
func TestWritesOnlyInDoubt(t *testing.T) {
	t.Parallel()
	for _, pid := range []int{os.Getpid(), os.Getppid(), 0, -1, 1 << 30} {
		if writesOnly(pid) {
			t.Errorf("process %d is said to be writing", pid)
		}
	}
}

func FuzzAccessOf(f *testing.F) {
	f.Add([]byte("257 0xffffff9c 0x7ffd1d0a6b2e 0x1 0x0 0x0 0x0 0x7ffd1d0a53a8 0x7f9f0a5f2e4a\n"))
	f.Add([]byte("running\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if accessOf(line, "riscv64") != unclear {
			t.Error("clear on an architecture without a table")
		}
		accessOf(line, "amd64")
	})
}

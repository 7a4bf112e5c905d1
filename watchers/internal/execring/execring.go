// Package execring has the kernel say what each process executes at the moment
// it does: a program of ours at the kernel's tracepoint puts file, folder and
// arguments of every exec into a ring that the agent reads. So the command line
// of a process is known that ends before anybody could look.
//
// It holds mechanism only. It needs a kernel of 5.8 or newer with BTF, and the
// capabilities CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, which stands for both;
// whether that is so is found out by trying. It knows nothing of who is who,
// and wakes nobody: the proc connector tells of the same exec right after.
package execring

import "errors"

// That very clang, so that everybody's object is the same, byte for byte.
//go:generate clang-14 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -fdebug-compilation-dir=. -c exec.bpf.c -o exec.bpf.o
//go:generate llvm-strip-14 -g exec.bpf.o

// ErrUnsupported says that this system has no such mechanism.
var ErrUnsupported = errors.New("not available on this system")

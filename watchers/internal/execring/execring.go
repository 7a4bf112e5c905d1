// Package execring has the kernel say which processes begin and end, and what
// each of them executes at the moment it does: programs of ours at the kernel's
// tracepoints put that into a ring that the agent reads, in the order in which it
// happened. So the command line of a process is known that ends before anybody
// could look, and thousands of processes wake the agent once.
//
// It holds mechanism only. It needs a kernel of 5.8 or newer with BTF, the
// first namespace of PIDs, and the capabilities CAP_BPF and CAP_PERFMON, or
// CAP_SYS_ADMIN, which stands for both; whether that is so is found out by
// trying. It knows nothing of who is who.
package execring

import "errors"

// That very clang, so that everybody's object is the same, byte for byte.
//go:generate clang-14 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -fdebug-compilation-dir=. -c exec.bpf.c -o exec.bpf.o
//go:generate llvm-strip-14 -g exec.bpf.o

// ErrUnsupported says that this system has no such mechanism.
var ErrUnsupported = errors.New("not available on this system")

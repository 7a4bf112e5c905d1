package watchdog

import (
	"context"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Heart is the child's end of the heartbeat. It is safe for concurrent use.
type Heart struct {
	fd      int
	openers int // a descriptor that the parent listens to; -1 if it listens to none
}

// Child returns the heart of a process that [Run] started, and a context that
// ends when the parent does: an agent nobody watches must not hold openers.
func Child(ctx context.Context) (*Heart, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	for _, fd := range []int{beatFD, parentFD} {
		syscall.CloseOnExec(fd)
	}
	// A full pipe (the parent is stopped) must not block the answering path:
	// then a beat is dropped.
	syscall.SetNonblock(beatFD, true)
	offer() // else the parent may be ended first; then the service manager starts both
	h := &Heart{beatFD, -1}
	if os.Getenv(openersVariable) != "" {
		h.openers = openersFD
		syscall.CloseOnExec(openersFD)
	}
	parent := os.NewFile(parentFD, "parent")
	go func() { // ends with the process: the read returns only when the parent is gone
		parent.Read(make([]byte, 1))
		cancel()
	}()
	return h, ctx
}

// Beat says that the answering path has gone round. It never blocks.
func (h *Heart) Beat() { h.say(beat) }

// Watch has the parent see openers that queue at fd, a descriptor that can be read
// while one does, also while this process stands still. It reports whether it will;
// only then may the child rest. That ends when fd is closed, and keeps nothing open.
func (h *Heart) Watch(fd int) bool {
	return h.openers >= 0 && unix.EpollCtl(h.openers, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}) == nil
}

// Rest says that the answering path has gone round and that nobody waits: until
// the next Beat, which is to come before an opener is taken off its queue, the
// child needs to say something only every few seconds. It never blocks.
func (h *Heart) Rest() { h.say(rest) }

// Idle says that the child lives although nothing answers openers. It never
// blocks.
func (h *Heart) Idle() { h.say(idle) }

// Stuck says that the child is of no use any more. It never blocks.
func (h *Heart) Stuck() { h.say(stuck) }

// Ready says that everything is armed and the API is served.
func (h *Heart) Ready() { h.say(ready) }

// say writes one byte. It never blocks, so the runtime need not watch this
// thread meanwhile: at every beat that would wake one more.
func (h *Heart) say(what byte) {
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(h.fd), uintptr(unsafe.Pointer(&what)), 1)
}

// Again returns why the parent started this child again, in a few words; "" if
// it is the first, or was started again as it wished.
func Again() string { return os.Getenv(againVariable) }

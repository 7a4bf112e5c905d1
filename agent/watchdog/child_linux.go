package watchdog

import (
	"context"
	"os"
	"syscall"
	"unsafe"
)

// Heart is the child's end of the heartbeat. It is safe for concurrent use.
type Heart struct{ fd int }

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
	parent := os.NewFile(parentFD, "parent")
	go func() { // ends with the process: the read returns only when the parent is gone
		parent.Read(make([]byte, 1))
		cancel()
	}()
	return &Heart{beatFD}, ctx
}

// Beat says that the answering path has gone round. It never blocks.
func (h *Heart) Beat() { h.say(beat) }

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

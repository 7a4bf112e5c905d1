package fanotify

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fdsReserve is how many descriptors only the reader may use. One read takes
// 64 at most; the rest is for what other threads can grab in the microseconds
// in which the limit is raised for it, so that not one opener is turned away
// between our look at how many are left and the read.
const fdsReserve = 1024

// fdBudget keeps the reserve by the soft limit of this process, which it
// raises to the hard one during a read.
type fdBudget struct {
	n    uint64
	when time.Time
}

// limits returns the soft and the hard limit.
func limits() (l unix.Rlimit) {
	if err := prlimit(nil, &l); err != nil || l.Max == 0 {
		return unix.Rlimit{Cur: 1024, Max: 1024}
	}
	return l
}

// reserved returns the soft limit that leaves the reserve.
func reserved(l unix.Rlimit) uint64 { return min(l.Cur, l.Max-min(fdsReserve, l.Max/4)) }

// keep lowers the soft limit, which Go has raised to the hard one at start.
func (b *fdBudget) keep() {
	l := limits()
	if low := reserved(l); low < l.Cur {
		prlimit(&unix.Rlimit{Cur: low, Max: l.Max}, nil)
	}
}

// read calls f with the reserve at its disposal. It does not, and reports
// false, if the rest of the process has run out, or nearly so.
func (b *fdBudget) read(now time.Time, f func()) bool {
	l := limits()
	low := reserved(l)
	if b.count(now)+min(32, low/8) >= low {
		return false
	}
	prlimit(&unix.Rlimit{Cur: l.Max, Max: l.Max}, nil)
	f()
	prlimit(&unix.Rlimit{Cur: low, Max: l.Max}, nil)
	return true
}

// FilesToSpare reports whether there are enough descriptors again to go on
// after ErrNoFiles, with room for what was closed on the way.
func FilesToSpare() bool {
	var b fdBudget
	low := reserved(limits())
	return b.count(time.Now())+min(256, low/2) < low
}

// count returns how many descriptors are open. It takes less than a
// microsecond since Linux 6.2, which tells that as the size of a folder. On
// older ones the folder is listed, not too often.
func (b *fdBudget) count(now time.Time) uint64 {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/fd", &st); err == nil && st.Size > 0 {
		return uint64(st.Size)
	}
	if now.Sub(b.when) < idleTurn/5 {
		return b.n
	}
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return limits().Max
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	b.n, b.when = uint64(len(names)), now
	return b.n
}

// prlimit sets and gets the limits of descriptors, without Go's bookkeeping of
// what children inherit.
func prlimit(set, get *unix.Rlimit) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

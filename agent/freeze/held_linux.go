package freeze

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// heldPoll is how long the wait is before what was told to stop is looked at
// again: somebody is held meanwhile.
const heldPoll = 500 * time.Microsecond

// heldPolls is how often what was told to stop is looked at before the tree is
// looked through for what is new. A stop takes effect within microseconds,
// unless the machine is busy.
const heldPolls = 20

// thread is one thread, as often as its number is used.
type thread struct {
	pid, tid int
	start    string // as in its stat
}

// stopHeld stops until nothing new appears and no thread can run another
// instruction of its own.
//
// Why each thread is told: a signal to a process is met by one of its threads,
// which then stops the others. If it chose the one that the kernel holds, the
// others would run until that comes out. Why those that wait in the kernel are
// told once more when all is at rest: something of the tree that still ran may
// have sent SIGCONT, which takes back what is pending.
func (w *work) stopHeld(ctx context.Context) {
	told := map[thread]bool{}
	for stable := 0; stable < 2; {
		if ctx.Err() != nil {
			w.report.Hurried = true
			return
		}
		stable++
		if w.signalAll(unix.SIGSTOP) > 0 {
			stable = 0
		}
		for n := 0; n < heldPolls && !w.quiet(told); n++ {
			stable = 0
			if !heldSleep(ctx) {
				break
			}
		}
	}
	clear(told)
	w.quiet(told) // tells those that wait in the kernel once more
	if !w.quiet(told) {
		w.report.Hurried = true // something outside of the tree continues it
	}
}

func heldSleep(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(heldPoll):
		return true
	}
}

// quiet reports whether no thread of what was signalled can run another
// instruction, and tells those to stop that were not told yet.
func (w *work) quiet(told map[thread]bool) bool {
	all := true
	for pid, p := range w.done {
		if !w.still(p) {
			continue // it has ended, and with it all of its threads
		}
		all = threadsQuiet(pid, told) && all
	}
	return all
}

// threadsQuiet is quiet for one process.
func threadsQuiet(pid int, told map[thread]bool) bool {
	proc := "/proc/" + strconv.Itoa(pid) + "/task"
	dir, err := os.Open(proc)
	if err != nil {
		return true // it is gone
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	all := err == nil
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		b, err := read(proc + "/" + name + "/stat")
		_, rest, ok := cutLast(b, ')')
		f := bytes.Fields(rest)
		if err != nil || !ok || len(f) < 20 {
			continue // it is gone
		}
		state, th := f[0][0], thread{pid, tid, string(f[19])}
		if stopped(state) || dead(state) || state == 'D' && told[th] {
			continue
		}
		all = false
		if !told[th] {
			told[th] = unix.Tgkill(pid, tid, unix.SIGSTOP) == nil
		}
	}
	return all
}

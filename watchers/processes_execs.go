package watchers

import (
	"log/slog"
	"slices"
	"time"

	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/execring"
)

// execs brings together what two mechanisms say of the same exec: the kernel
// puts a record into the ring, which has the command line, and right after that
// sends the proc connector's message, which stands in one order with forks and
// exits. So whoever has the message finds the record. A nil execs has none.
//
// Lineage.mu guards it.
type execs struct {
	ring    ring
	why     string // why it is not to be had; "" if it is
	log     *slog.Logger
	waiting map[int32][]*decode.Exec // read, and not claimed by a message yet, oldest first
	count   int                      // of those
	lost    int                      // records that found no room
	silent  int                      // messages in a row without a record
}

// ring is the kernel's, or a test's.
type ring interface {
	Drain(func(*decode.Exec)) (lost int, err error)
	Close() error
}

const (
	// clockSlack is how far the clocks of the two may be apart, which are read
	// in different ways, in nanoseconds. No process executes twice within it.
	clockSlack = 20_000
	// waitFor is how long a record waits for its message.
	waitFor = 10 * time.Minute
	// waitingMax bounds the records that wait for their message. Nearly none
	// does: a process that is traced is held between the two.
	waitingMax = 4096
	// silentMax is how many messages in a row may come without a record until
	// the ring is given up: in a storm it overflows, but then it is read again.
	silentMax = 20000
)

// openExecs returns what there is here.
func openExecs(refuse []string, log *slog.Logger) *execs {
	x := &execs{log: log, waiting: map[int32][]*decode.Exec{}}
	if slices.Contains(refuse, "ebpf") {
		x.why = "eBPF is refused by the configuration"
		return x
	}
	r, err := execring.Open()
	if err != nil {
		x.why = "no eBPF here"
		log.Warn("command lines are read from /proc", "err", err)
		return x
	}
	x.ring = r
	return x
}

// of returns what the kernel said of an exec that p tells of, nil if it is none
// or nothing was said.
func (x *execs) of(p *decode.Proc) *decode.Exec {
	if x == nil || x.ring == nil {
		return nil
	}
	switch {
	case p.What == decode.ProcExec:
		x.read()
		e := x.claim(p)
		if e == nil {
			x.miss()
		} else {
			x.silent = 0
		}
		return e
	case p.What == decode.ProcExit && p.PID == p.TGID && x.count > 0:
		x.claim(p) // it was killed before the message was sent
	}
	return nil
}

// late returns the record of an exec that was not there when its message was
// taken in: another processor had not finished one before it.
func (x *execs) late(pid int, at uint64) *decode.Exec {
	if x == nil || x.ring == nil {
		return nil
	}
	x.read()
	if x.ring == nil {
		return nil
	}
	return x.claim(&decode.Proc{TGID: int32(pid), Time: at})
}

// claim takes the youngest record of p's process that was made before p, so
// that of several execs each has its own, and drops what is older: messages of
// theirs were lost.
func (x *execs) claim(p *decode.Proc) *decode.Exec {
	list := x.waiting[p.TGID]
	n := 0
	for n < len(list) && list[n].Time <= p.Time+clockSlack {
		n++
	}
	if n == 0 {
		return nil
	}
	e := list[n-1]
	if x.count -= n; n == len(list) {
		delete(x.waiting, p.TGID)
	} else {
		x.waiting[p.TGID] = list[n:]
	}
	return e
}

// read takes in what the ring holds.
func (x *execs) read() {
	lost, err := x.ring.Drain(func(e *decode.Exec) {
		x.waiting[e.PID] = append(x.waiting[e.PID], e)
		x.count++
	})
	x.lost += lost
	if err != nil {
		x.log.Warn("command lines are read from /proc from now on", "err", err)
		x.giveUp("the ring of execs broke down")
	} else if x.count > waitingMax {
		x.forget()
	}
}

// forget drops all records that wait but the younger half.
func (x *execs) forget() {
	times := make([]uint64, 0, x.count)
	for _, list := range x.waiting {
		for _, e := range list {
			times = append(times, e.Time)
		}
	}
	slices.Sort(times)
	x.before(times[len(times)/2])
}

// before drops the records that are older than a time of CLOCK_MONOTONIC.
func (x *execs) before(t uint64) {
	if x == nil {
		return
	}
	for pid, list := range x.waiting {
		list = slices.DeleteFunc(list, func(e *decode.Exec) bool { return e.Time < t })
		if len(list) == 0 {
			delete(x.waiting, pid)
		} else {
			x.waiting[pid] = list
		}
	}
	x.count = 0
	for _, list := range x.waiting {
		x.count += len(list)
	}
}

// miss notes a message without a record. Where none come any more, such as
// after somebody has taken our program out of the kernel, it is to be said.
func (x *execs) miss() {
	if x.silent++; x.silent > silentMax {
		x.giveUp("the kernel says no more of execs")
	}
}

func (x *execs) giveUp(why string) {
	x.ring.Close()
	x.ring, x.why = nil, why
	clear(x.waiting)
	x.count = 0
}

func (x *execs) close() {
	if x != nil && x.ring != nil {
		x.giveUp("closed")
	}
}

// overflowed returns how many records found no room. What of those was gone
// before it could be read otherwise is told as lost by the table.
func (x *execs) overflowed() int {
	if x == nil {
		return 0
	}
	return x.lost
}

// backend names what tells of execs, and why it is not the ring.
func (x *execs) backend() (name, why string) {
	if x == nil {
		return "procconn", ""
	}
	if x.ring != nil {
		return "ebpf", ""
	}
	return "procconn", x.why
}

package watchers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/execring"
	"wormbell/watchers/internal/procs"
)

// kernel is what tells of processes: the agent's programs in the kernel, or the
// proc connector. Lineage.mu guards all but Listen.
type kernel interface {
	// Drain hands over what was told, in order: of an exec with the command line,
	// or nil where that is not told. until is a time of [procs.Monotonic] at which it
	// may stop. lost says that something is missing.
	Drain(until time.Duration, each func(*decode.Proc, *decode.Exec)) (lost int, err error)
	// Listen calls ready whenever there is something to drain, until ctx is done or
	// ready fails.
	Listen(ctx context.Context, ready func() error) error
	// Near asks to be told at once of what a process and all below it do.
	Near(pid int)
	// Wake has Listen call ready once. Listen may run beside it.
	Wake()
	Close() error
}

// batch is how long what happens may wait until it is taken in together. Whoever
// asks takes in what is there, and what is near does not wait. A process that
// ends sooner is told of by its command line alone.
const batch = 8 * time.Millisecond

// ring is the agent's programs in the kernel.
type ring struct{ *execring.Ring }

func (r ring) Drain(_ time.Duration, each func(*decode.Proc, *decode.Exec)) (int, error) {
	return r.Ring.Drain(each)
}

func (r ring) Listen(ctx context.Context, ready func() error) error {
	return r.Ring.Listen(ctx, batch, ready)
}

func (r ring) Near(pid int) { r.Ring.Near(pid) } // full: then it waits like others

// connector is the proc connector, which tells of everything at once.
type connector struct{ *procs.Conn }

func (c connector) Drain(until time.Duration, each func(*decode.Proc, *decode.Exec)) (int, error) {
	return c.Conn.Drain(until, func(p *decode.Proc) { each(p, nil) })
}

func (connector) Near(int) {}

func (connector) Wake() {} // each of its messages does

// source is what tells of processes here, the best first, and what it lacks.
type source struct {
	kernel kernel // nil: /proc is looked at again and again
	name   string // as shown in `wormbell status`
	why    string // what is missing, "" for nothing
}

// openSource returns what there is here. without says why it is not to be the
// agent's programs in the kernel; "" if nothing is known against it.
func openSource(refuse []string, without string, queue int, log *slog.Logger) source {
	switch {
	case slices.Contains(refuse, "ebpf"):
		without = "eBPF is refused by the configuration"
	case without == "":
		r, err := execring.Open()
		if err == nil {
			return source{ring{r}, "ebpf", ""}
		}
		without = "no eBPF here"
		log.Warn("command lines are read from /proc", "err", err)
	}
	if slices.Contains(refuse, "procconn") {
		return source{nil, "poll", "the proc connector is refused by the configuration"}
	}
	c, err := procs.OpenConn(queue)
	if err != nil {
		log.Warn("process starts are polled", "err", err)
		return source{nil, "poll", "no proc connector here"}
	}
	return source{connector{c}, "procconn", without}
}

// errSilent says that processes are started of which nobody told.
var errSilent = errors.New("the kernel says no more of processes")

// listening reports whether the kernel still tells: if not one word came since
// the last time, no process may be there that began long ago and is not known.
// l.mu is held.
func (l *Lineage) listening() bool {
	quiet := l.words == 0
	l.words = 0
	if !quiet || l.from.name != "ebpf" {
		return true
	}
	pids, err := procs.Pids()
	if err != nil {
		return true
	}
	for _, pid := range pids {
		if n := l.tab.nodes[pid]; n != nil && !n.ended {
			continue
		}
		st, err := l.tab.reader.Stat(pid)
		if err == nil && !st.Gone() && l.tab.uptime()-time.Duration(st.Start)*(time.Second/procs.TicksPerSecond) > time.Second {
			l.drain() // it may have been told meanwhile
			return l.words > 0
		}
	}
	return true
}

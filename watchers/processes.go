package watchers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"wormbell"
	"wormbell/watchers/internal/procs"
)

// processesWatcher tells of every program that is started and of every one
// that ends. It feeds the lineage. On Linux eBPF tells of them, many at a time,
// and /proc is read only of what lives longer than that: see decision 7.
var processesWatcher = Watcher{
	Name:  "processes",
	Kinds: []wormbell.Kind{wormbell.ProcessStart, wormbell.ProcessExit},
	Run:   func(ctx context.Context, host Host, out Out) error { return host.Lineage.run(ctx, out) },
}

const (
	// pollEvery is how often /proc is looked at where the kernel tells
	// nothing. One look costs 5 µs as long as nobody started a process.
	pollEvery = 100 * time.Millisecond
	// settleFor is how long a shell may take to put a program that it has
	// started into the foreground of its terminal. Such a start is told later.
	settleFor = 20 * time.Millisecond
	// tidyEvery is how often ended processes are forgotten and the signer maintained.
	tidyEvery = time.Minute
	// toldMax is how many events are made before they are told.
	toldMax = 64
	// limboEvery is how often a process is looked at whose first thread has ended.
	limboEvery = 25 * time.Millisecond
)

// run watches until ctx is done.
func (l *Lineage) run(ctx context.Context, out Out) error {
	l.mu.Lock()
	tab := l.tab
	l.mu.Unlock()
	if tab == nil {
		return fmt.Errorf("watch processes: there is no lineage")
	}
	if _, err := procs.Pids(); err != nil {
		out.Sees("", false, procs.ErrUnsupported.Error()+" yet")
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // runs before the wait
	pub := newPublished(tab.proj.files)
	defer pub.close()
	t := teller{l: l, out: out, pub: pub, told: make([]wormbell.Event, 0, toldMax)}
	t.sees()
	wg.Go(func() { t.run(ctx) }) // turns news into events
	for ctx.Err() == nil {
		l.mu.Lock()
		k := l.from.kernel
		l.mu.Unlock()
		if k == nil {
			l.poll(ctx)
			return nil
		}
		err := k.Listen(ctx, l.heard)
		if ctx.Err() == nil {
			l.replace(err)
		}
	}
	return nil
}

// heard takes in what the kernel has told.
func (l *Lineage) heard() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain()
	return l.broken
}

// replace looks for something else that tells of processes, as what did failed
// with err, and at those there are.
func (l *Lineage) replace(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.from
	l.log.Warn("what told of processes is given up", "backend", was.name, "err", err)
	was.kernel.Close()
	switch l.broken = nil; {
	case was.name != "ebpf":
		l.from = source{nil, "poll", "the proc connector broke down"}
	case errors.Is(err, errSilent):
		l.from = openSource(l.refuse, "the kernel says no more of processes", l.queue, l.log)
	default:
		l.from = openSource(l.refuse, "eBPF broke down", l.queue, l.log)
	}
	l.tab.lost(1)
	l.notify()
}

// poll looks at /proc again and again.
func (l *Lineage) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		l.tab.poll()
		news := len(l.tab.news) > 0
		l.mu.Unlock()
		if news {
			l.notify()
		}
	}
}

// teller turns news into events, in order.
type teller struct {
	l      *Lineage
	out    Out
	pub    *published
	source string           // what told
	late   []news           // starts whose terminal is not settled yet
	told   []wormbell.Event // room for some
}

// sees says what tells of process starts, if that has changed.
func (t *teller) sees() {
	t.l.mu.Lock()
	name, why := t.l.from.name, t.l.from.why
	t.l.mu.Unlock()
	if t.source == name {
		return
	}
	t.source = name
	switch {
	case name == "poll":
		why += "; processes that live shorter than 100 ms are not seen"
	case os.Geteuid() != 0:
		why = "not root: of other users' processes nothing is known but that they start and end"
	case !looksInto():
		why = "without CAP_SYS_PTRACE: of other users' processes nothing is known but that they start and end"
	case why != "":
		why += "; the command lines of processes that live for a moment are missed"
	}
	t.out.Sees(name, true, why)
}

func (t *teller) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	tidied := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.l.wake:
		case <-timer.C:
		}
		t.sees()
		next := t.tellAll(ctx)
		if time.Since(tidied) >= tidyEvery {
			tidied = time.Now()
			t.tidy()
		}
		timer.Reset(min(next, tidyEvery))
	}
}

// tellAll tells everything that is to be told now, and returns when to come again.
func (t *teller) tellAll(ctx context.Context) time.Duration {
	for more := true; more && ctx.Err() == nil; {
		// Some at a time: whoever takes them is woken for all of these and not for
		// each.
		told := t.told[:0]
		for len(told) < cap(told) {
			e, settling, ok := t.next()
			if more = ok; !ok {
				break
			}
			if !settling {
				told = append(told, e)
			}
		}
		for i := range told {
			t.emit(ctx, told[i])
		}
		clear(told)
	}
	next := tidyEvery
	t.l.mu.Lock()
	if len(t.l.tab.limbo) > 0 {
		t.l.tab.checkLimbo()
		next = limboEvery
	}
	t.l.mu.Unlock()
	if len(t.late) > 0 {
		next = settleFor / 4
	}
	return next
}

// next takes the next event, holding the lock no longer than one process takes.
func (t *teller) next() (e wormbell.Event, settling, ok bool) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	tab := t.l.tab
	if len(t.late) > 0 {
		if n := t.late[0]; tab.isSettled(n.run) || tab.now().Sub(n.at) >= settleFor || tab.now().Before(n.at) {
			t.late = append(t.late[:0:0], t.late[1:]...)
			return t.event(n), false, true
		}
	}
	n, ok := tab.takeNews()
	if !ok {
		return e, false, false
	}
	if n.kind == wormbell.ProcessStart {
		tab.snapshot(n.run)
		if !tab.isSettled(n.run) && len(t.late) < 100 {
			t.late = append(t.late, n)
			return e, true, true
		}
	}
	return t.event(n), false, true
}

// event makes the event of one piece of news. The lock is held.
func (t *teller) event(n news) wormbell.Event {
	e := wormbell.Event{Time: n.at.UTC(), Kind: n.kind, Source: t.source}
	if n.kind == wormbell.Gap {
		e.Line, e.Count = cmp.Or(n.what, "process starts and exits"), n.count
		return e
	}
	e.Process = t.l.tab.snapshot(n.run)
	e.User = e.Process.User
	return e
}

// emit tells one event. A publish is told once it is known what is published.
func (t *teller) emit(ctx context.Context, e wormbell.Event) {
	if e.Kind == wormbell.ProcessStart && t.pub.enqueue(ctx, e, t.out) {
		return
	}
	t.out.Emit(e)
}

func (t *teller) tidy() {
	t.l.mu.Lock()
	t.l.tab.evict()
	if !t.l.listening() {
		t.l.broken = errSilent
		t.l.from.kernel.Wake()
	}
	missed := t.l.tab.missed
	t.l.mu.Unlock()
	t.l.sign.Maintain()
	t.l.log.Debug("command lines that are not known", "count", missed)
}

// takeNews takes the oldest piece of news. Losses come first.
func (t *table) takeNews() (news, bool) {
	t.settleForks()
	if t.dropped > 0 {
		n := news{kind: wormbell.Gap, at: t.now(), count: t.dropped}
		t.dropped = 0
		return n, true
	}
	t.countStalled()
	if t.stalled > 0 {
		n := news{kind: wormbell.Gap, at: t.now(), count: t.stalled, what: "command lines of processes that kept the agent from reading them"}
		t.stalled = 0
		return n, true
	}
	if t.unread > 0 && t.now().Sub(t.unreadTold) >= tidyEvery {
		n := news{kind: wormbell.Gap, at: t.now(), count: t.unread, what: "command lines of processes that ended before they could be read"}
		t.unread, t.unreadTold = 0, t.now()
		return n, true
	}
	if t.head == len(t.news) {
		t.news, t.head = t.news[:0], 0
		if cap(t.news) > 1024 {
			t.news = nil
		}
		return news{}, false
	}
	n := t.news[t.head]
	t.news[t.head] = news{}
	t.head++
	return n, true
}

// settleForks decides what was forked from processes that were not read yet.
func (t *table) settleForks() {
	for len(t.unsettled) > 0 {
		forked := t.unsettled
		t.unsettled = nil // reading one may bring more
		for _, r := range forked {
			t.settle(r)
		}
	}
}

// isSettled reports whether where a program stands at its terminal can be told
// already: it does not when it leads a group of its own below an interactive
// shell and is not in the foreground, as fish and some others start programs.
func (t *table) isSettled(r *run) bool {
	if r.tty == "" || r.foreground || r.node.ended || r.node.run != r || r.parent == nil || !r.parent.leader {
		return true
	}
	st, err := t.reader.Stat(r.node.pid)
	if err != nil || !t.same(r.node, &st) {
		return true
	}
	t.resample(r, &st)
	return r.foreground || st.Group != r.node.pid
}

// youngFor is how long a new process is looked at each time: most programs are
// executed soon after a fork, and only the fork shows in the list of processes.
const youngFor = 3 * time.Second

// poll is what the table does ten times a second where nobody tells it
// anything: next to nothing, unless a process was started since.
func (t *table) poll() {
	now := t.uptime()
	t.lookAgain(&t.young, func(n *node) bool {
		return now < time.Duration(n.start)*(time.Second/procs.TicksPerSecond)+youngFor
	})
	last, err := t.reader.LastPid()
	if err == nil && last == t.lastPid && now-t.fullScan < time.Second {
		return
	}
	t.lastPid, t.fullScan = last, now
	if now-t.execScan >= 10*time.Second { // an exec without a fork is rare in an old process
		t.scan(true)
		return
	}
	pids, err := procs.Pids()
	if err != nil {
		return
	}
	there := make(map[int]bool, len(pids))
	for _, pid := range pids {
		there[pid] = true
		if n := t.nodes[pid]; n == nil || n.ended {
			t.appeared(pid, n, true)
		}
	}
	t.vanished(there)
}

// lookAgain notices what processes of a list executed, and drops those that
// are gone or not to be kept.
func (t *table) lookAgain(list *[]*node, keep func(*node) bool) {
	left := (*list)[:0]
	for _, n := range *list {
		st, err := t.reader.Stat(n.pid)
		if n.ended || err != nil || !t.same(n, &st) || st.Gone() {
			continue // the list of processes will say so
		}
		t.reexecuted(n, &st)
		if keep(n) {
			left = append(left, n)
		}
	}
	clear((*list)[len(left):])
	*list = left
}

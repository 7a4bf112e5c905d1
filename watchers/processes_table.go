package watchers

import (
	"os"
	"slices"
	"time"

	"wormbell"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// How long and how many ended processes are remembered. Ten minutes is how long
// an incident may wait for its next finding; the number bounds memory on a
// machine that compiles, some 2 KB each. Those that a living process descends
// from are kept beyond both, by its pointers.
const (
	keepEnded = 10 * time.Minute
	endedMax  = 8192
)

// newsMax bounds what is waiting to be told. More is a loss.
const newsMax = 20000

// chainMax bounds how long a chain of ancestors grows before its ended middle
// is left out: a worm that forks from fork to fork must not grow us.
const chainMax = 256

// reader is how the table sees processes: /proc, or a test's.
type reader interface {
	Stat(pid int) (procs.Stat, error)
	Read(pid int) (procs.Info, error)
	Late() []procs.Late
	LastPid() (int, error)
	Close()
}

// voucher says who vouches for what a process runs: the signer, or a test's.
type voucher interface {
	Vouch(signer.Query) string
	Corepack(script string) bool
	Foreign(signer.Query) bool
	Files() *signer.Files
	Led(pid int, name string, age time.Duration) string
	Updating(label string, from time.Time)
	Updated(label string, from, to time.Time)
	Tool(signer.Query) string
}

// node is one process, from fork to exit.
type node struct {
	pid     int
	start   uint64 // ticks after boot as /proc says; 0 until somebody asks
	guess   uint64 // the same as the fork event says, at most a tick or two more
	run     *run   // what it runs now
	ended   bool
	endedAt time.Duration // of procs.Uptime
	limbo   bool          // its first thread has ended, others may still run
	near    bool          // the kernel was asked to be quick to tell of it
	loud    bool          // alive and part of a dependency's script
	counted *quiet        // where it is counted while it is loud, besides the table's quiet
	works   *doing        // what a package manager is at work for, alive
	does    *doing        // what it does, of a package manager that no other has started
	updates string        // it may replace the tool with this label
	self    bool          // the agent or its watchdog
}

// run is one program that a process runs, from exec (or fork) to exec.
type run struct {
	node   *node
	parent *run // the parent as it was at the fork
	prev   *run // what the same process ran before; nil once settled
	img    *image
	depth  int

	uid        int
	tty        string
	leader     bool
	foreground bool

	forked    bool         // not executed: the image is the parent's
	at        time.Time    // when it was executed; zero if that is not known
	pending   bool         // executed, and /proc not read yet
	said      *decode.Exec // what the kernel said of the exec, while pending; nil if it did not
	kernel    bool         // the kernel said so when it was executed
	losses    int          // of the table, then
	moved     bool         // its arguments are elsewhere since, and nothing told of an exec
	settled   bool         // the next lines are decided
	installer bool         // a package manager that somebody vouches for
	decided   bool         // whether it is a dependency's script was decided at or above it
	fetch     bool         // below npx: a fetched package's program may follow
	life      *life
	waits     *run   // the installer whose script this is or may be: its environment could not be read
	torn      bool   // it executed something else while it was judged: that nobody vouches for it says nothing
	replaced  string // the first that nobody vouches for of what the process ran before
	scripts   []*run

	led        string // img.led, as long as that is certain
	told       bool   // process.start was told
	snap       *wormbell.Process
	snapParent *wormbell.Process // the parent that snap was built on
	snapDepth  int
}

// image is what exec brought.
type image struct {
	exe, script, cwd, signer string
	args                     []string
	env                      *procs.Env   // nil if it could not be read
	around                   string       // where it looks for code: procs.Env.Around
	secrets                  []string     // names of variables that seem to hold one; shared
	tool                     string       // the registry tool that it is, signer.Tool
	foreign                  bool         // it loads what nobody vouches for, besides what it runs
	led                      string       // the file that script leads to, if that is another path; to be asked again before it counts
	late                     bool         // args were read, and not told by the kernel
	unjudged                 bool         // all that is known of it is what the kernel said
	file                     signer.Ident // what script led to then, if nobody vouches for it; zero if that is not known
	kind                     procs.Kind
	argStart                 uint64
}

// life is a dependency's script.
type life struct {
	event  string
	pkg    *wormbell.Package
	folder string  // the package's, resolved; "" if that is not known
	around *string // where the script's programs look for code, as the installer left it; nil if that is not known
}

// news is something to tell.
type news struct {
	kind  wormbell.Kind
	run   *run
	at    time.Time
	count int
	what  string // was lost; "" for starts and exits
}

// stall is a run whose process keeps us from reading its memory.
type stall struct {
	run     *run
	info    procs.Info    // what else there was to read
	since   time.Duration // the system's uptime then
	counted bool          // as lost
}

const (
	// stallsMax bounds them. More than a few dozen readers never hang at a time.
	stallsMax = 64
	// stalledFor is how long one may be read late without being told of as lost.
	stalledFor = 2 * time.Second
)

// table holds the processes. It is not safe for concurrent use.
type table struct {
	reader reader
	sign   voucher
	quiet  *quiet
	work   *work
	proj   *projects
	boot   time.Time
	self   []int
	all    bool // every process's memory may be read, of whichever user it is
	uptime func() time.Duration
	now    func() time.Time
	drain  func()        // takes in what the kernel has reported since; may be nil
	near   func(pid int) // asks the kernel to be quick to tell of a process and those below it; may be nil

	nodes      map[int]*node // the last one that had each pid
	ended      []*node       // oldest first
	limbo      []*node
	young      []*node   // for poll: those that may still execute something
	unsettled  []*run    // forked from what was not read yet
	news       []news    // oldest first
	head       int       // of news: what comes before was told
	dropped    int       // news that found no room
	missed     int       // execs whose command line is not known, also because we may not know it
	unread     int       // those among them that were gone before they could be read, and nobody was told of yet
	unreadTold time.Time // when somebody was told last
	stalled    int       // those among them that somebody kept us from reading for long, and nobody was told of yet
	stalls     []stall   // runs whose memory may be read yet, oldest first
	losses     int       // how often something of what the kernel told was lost, or may be from then on
	told       time.Time // when that happened which is taken in; zero if that is not known
	lastPid    int
	fullScan   time.Duration // when the last full scan was
	execScan   time.Duration // when old processes were last checked for an exec
}

func newTable(r reader, v voucher, q *quiet, w *work, boot time.Time, self []int) *table {
	return &table{reader: r, sign: v, quiet: q, work: w, proj: newProjects(v.Files()), boot: boot, self: self, all: os.Geteuid() == 0 && looksInto(),
		uptime: procs.Uptime, now: time.Now, nodes: map[int]*node{}}
}

// apply takes in one event of the kernel, and what it said of it if it is an exec.
func (t *table) apply(p *decode.Proc, said *decode.Exec) {
	switch p.What {
	case decode.ProcFork:
		if p.PID == p.TGID {
			t.forkTold(p)
		}
	case decode.ProcExec:
		t.told = t.wall(p)
		t.exec(int(p.TGID), said)
	case decode.ProcExit:
		if p.PID == p.TGID {
			t.told = t.wall(p)
			t.exit(p)
		}
	}
	t.told = time.Time{}
}

// wall is when something happened that the kernel tells of, by the clock on the
// wall as it is now; zero if that is not known.
func (t *table) wall(p *decode.Proc) time.Time {
	if ago := procs.Monotonic() - time.Duration(p.Time); p.Time > 0 && ago >= 0 && ago < time.Minute {
		return t.now().Add(-ago)
	}
	return time.Time{}
}

// forkTold takes in a fork. When the process began is told exactly, or must be
// guessed from when the message was made.
func (t *table) forkTold(p *decode.Proc) {
	if p.Start == 0 {
		t.fork(int(p.ParentTGID), int(p.TGID), t.ticks(p.Time))
		return
	}
	start := ticksOf(p.Start)
	t.fork(int(p.ParentTGID), int(p.TGID), start)
	t.nodes[int(p.TGID)].start = start
}

// ticks turns the time of an event into a start time.
func (t *table) ticks(monotonic uint64) uint64 {
	// This one first: when we are kept waiting between the two, the result may be
	// some ticks late and never early. See same.
	now := procs.Monotonic()
	suspended := t.uptime() - now
	return uint64(max(0, time.Duration(monotonic)+suspended) / (time.Second / procs.TicksPerSecond))
}

func (t *table) fork(parent, child int, guess uint64) {
	var above *run
	if p := t.nodes[parent]; p != nil {
		above = p.run
	} else if p = t.adopt(parent, false); p != nil {
		above = p.run
	}
	if old := t.nodes[child]; old != nil && !old.ended {
		t.end(old) // its exit was lost
	}
	n := &node{pid: child, guess: max(1, guess)}
	n.run = t.below(n, above)
	n.near = above != nil && above.node.near // the kernel sees to it
	t.nodes[child] = n
	if above == nil {
		n.run.img = &image{}
	} else if above.settled {
		t.settle(n.run)
	} else {
		t.unsettled = append(t.unsettled, n.run)
	}
}

// below returns the run of a process that was forked and has executed nothing yet.
func (t *table) below(n *node, parent *run) *run {
	r := &run{node: n, parent: parent, forked: true, uid: -1}
	if parent != nil {
		if parent.depth >= chainMax {
			t.settle(parent)
			parent.shorten()
		}
		r.img, r.uid, r.tty, r.foreground, r.depth = parent.img, parent.uid, parent.tty, parent.foreground, parent.depth+1
	}
	return r
}

func (t *table) exec(pid int, said *decode.Exec) {
	n := t.nodes[pid]
	if n != nil && said != nil && !t.same(n, &procs.Stat{Start: ticksOf(said.Start)}) {
		if !n.ended { // its exit was lost
			t.end(n)
		}
		n = nil
	}
	if n == nil {
		// Older than we are, or its fork was lost.
		if said == nil {
			t.adopt(pid, true)
			return
		}
		n = t.born(said)
	}
	if n.ended { // a thread other than the first executed and took its place
		n.ended, n.limbo = false, false
	}
	t.execed(n, said)
}

// execed gives a process a new run whose command line is still to be read.
func (t *table) execed(n *node, said *decode.Exec) {
	was := n.run
	n.run = &run{node: n, parent: was.parent, prev: was, depth: was.depth, img: &image{}, pending: true, said: said, at: t.told,
		uid: was.uid, tty: was.tty, leader: was.leader, foreground: was.foreground}
	if said != nil {
		n.run.uid, n.run.kernel, n.run.losses = int(said.UID), true, t.losses
	}
	t.tell(wormbell.ProcessStart, n.run)
}

func (t *table) exit(p *decode.Proc) {
	pid := int(p.TGID)
	n := t.nodes[pid]
	if n == nil || n.ended {
		return
	}
	if p.Start != 0 { // told when the last thread has ended
		if start := ticksOf(p.Start); n.start == 0 || n.start == start {
			t.end(n)
		}
		return
	}
	// The first thread may end and leave the others running. While a process
	// dies its other threads may be seen as well: look again a little later.
	if st, err := t.reader.Stat(pid); err == nil && !st.Gone() && t.same(n, &st) && st.Threads > 1 {
		if !n.limbo {
			n.limbo = true
			t.limbo = append(t.limbo, n)
		}
		return
	}
	t.end(n)
}

// checkLimbo looks again at processes whose first thread has ended.
func (t *table) checkLimbo() {
	left := t.limbo[:0]
	for _, n := range t.limbo {
		if !n.limbo || n.ended {
			continue
		}
		if st, err := t.reader.Stat(n.pid); err != nil || st.Gone() || !t.same(n, &st) {
			n.limbo = false
			t.end(n)
			continue
		}
		left = append(left, n)
	}
	clear(t.limbo[len(left):])
	t.limbo = left
}

func (t *table) end(n *node) {
	n.ended, n.limbo, n.endedAt = true, false, t.uptime()
	at := t.told
	if at.IsZero() {
		at = t.now()
	}
	if n.loud {
		n.loud = false
		t.quiet.less(t.now())
	}
	if n.counted != nil {
		n.counted.less(at)
		n.counted = nil
	}
	t.worked(n, at)
	if n.updates != "" {
		t.sign.Updated(n.updates, t.time(n.start), t.now())
	}
	t.ended = append(t.ended, n)
	if len(t.ended) > 2*endedMax { // more have ended at once than anybody comes to forget
		t.evict()
	}
	if !n.run.forked {
		t.tell(wormbell.ProcessExit, n.run)
	}
}

// evict forgets ended processes that are old or too many.
func (t *table) evict() {
	now, i := t.uptime(), 0
	for ; i < len(t.ended); i++ {
		n := t.ended[i]
		if len(t.ended)-i <= endedMax && now-n.endedAt < keepEnded {
			break
		}
		if n.ended && t.nodes[n.pid] == n {
			delete(t.nodes, n.pid)
		}
	}
	if i > 0 {
		t.ended = append(t.ended[:0:0], t.ended[i:]...)
	}
}

// tell notes something to tell.
func (t *table) tell(k wormbell.Kind, r *run) {
	if r.node.self {
		return
	}
	if len(t.news)-t.head >= newsMax {
		t.dropped++
		return
	}
	if t.head > 1024 && t.head > len(t.news)/2 { // somebody tells, and never to the end
		t.news, t.head = slices.Delete(t.news, 0, t.head), 0
	}
	t.news = append(t.news, news{kind: k, run: r, at: t.now()})
}

// startOf returns n's start, asking /proc if nobody did yet.
func (t *table) startOf(n *node) uint64 {
	if n.start == 0 {
		if st, err := t.reader.Stat(n.pid); err != nil || !t.same(n, &st) {
			n.start = n.guess
		}
	}
	return n.start
}

func (t *table) time(ticks uint64) time.Time {
	return t.boot.Add(time.Duration(ticks) * (time.Second / procs.TicksPerSecond))
}

func (t *table) id(n *node) wormbell.ProcessID {
	return wormbell.ProcessID{PID: n.pid, Start: t.time(t.startOf(n))}
}

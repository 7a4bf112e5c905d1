package watchers

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// Lineage knows who is who among the processes of this machine: it remembers
// ancestry also of processes that have exited. It is safe for concurrent use.
//
// Two goroutines of the processes watcher feed it, and so does every question:
// what the kernel has reported is taken in before an answer is given, under the
// same lock. Its zero value knows nobody.
type Lineage struct {
	log  *slog.Logger
	sign *signer.Signer
	sums sums
	maps *procs.Maps
	// homes are the folders of the guarded homes; never changed.
	homes []string
	boot  time.Time // what the starts of processes are counted from; never changed
	// refuse and queue are of the LineageConfig.
	refuse []string
	queue  int

	mu     sync.Mutex // guards the rest; held while the kernel's queue is drained
	from   source     // what tells of processes
	tab    *table
	broken error // what from failed with
	words  int   // what from has said since somebody last asked whether it still does
	// draining keeps the table from draining while it takes in what was drained.
	draining bool
	wake     chan struct{} // told when there is something to tell; room for one
}

// LineageConfig is what a Lineage needs to know.
type LineageConfig struct {
	Log    *slog.Logger
	Homes  []Home   // whose files belong to persons and not to root
	Refuse []string // backends that must not be used: "ebpf", "procconn"
	Self   []int    // PIDs of the agent and of its watchdog: known, but no events of theirs are told
	State  string   // file to remember enrolled tools in; "" remembers them in memory alone

	queue int    // room for unread events of the proc connector in bytes, for tests; 0 for the default
	brew  string // for tests
}

// NewLineage subscribes to what the kernel tells of processes, then looks at
// those that run already. Where it is refused, [Lineage.At] reads /proc
// and the processes watcher looks again and again. Close releases it.
func NewLineage(cfg LineageConfig) *Lineage {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lineage{log: cfg.Log, wake: make(chan struct{}, 1), sums: sums{patience: sumPatience}, maps: procs.NewMaps()}
	quiet, work := newQuiet(time.Now()), newWork(time.Now())
	homes := make([]signer.Home, len(cfg.Homes))
	for i, h := range cfg.Homes {
		homes[i] = signer.Home{Dir: h.Dir, UID: h.UID}
		l.homes = append(l.homes, h.Dir)
	}
	l.sign = signer.New(signer.Config{Homes: homes, Brew: cfg.brew, State: cfg.State, Log: cfg.Log,
		Quiet: quiet.was, QuietBut: work.quietBut, Installed: work.installed})
	boot, err := procs.BootTime()
	l.boot = boot
	if err != nil && !errors.Is(err, procs.ErrUnsupported) {
		cfg.Log.Warn("the time of boot is not known; processes start at the epoch", "err", err)
	}
	l.tab = newTable(procs.NewReader(), l.sign, quiet, work, boot, cfg.Self)
	l.from = openSource(cfg.Refuse, "", cfg.queue, cfg.Log)
	l.refuse, l.queue = cfg.Refuse, cfg.queue
	l.tab.drain = l.drain
	l.tab.near = l.near
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tab.scan(false)
	return l
}

// Close releases what l holds. No other method may run or follow.
func (l *Lineage) Close() {
	if l.tab == nil {
		return
	}
	l.sums.close() // it uses what follows
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from.kernel != nil {
		l.from.kernel.Close()
		l.from.kernel = nil
	}
	l.tab.reader.Close()
	l.sign.Close()
	l.tab = nil
}

// At returns the process that has pid now, with its ancestry, or nil if there
// is none. Everything the kernel has already reported about process starts is
// taken in first, so a process that is held in an open() is always known. A
// process that has just ended is still returned as long as nobody else has its pid.
func (l *Lineage) At(pid int) *wormbell.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tab == nil || pid <= 0 {
		return nil
	}
	l.drain()
	return l.tab.at(pid)
}

// Reading is [Lineage.At] for a process that opens a guarded file and waits. If
// it is a script of a JavaScript runtime that is vouched for, what it has loaded
// by now counts as well: an add-on that nobody vouches for makes it nobody's,
// and so does a process that does not let us look. Of another program that is
// what it has from its LD_LIBRARY_PATH. What it started before is told of as it was.
func (l *Lineage) Reading(pid int) *wormbell.Process {
	p := l.At(pid)
	if p == nil || p.Signer == "" || l.maps == nil {
		return p
	}
	where := ""
	if p.Script == "" || !ancestry.JavaScript(p) {
		if where = l.libraryPath(p); where == "" {
			return p
		}
	}
	code, err := l.maps.Code(pid)
	switch {
	case errors.Is(err, procs.ErrStalled):
	case err != nil || l.sign.Stranger(pid, code, where) == "":
		return p // it has gone, or nobody may look: what it executed is all that is known
	}
	stranger := *p
	stranger.Signer, stranger.Foreign = "", true
	return &stranger
}

// libraryPath is the LD_LIBRARY_PATH that p was executed with, its folders absolute;
// "" if it had none or that is not known any more.
func (l *Lineage) libraryPath(p *wormbell.Process) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tab == nil {
		return ""
	}
	n := l.tab.nodes[p.PID]
	if n == nil || n.run == nil || n.run.img == nil {
		return ""
	}
	for line := range strings.SplitSeq(n.run.img.around, "\n") {
		if value, ok := strings.CutPrefix(line, "LD_LIBRARY_PATH="); ok && value != "" { // of none at all ld.so(8) makes no folder
			var dirs []string
			for dir := range strings.SplitSeq(strings.ReplaceAll(value, ";", ":"), ":") {
				if !filepath.IsAbs(dir) { // an empty one, too
					dir = filepath.Join(n.run.img.cwd, dir)
				}
				dirs = append(dirs, dir)
			}
			return strings.Join(dirs, ":")
		}
	}
	return ""
}

// Living returns root and every living process that descends from it, also
// those that were re-parented, and also if root itself has ended. root comes
// first, the others by PID.
func (l *Lineage) Living(root wormbell.ProcessID) []wormbell.ProcessID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tab == nil {
		return nil
	}
	l.catchUp()
	ids := l.tab.living(root)
	slices.SortFunc(ids, func(a, b wormbell.ProcessID) int {
		if a == root || b == root {
			return cmp.Compare(btoi(b == root), btoi(a == root))
		}
		return cmp.Compare(a.PID, b.PID)
	})
	return ids
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Alive reports whether the process with this identity still runs. A zombie
// does not.
func (l *Lineage) Alive(id wormbell.ProcessID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tab == nil {
		return false
	}
	l.drain()
	return l.tab.alive(id)
}

// Enrolled lists the tools in homes that are vouched for because they were
// there first, and those that have fallen since.
func (l *Lineage) Enrolled() []wormbell.TrustRow {
	if l.sign == nil {
		return nil
	}
	return l.sign.Enrolled()
}

// Notices says in sentences what keeps it from naming who installed a program,
// and which tools in homes are trusted no more.
func (l *Lineage) Notices() []string {
	if l.sign == nil {
		return nil
	}
	return l.sign.Notices()
}

// Came says that a package lies in a folder, an absolute path without symlinks.
// If it is a package manager or a registry tool, it is held from then on.
func (l *Lineage) Came(dir string) {
	if l != nil && l.sign != nil {
		l.sign.Came(dir)
	}
}

// Fallen reports whether the tool with this row is trusted no more.
func (l *Lineage) Fallen(id string) bool { return l.sign != nil && l.sign.Fallen(id) }

// Forget takes the row of a tool in a home back, for uid: one that stands
// vouches for nothing from then on; of one that has fallen, what is there now
// is the tool. The error wraps fs.ErrNotExist if uid has no such tool.
func (l *Lineage) Forget(id string, uid int) error {
	if l.sign == nil {
		return fs.ErrNotExist
	}
	_, err := l.sign.Forget(id, uid)
	return err
}

// drain takes in what the kernel has reported. l.mu is held.
func (l *Lineage) drain() {
	if l.draining {
		return
	}
	l.draining = true
	defer func() { l.draining = false }()
	defer l.tab.lately()
	if l.from.kernel == nil {
		return
	}
	before := len(l.tab.news)
	lost, err := l.from.kernel.Drain(procs.Monotonic(), func(p *decode.Proc, said *decode.Exec) {
		l.words++
		l.tab.apply(p, said)
	})
	if lost > 0 {
		l.tab.lost(lost)
	}
	if err != nil {
		l.broken = err // the listener looks for another; until then /proc answers
		l.from.kernel.Wake()
	}
	if len(l.tab.news) > before {
		l.notify()
	}
}

// near asks the kernel to be quick to tell what a process does. l.mu is held.
func (l *Lineage) near(pid int) {
	if l.from.kernel != nil {
		l.from.kernel.Near(pid)
	}
}

// catchUp is drain, and where there is nothing to drain a look at all of /proc.
func (l *Lineage) catchUp() {
	if l.from.kernel != nil {
		l.drain()
		return
	}
	l.tab.scan(true)
	l.notify()
}

// notify wakes the teller.
func (l *Lineage) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

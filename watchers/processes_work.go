package watchers

import (
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/publish"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// work remembers what tells who wrote a package's folder: for each package
// manager when it, or one that it started, was putting packages somewhere, and when
// scripts of dependencies were alive that it had started. It is safe for
// concurrent use.
type work struct {
	stamp  time.Duration // how long before a change the file's time may lie
	mu     sync.Mutex    // guards the rest
	since  time.Time     // before this we cannot tell
	begun  []*doing      // oldest first
	stray  *doing        // scripts of which it is not known who started them
	ignore *quiet        // what npx runs: of no account here
}

// doing is what one package manager does that no other has started.
type doing struct {
	stamp    time.Duration     // the work's
	installs *quiet            // itself and those it starts, not scripts
	scripts  *quiet            // of all packages but those of own
	own      map[string]*quiet // of packages that may change their own folder, by that
}

// Bounds of what is remembered.
const (
	doingMax = 256
	ownMax   = 16
)

func newWork(now time.Time) *work {
	w := &work{stamp: procs.Tick() + time.Millisecond, since: now, ignore: exactly(now)}
	w.stray = w.doing()
	return w
}

func (w *work) doing() *doing {
	return &doing{w.stamp, exactly(w.since), exactly(w.since), map[string]*quiet{}}
}

// exactly is [newQuiet] for spans that stay apart: between two scripts a package
// manager writes, and makes the programs of packages executable.
func exactly(now time.Time) *quiet { return &quiet{since: now} }

// begin returns what a package manager will do.
func (w *work) begin() *doing {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.doing()
	if w.begun = append(w.begun, d); len(w.begun) > doingMax {
		w.since = latest(w.since, w.begun[0].installs.end(), w.begun[0].scripts.end())
		w.begun = slices.Delete(w.begun, 0, 1)
	}
	return d
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// end is when the last span of q ended, now if it goes on.
func (q *quiet) end() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch n := len(q.spans); {
	case q.alive > 0:
		return time.Now()
	case n > 0:
		return q.spans[n-1].to
	}
	return time.Time{}
}

// of returns where a script is counted. bun and yarn change their own folder when
// they are installed. What a person runs by npx is none that an installer starts
// while it is at work, and may go on for hours.
func (w *work) of(d *doing, l *life) *quiet {
	if l.event == "npx" {
		return w.ignore
	}
	if l.folder == "" || !signer.IsClient(l.folder) {
		return d.scripts
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	q := d.own[l.folder]
	if q == nil && len(d.own) < ownMax {
		q = exactly(w.since)
		d.own[l.folder] = q
	}
	if q == nil {
		return d.scripts
	}
	return q
}

// free reports whether no script that d started was alive between two times but
// those of the package in a folder. w.mu is held.
func (d *doing) free(folder string, from, to time.Time) bool {
	for f, q := range d.own {
		if f != folder && !q.free(from, to.Add(d.stamp)) {
			return false
		}
	}
	return d.scripts.free(from, to.Add(d.stamp))
}

// installed reports whether a package manager was at work at any time between two.
func (w *work) installed(from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.begun, func(d *doing) bool { return d.installs.covers(from, to) })
}

// matters reports whether it counts who wrote between two times: a package manager
// was at work, or a script was alive, which may have prepared something.
func (w *work) matters(from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.stray.free("", from, to) || slices.ContainsFunc(w.begun, func(d *doing) bool {
		return d.installs.covers(from, to) || !d.free("", from, to)
	})
}

// quietBut reports whether a package manager was at work between two times while
// no script that it had started was alive, but for those of the package in a
// folder; nor one that another package manager had left behind. What the scripts of
// another do while that is at work, in another project, is not held against it:
// people install in two windows.
func (w *work) quietBut(folder string, from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from.Before(w.since) || !w.stray.free(folder, from, to) {
		return false
	}
	one := false
	for _, d := range w.begun {
		free, works := d.free(folder, from, to), d.installs.covers(from, to)
		if !free && !works {
			return false
		}
		one = one || free && works
	}
	return one
}

// free is [quiet.was] for times at which a file changed. They may lie before the
// true ones and never after, and so does no end of a span lie before the true one:
// npm goes on writing as soon as the last script has ended.
func (q *quiet) free(from, to time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !from.Before(q.since) && !q.overlaps(from, to)
}

// covers reports whether somebody was alive at any time between two, which are times
// at which a file changed. What begins a moment later is not taken for at work: it
// would cover what a script did just before.
func (q *quiet) covers(from, to time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.overlaps(from, to)
}

// overlaps is the same for callers that hold q.mu.
func (q *quiet) overlaps(from, to time.Time) bool {
	return q.alive > 0 && !to.Before(q.from) || slices.ContainsFunc(q.spans, func(s span) bool { return !to.Before(s.from) && !from.After(s.to) })
}

// works notes that a package manager puts packages somewhere, until it ends.
func (t *table) works(r *run) {
	n := r.node
	if !r.installer || r.life != nil || n.works != nil || n.ended || !installs(&wormbell.Process{Exe: r.img.exe, Script: r.img.script, Args: r.img.args}) {
		return
	}
	n.works = t.doingOf(r)
	n.works.installs.more(t.wallStart(n))
}

// doubt counts what a package manager started and what was gone before it could be
// told whether it was a dependency's script: `echo x >>../pnpm/bin/pnpm.cjs` takes a
// millisecond.
func (t *table) doubt(r *run) {
	n := r.node
	if r.life != nil || r.waits == nil || r.img.env != nil || n.counted != nil {
		return
	}
	q := t.doingOf(r).scripts
	if n.ended {
		q.once(t.began(r), t.now().Add(n.endedAt-t.uptime()))
		return
	}
	n.counted = q
	q.more(t.began(r))
}

// doingOf returns what r is part of: what the topmost package manager at or above
// it does that is no script's.
func (t *table) doingOf(r *run) *doing {
	var top *node
	for a := r; a != nil; a = a.parent {
		if a.installer && a.life == nil {
			top = a.node
		}
	}
	if top == nil {
		return t.work.stray
	}
	if top.does == nil {
		top.does = t.work.begin()
	}
	return top.does
}

// worked ends what works began.
func (t *table) worked(n *node, at time.Time) {
	if n.works != nil {
		n.works.installs.less(at)
		n.works = nil
	}
}

// hands notes that a package manager has started the program for whose sake it
// fetched packages: npx waits for that, and writes nothing more.
func (t *table) hands(r *run) {
	up := r.parent
	if up == nil || up.node.works == nil || up.node.run != up || r.life != nil && r.life.event != "npx" {
		return
	}
	if name := path.Base(r.img.exe); r.img.signer != "" && (name == "git" || strings.HasPrefix(name, "git-") || name == "ssh") {
		return
	}
	if hands(&wormbell.Process{Exe: up.img.exe, Script: up.img.script, Args: up.img.args}) {
		t.worked(up.node, t.now())
	}
}

// What makes package managers write to node_modules, and what has them start a
// program afterwards.
var (
	npmInstalls = []string{"install", "i", "in", "ins", "inst", "insta", "instal", "isnt", "isnta", "isntal", "isntall", "add", "ci", "ic", "install-clean", "isntall-clean",
		"clean-install", "update", "up", "upgrade", "u", "udpate", "uninstall", "remove", "rm", "r", "un", "unlink", "link", "ln", "dedupe",
		"ddp", "prune", "rebuild", "rb", "install-test", "it", "install-ci-test", "cit", "sit", "clean-install-test", "audit", "exec", "x",
		"init", "create", "innit", "install-scripts", "approve-scripts"}
	installing = []string{"install", "i", "ci", "clean-install", "ic", "add", "a", "update", "up", "upgrade", "upgrade-interactive", "remove", "rm", "uninstall",
		"un", "unlink", "link", "ln", "dedupe", "prune", "rebuild", "rb", "import", "fetch", "deploy", "dlx", "x", "create", "c", "init", "global",
		"set", "workspaces", "install-test", "it", "patch", "patch-commit", "approve-builds"}
	handing = []string{"exec", "x", "dlx", "create", "c", "init", "innit"}
)

func commandOf(p *wormbell.Process) (client, command string) {
	client, args, _ := ancestry.Client(p)
	if client == "npm" {
		command, _, _ = publish.Command("npm", args)
		return client, command
	}
	return client, firstWord(args)
}

// installs reports whether what a package manager was told to do is to put
// packages somewhere. `npm run` is not: what it starts is anybody's.
func installs(p *wormbell.Process) bool {
	switch client, command := commandOf(p); client {
	case "npx", "pnpx", "bunx":
		return true
	case "npm":
		return slices.Contains(npmInstalls, command)
	case "yarn":
		return command == "" || slices.Contains(installing, command)
	default:
		return slices.Contains(installing, command)
	}
}

// hands reports whether it starts a program after that.
func hands(p *wormbell.Process) bool {
	client, command := commandOf(p)
	return client == "npx" || client == "pnpx" || client == "bunx" || slices.Contains(handing, command)
}

// firstWord is the first argument that is no flag: a command.
func firstWord(args []string) string {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--cwd" || a == "-C" || a == "--dir" || a == "--filter" || a == "-F" || a == "--prefix" || a == "--config" || a == "-c":
			i++
		case !strings.HasPrefix(a, "-"):
			return a
		}
	}
	return ""
}

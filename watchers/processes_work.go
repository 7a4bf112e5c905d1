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
	"wormbell/watchers/internal/signer"
)

// work remembers what tells who wrote a package's folder: when a dependency's
// script was alive, apart for those packages that may change their own folder,
// and when a package manager that no such script had started was at work. It is
// safe for concurrent use.
type work struct {
	others   *quiet // scripts of all packages but those of own
	asked    *quiet // what npx runs: of no account here
	installs *quiet // not scripts but package managers

	mu    sync.Mutex // guards the rest
	since time.Time
	own   map[string]*quiet // scripts by their package's folder
}

// ownMax bounds the folders that are kept apart.
const ownMax = 64

func newWork(now time.Time) *work {
	return &work{others: newQuiet(now), asked: newQuiet(now), installs: newQuiet(now), since: now, own: map[string]*quiet{}}
}

// of returns where a script is counted. bun and yarn change their own folder when
// they are installed. What a person runs by npx is none that an installer starts
// while it is at work, and may go on for hours.
func (w *work) of(l *life) *quiet {
	if l.event == "npx" {
		return w.asked
	}
	folder := l.folder
	if folder == "" || !signer.IsClient(folder) {
		return w.others
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.own[folder]
	switch {
	case q != nil:
	case len(w.own) >= ownMax:
		return w.others
	default:
		q = newQuiet(w.since)
		w.own[folder] = q
	}
	return q
}

// quietBut reports whether no script of a dependency was alive between two times
// but those of the package in a folder.
func (w *work) quietBut(folder string, from, to time.Time) bool {
	w.mu.Lock()
	var all []*quiet
	for f, q := range w.own {
		if f != folder {
			all = append(all, q)
		}
	}
	w.mu.Unlock()
	return w.others.free(from, to) && !slices.ContainsFunc(all, func(q *quiet) bool { return !q.free(from, to) })
}

// free is [quiet.was] for times at which a file changed. They may lie before the
// true ones and never after, and so does no end of a span lie before the true one:
// npm goes on writing as soon as the last script has ended.
func (q *quiet) free(from, to time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !from.Before(q.since) && !q.overlaps(from, to.Add(spanSlack))
}

// covers reports whether somebody was alive at any time between two.
func (q *quiet) covers(from, to time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.overlaps(from, to.Add(spanSlack))
}

// overlaps is the same for callers that hold q.mu.
func (q *quiet) overlaps(from, to time.Time) bool {
	return q.alive > 0 && !to.Before(q.from) || slices.ContainsFunc(q.spans, func(s span) bool { return !to.Before(s.from) && !from.After(s.to) })
}

// works notes that a package manager puts packages somewhere, until it ends.
func (t *table) works(r *run) {
	n := r.node
	if !r.installer || r.life != nil || n.works || n.ended || !installs(&wormbell.Process{Exe: r.img.exe, Script: r.img.script, Args: r.img.args}) {
		return
	}
	n.works = true
	t.work.installs.more(t.wallStart(n))
}

// worked ends what works began.
func (t *table) worked(n *node, at time.Time) {
	if n.works {
		n.works = false
		t.work.installs.less(at)
	}
}

// hands notes that a package manager has started the program for whose sake it
// fetched packages: npx waits for that, and writes nothing more.
func (t *table) hands(r *run) {
	up := r.parent
	if up == nil || !up.node.works || up.node.run != up || r.life != nil && r.life.event != "npx" {
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

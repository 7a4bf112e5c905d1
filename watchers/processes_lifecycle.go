package watchers

import (
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/watchers/internal/procs"
)

// settle decides what a run is part of: whether it is an installer, and
// whose script it or one of its ancestors is. Only what a vouched installer
// started itself is asked, by the environment that it was given: whatever is
// below can write its own.
func (t *table) settle(r *run) {
	if r.settled {
		return
	}
	defer t.approach(r)
	t.fill(r)
	if r.parent != nil {
		t.settle(r.parent)
	}
	if r.prev != nil {
		t.settle(r.prev)
	}
	r.settled = true
	up, prev := r.parent, r.prev
	r.prev = nil
	if up != nil {
		r.life, r.fetch = up.life, up.fetch
	}
	if prev != nil {
		r.life, r.fetch, r.decided, r.waits = prev.life, prev.fetch, prev.decided && !prev.forked, prev.waits
		r.replaced = prev.leaves()
	}
	if r.forked {
		switch { // what it will execute, or start, was started by the installer
		case up == nil:
		case up.installer:
			r.waits = up
		default:
			r.waits = up.waits
		}
		t.inherit(r)
		t.count(r)
		return
	}
	t.place(r)
	t.hands(r)
}

// place decides what a run is that has executed something, by who vouches for it and
// by what it belongs to.
func (t *table) place(r *run) {
	r.distrust()
	if r.life != nil && r.img.signer != "" && r.img.script != "" && t.sign.Corepack(r.img.script) {
		r.img.signer = "" // which package manager it runs is the script's choice, by the folder that it is started in
	}
	r.installer = ancestry.Installer(r.asInstaller())
	if r.installer {
		t.selfUpdate(r)
	}
	if r.life == nil && !r.decided {
		t.decide(r)
	}
	if r.life == nil && (r.fetch || r.parent != nil && r.parent.installer) {
		t.fetched(r)
	}
	r.distrust()
	t.count(r)
	t.doubt(r)
	t.works(r)
}

// asInstaller is r as [ancestry.Installer] judges it, which asks for the parent of
// one that nobody vouches for: the release of yarn that a project keeps.
func (r *run) asInstaller() *wormbell.Process {
	p := &wormbell.Process{Exe: r.img.exe, Script: r.img.script, Args: r.img.args, Signer: r.img.signer}
	if up := r.parent; p.Signer == "" && up != nil && up.installer {
		p.Parent = &wormbell.Process{Exe: up.img.exe, Script: up.img.script, Args: up.img.args, Signer: up.img.signer}
	}
	return p
}

// approach asks to hear at once of what happens at and below an installer, and
// in a dependency's script: there even what lives for a moment is looked at.
func (t *table) approach(r *run) {
	if t.near != nil && !r.node.near && !r.node.ended && (r.installer || r.waits != nil || r.life != nil) {
		r.node.near = true
		t.near(r.node.pid)
	}
}

// leaves returns what to remember of r once its process executes something
// else: the first code that nobody vouches for, or the first of a JavaScript
// runtime if another's came before it, as by `exec node .` in a script. A process that was forked and
// executes for the first time ran its parent's, which is above it anyway; what
// was gone before it could be read and judged is not held against it.
func (r *run) leaves() string {
	if r.forked || r.img.exe == "" || r.img.signer != "" || r.torn || r.img.unjudged {
		return r.replaced
	}
	runtime := ancestry.JavaScript(&wormbell.Process{Exe: r.img.exe, Script: r.img.script, Args: r.img.args})
	if r.replaced != "" && (!runtime || ancestry.HidesScript(r.replaced)) {
		return r.replaced
	}
	if r.img.script != "" && (!runtime || ancestry.HidesScript(r.img.script) || strings.Contains(r.img.script, "/node_modules/")) {
		return r.img.script
	}
	return r.img.exe
}

// distrust takes back what was vouched for if a dependency's script has
// changed where its program looks for code: LD_LIBRARY_PATH and the like. Of a
// person's own setting nothing is to be said.
func (r *run) distrust() {
	if r.life != nil && r.life.around != nil && r.img.env != nil && *r.life.around != r.img.around {
		r.img.signer, r.img.tool = "", ""
	}
}

// decide asks whether r is the outermost script of a dependency.
func (t *table) decide(r *run) {
	installer := r.waits
	if installer == nil && r.parent != nil {
		if r.parent.installer {
			installer = r.parent
		} else {
			installer = r.parent.waits
		}
	}
	if installer == nil {
		r.waits = nil
		return
	}
	if r.installer && (r.img.env == nil || r.img.env.LifecycleEvent == "npx") {
		r.waits = nil // a package manager that npx or another one runs
		return
	}
	if r.img.env == nil {
		r.waits = installer // gone too fast: its children have the same environment
		return
	}
	r.waits, r.decided = nil, true
	l, fetch := t.script(r, installer)
	r.fetch = fetch && !r.installer
	if l != nil {
		l.around = &r.img.around
	} else if r.installer {
		r.decided = false
		return // the package manager's own doing, as pnpm's npm
	} else if l = t.sibling(r, installer); l == nil {
		return
	}
	r.life = l
	installer.scripts = append(trim(installer.scripts), r)
	// The one above that was gone too fast is the script itself. Those it
	// started before keep what they were told.
	for a := r.parent; a != nil && a != installer && a.life == nil; a = a.parent {
		a.life, a.waits, a.snap = l, nil, nil
	}
}

// trim keeps the runs of processes that are there, and the youngest other one.
func trim(runs []*run) []*run {
	if len(runs) < 8 {
		return runs
	}
	last := runs[len(runs)-1]
	return slices.DeleteFunc(runs, func(r *run) bool { return r.node.ended && r != last })
}

// script reads which script r is from the environment that an installer gave
// it; nil if it is none of a dependency. fetch says that it is npx, below which
// a package's program follows.
func (t *table) script(r, installer *run) (l *life, fetch bool) {
	e := r.img.env
	if e.LifecycleEvent == "" || e.LifecycleEvent == "_explore" {
		return nil, false
	}
	outer := installer.img.env
	if outer == nil {
		outer = noEnv
	}
	if e.LifecycleEvent == outer.LifecycleEvent && e.PackageJSON == outer.PackageJSON && e.PackageName == outer.PackageName && e.PackageVersion == outer.PackageVersion {
		return nil, false // inherited from what started the installer: a helper such as git
	}
	folder := r.img.cwd
	if e.PackageJSON != "" && (e.PackageJSON != outer.PackageJSON || e.Command != "") { // yarn classic sets none, and may pass on npm's
		folder = path.Dir(e.PackageJSON)
	}
	if folder == "" || !path.IsAbs(folder) {
		return nil, e.LifecycleEvent == "npx" // could not tell
	}
	if t.proj.own(t.projectOf(r, installer), folder) {
		return nil, e.LifecycleEvent == "npx"
	}
	p := &wormbell.Package{Ecosystem: "npm", Name: e.PackageName, Version: e.PackageVersion}
	if p.Name == "" || p.Name == outer.PackageName && e.PackageJSON != outer.PackageJSON && path.Base(p.Name) != path.Base(folder) {
		if name := nameIn(folder); name != p.Name { // it has no name of its own and inherited one
			p.Name, p.Version = name, ""
		}
	}
	return &life{event: e.LifecycleEvent, pkg: p, folder: t.proj.resolve(folder)}, false
}

// nameIn returns the name of the package in a folder by where it lies.
func nameIn(folder string) string {
	name := path.Base(folder)
	if scope := path.Base(path.Dir(folder)); strings.HasPrefix(scope, "@") {
		name = scope + "/" + name
	}
	return name
}

// projectOf returns the folder of the project that an installer works for; ""
// if it cannot be told. An installer that another one started directly works
// for that one's: npm runs `npm install` in the clone of a git dependency.
func (t *table) projectOf(r, installer *run) string {
	below := r
	for installer.parent != nil && installer.parent.installer {
		below, installer = installer, installer.parent
	}
	if e, outer := below.img.env, installer.img.env; e != nil {
		if e.LocalPrefix != "" && (outer == nil || e.LocalPrefix != outer.LocalPrefix || isNpm(installer)) {
			return e.LocalPrefix
		}
		if e.ProjectCwd != "" && (outer == nil || e.ProjectCwd != outer.ProjectCwd || e.BerryBin != "") {
			return e.ProjectCwd
		}
	}
	return t.proj.nearest(installer.img.cwd)
}

// isNpm reports whether an installer is npm itself, which sets its own prefix
// in every case; others may pass on what they inherited.
func isNpm(r *run) bool {
	name, _, _ := ancestry.Client(&wormbell.Process{Exe: r.img.exe, Script: r.img.script, Args: r.img.args})
	return name == "npm" || name == "npx"
}

// sibling catches a script that makes its child its brother, by CLONE_PARENT,
// so that it seems to be started by the installer. While a dependency's
// script runs, an installer starts nothing but other scripts, itself and git.
func (t *table) sibling(r, installer *run) *life {
	if r.parent != installer || r.img.env.LifecycleEvent != "" && r.img.env.LifecycleEvent == envOf(installer).LifecycleEvent && r.img.signer != "" {
		return nil
	}
	if name := path.Base(r.img.exe); r.img.signer != "" && (name == "git" || strings.HasPrefix(name, "git-") || name == "ssh") {
		return nil
	}
	if r.img.env.LifecycleEvent != "" {
		return nil // a script of the project's own
	}
	for _, s := range slices.Backward(installer.scripts) {
		if !s.node.ended {
			return s.life
		}
	}
	return nil
}

func envOf(r *run) *procs.Env {
	if r.img.env == nil {
		return noEnv
	}
	return r.img.env
}

// fetched recognises a program of a package that was fetched to be run once.
func (t *table) fetched(r *run) {
	if r.installer || r.img.tool != "" {
		return // a package manager or a registry tool that is known: what it starts is told of as its doing
	}
	// By the way that it was asked for, too: pnpm keeps such packages elsewhere,
	// and links to them.
	for _, name := range []string{r.img.script, r.img.exe, r.firstFile()} {
		folder, pkg := t.proj.fetchedPackage(name)
		if folder == "" {
			continue
		}
		r.life = &life{event: "npx", pkg: &wormbell.Package{Ecosystem: "npm", Name: pkg, Version: t.proj.version(folder)}}
		if r.img.env != nil {
			r.life.around = &r.img.around
		}
		return
	}
}

// firstFile is the file that r's interpreter was told to run, by the first argument
// that is no option; "" if that is not absolute.
func (r *run) firstFile() string {
	for _, a := range r.img.args[min(1, len(r.img.args)):] {
		if path.IsAbs(a) {
			return a
		}
		if !strings.HasPrefix(a, "-") {
			break
		}
	}
	return ""
}

// count tells the quiet about a living process of a dependency's script.
func (t *table) count(r *run) {
	n := r.node
	if r.life == nil || n.loud {
		return
	}
	also := t.work.of(t.doingOf(r), r.life)
	if n.ended {
		t.quiet.once(t.wallStart(n), t.now())
		also.once(t.began(r), t.now())
		return
	}
	n.loud = true
	t.quiet.more(t.wallStart(n))
	if n.counted == nil {
		n.counted = also
		also.more(t.began(r))
	}
}

// began is when r began, as exactly as it is known: a package manager goes on to
// write until it starts a script.
func (t *table) began(r *run) time.Time {
	at := t.wallStart(r.node)
	for a := r; a != nil; a = a.parent { // nothing begins before what started it
		if a.at.After(at) {
			at = a.at
		}
	}
	return at
}

// wallStart is when a process started by the clock on the wall as it is now,
// to compare with the times of files. Process.Start is not exact enough: the
// kernel tells the time of boot in whole seconds.
func (t *table) wallStart(n *node) time.Time {
	ticks := n.start
	if ticks == 0 {
		ticks = n.guess
	}
	return t.now().Add(time.Duration(ticks)*(time.Second/procs.TicksPerSecond) - t.uptime())
}

// selfUpdate tells the signer that an enrolled tool is about to replace itself.
func (t *table) selfUpdate(r *run) {
	label := r.img.signer
	if !strings.HasPrefix(label, "first-use:") || r.node.updates != "" {
		return
	}
	_, args, ok := ancestry.Client(&wormbell.Process{Exe: r.img.exe, Script: r.img.script, Args: r.img.args})
	if !ok || !updatesItself(args) {
		return
	}
	r.node.updates = label
	t.sign.Updating(label, t.wallStart(r.node))
}

// updatesItself reports whether the arguments of a package manager make it
// install a package manager for everybody: `npm install -g npm@11`.
func updatesItself(args []string) bool {
	global, itself := false, false
	for _, a := range args {
		name, _, _ := strings.Cut(a, "@")
		switch {
		case a == "-g" || a == "--global" || a == "--location=global" || a == "upgrade" || a == "self-update":
			global = true
		case name == "npm" || name == "corepack" || name == "pnpm" || name == "yarn":
			itself = true
		}
		itself = itself || a == "upgrade" || a == "self-update"
	}
	return global && itself
}

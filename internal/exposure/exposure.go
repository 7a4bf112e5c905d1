// Package exposure says what one incident laid open: which credentials were
// read, which secrets stood in the thief's environment, what was published and
// changed. It makes commands to take back what was published and a text that a
// person can send to others.
//
// It works on what it is handed and does no I/O: what only a service or the
// person's files can tell is filled in by who has asked them. It must not know
// how an alert came about.
package exposure

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/mask"
	"wormbell/internal/publish"
	"wormbell/internal/stores"
)

// Exposure is what one incident laid open. Everything in it is as it was told:
// names are anybody's, so who shows them must make them safe to show.
type Exposure struct {
	Packages  []Package   `json:"packages"`  // the dependencies whose scripts did it
	Files     []File      `json:"files"`     // credential files that were read, in order of time
	Denied    []File      `json:"denied"`    // credential files that it was refused: it has nothing of them
	Decoys    []File      `json:"decoys"`    // decoys that were read: nothing of the person's was in them
	Variables []Variable  `json:"variables"` // secrets in the environment of the thief, by name; of a copy of these no file tells
	Published []Published `json:"published"` // what it tried to publish
	Changed   []Change    `json:"changed"`   // files that it wrote or removed, and manifests
	Tree      []Process   `json:"tree"`      // who ran, parents before children
	Partial   bool        `json:"partial"`   // there was more of some of it than the alert keeps

	// What others have to tell; nil if nobody was asked.
	Reach    []Reach    `json:"reach"`    // what the exposed tokens can do
	Versions []Version  `json:"versions"` // what a registry says was published in the time in question
	Exported []Exported `json:"exported"` // secrets that the person's shell exports to every program

	Demo bool `json:"demo,omitempty"` // all of it is a demonstration's own, made up

	Unwatched []Unwatched `json:"unwatched"` // credentials that are there and not guarded: nobody would know that they were read
}

// Package is a dependency whose lifecycle script did something.
type Package struct {
	wormbell.Package
	Lifecycle string `json:"lifecycle,omitempty"` // "postinstall"
	Folder    string `json:"folder,omitempty"`    // where its script ran
}

// File is a credential file that was read.
type File struct {
	Path      string            `json:"path"`  // with ~
	Store     string            `json:"store"` // ID of the store, "npm"
	Kind      string            `json:"kind"`  // what is in it, "npm tokens"
	Time      time.Time         `json:"time"`  // when it was first read
	By        string            `json:"by"`    // "collect.js (pid 4240)"
	Package   *wormbell.Package `json:"package,omitempty"`
	Lifecycle string            `json:"lifecycle,omitempty"`
}

// Variable is a variable that seems to hold a secret and that the thief had.
type Variable struct {
	Name string `json:"name"`
	By   string `json:"by"` // the topmost process of the thief's tree that had it
}

// Published is something that the thief tried to publish. Whether the registry
// took it is not known from here.
type Published struct {
	Package  *wormbell.Package `json:"package"`            // nil if it is not known
	What     string            `json:"what"`               // the package, else the folder, file or spec
	Registry string            `json:"registry,omitempty"` // if the command line named one
	Client   string            `json:"client"`             // "npm", "pnpm", "yarn" or "bun"
	Staged   bool              `json:"staged,omitempty"`   // it waits for somebody's approval
	Time     time.Time         `json:"time"`               // of the first attempt
	Count    int               `json:"count"`              // attempts that the alert keeps
	By       string            `json:"by"`
}

// Change is something that the thief did to a file.
type Change struct {
	What string    `json:"what"` // "wrote", "removed", "changed"
	Path string    `json:"path"`
	Note string    `json:"note,omitempty"` // `"private" removed`
	Time time.Time `json:"time"`
	By   string    `json:"by"`
}

// Process is one process of the tree.
type Process struct {
	PID       int               `json:"pid"`
	Depth     int               `json:"depth"` // 0 for a root
	Command   string            `json:"command"`
	Package   *wormbell.Package `json:"package,omitempty"` // only where its script begins
	Lifecycle string            `json:"lifecycle,omitempty"`
}

// Reach is what one exposed token can do, as its service says.
type Reach struct {
	Kind  string   `json:"kind"`            // "npm token"
	Owner string   `json:"owner,omitempty"` // whose it is
	Where string   `json:"where"`           // the file, with ~, or the variable that it stands in
	Can   []string `json:"can"`             // "publish left-pad", each a few words
	Why   string   `json:"why,omitempty"`   // why that could not be told; then an empty Can does not mean "nothing"
}

// Version is a version of a package that a registry has.
type Version struct {
	wormbell.Package
	Registry string    `json:"registry,omitempty"`
	Time     time.Time `json:"time"`
	By       string    `json:"by,omitempty"` // the account that published it, as the registry says
	// Earlier says that it was published before the thief was first seen, who was
	// not seen to try it either: perhaps by the person. Nobody is told to take it
	// away.
	Earlier bool `json:"earlier,omitempty"`
}

// Unwatched is a store of credentials that is there and not guarded.
type Unwatched struct {
	Store string `json:"store"` // its ID, "ssh"
	Kind  string `json:"kind"`  // what is in it, "SSH keys"
	Path  string `json:"path"`  // with ~, one of its patterns
}

// Doubt says in a sentence or two what may have been taken without a word, "" if
// there is nothing of the kind.
func Doubt(all []Unwatched) string {
	var kinds []string
	ssh := false
	for _, u := range all {
		if k := u.Kind + " (" + u.Path + ")"; !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
		ssh = ssh || u.Store == "ssh"
	}
	if len(kinds) == 0 {
		return ""
	}
	text := "Not watched, so nobody can tell whether it was taken: " + strings.Join(kinds, ", ") + ". If in doubt, replace it"
	if ssh {
		text += "; for SSH: ssh-keygen -t ed25519, its public half to every site and server, and the old one's off them"
	}
	return text + "."
}

// Exported is a variable that one of a shell's files sets for every program.
type Exported struct {
	Name string `json:"name"`
	Path string `json:"path"` // with ~
	Line int    `json:"line"`
}

// maxTree bounds the tree; the alert keeps more processes than a person reads.
const maxTree = 200

// Of gathers what an alert's evidence says. Findings of low severity are left
// out: they are for the record.
func Of(a wormbell.Alert) Exposure {
	x := Exposure{Demo: a.Demo}
	t := tree{byID: map[wormbell.ProcessID]*node{}}
	for _, e := range evidence(a) {
		x.event(e)
		if e.Process != nil {
			x.thief(e.Process)
			t.add(e.Process)
		}
	}
	for _, f := range a.Findings {
		x.Partial = x.Partial || len(f.Evidence) >= keptOfFinding && f.Severity > wormbell.Low
	}
	slices.SortStableFunc(x.Files, func(a, b File) int { return a.Time.Compare(b.Time) })
	x.Tree = t.list()
	return x
}

// keptOfFinding is how many events of one finding an alert keeps: the first 5
// and the last 15.
const keptOfFinding = 20

// evidence returns the events of a's findings, each once, in order of time.
func evidence(a wormbell.Alert) (all []wormbell.Event) {
	type key struct {
		time    int64
		kind    wormbell.Kind
		path    string
		process wormbell.ProcessID
	}
	seen := map[key]bool{}
	for _, f := range a.Findings {
		// What looks harmless by itself is not when the same tree did worse.
		if f.Severity == wormbell.Low && (f.Detector != "credential-read" || a.Severity <= wormbell.Low) {
			continue
		}
		for _, e := range f.Evidence {
			if k := (key{e.Time.UnixNano(), e.Kind, e.Path, e.Process.ID()}); !seen[k] {
				seen[k] = true
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b wormbell.Event) int { return a.Time.Compare(b.Time) })
	return all
}

// event takes in what e says was done.
func (x *Exposure) event(e wormbell.Event) {
	change := func(what, note string) {
		c := Change{what, e.Path, note, e.Time, e.Process.String()}
		if !slices.ContainsFunc(x.Changed, func(o Change) bool { return o.What == what && o.Path == c.Path && o.Note == note && o.By == c.By }) {
			x.Changed = append(x.Changed, c)
		}
	}
	switch e.Kind {
	case wormbell.FileRead:
		x.read(e)
	case wormbell.FileWrite:
		change("wrote", "")
	case wormbell.FileRemove:
		change("removed", "")
	case wormbell.ManifestChange:
		change("changed", manifestNote(e))
	case wormbell.ProcessStart:
		x.publish(e)
	}
}

func (x *Exposure) read(e wormbell.Event) {
	store, files := stores.Of(e.Path), &x.Files
	if e.Denied() {
		files = &x.Denied
	}
	if e.Decoy {
		store, files = &stores.Store{ID: wormbell.DecoyStore, Kind: "decoy"}, &x.Decoys
	}
	if store == nil {
		return
	}
	f := File{Path: e.Path, Store: store.ID, Kind: store.Kind, Time: e.Time, By: e.Process.String()}
	if d := ancestry.Dependency(e.Process); d != nil {
		f.Package, f.Lifecycle = d.Package, d.Lifecycle
	}
	if !slices.ContainsFunc(*files, func(o File) bool { return o.Path == f.Path && o.By == f.By }) {
		*files = append(*files, f)
	}
}

func (x *Exposure) publish(e wormbell.Event) {
	a, ok := publish.Parse(e.Process)
	if !ok || a.DryRun {
		return
	}
	if up, ok := publish.Parse(e.Process.Parent); ok && (!up.Workspaces || a.Workspaces) {
		return // the second client of one publish
	}
	p := Published{Registry: plainURL(a.Registry), Client: a.Client, Staged: a.Staged, Time: e.Time, Count: 1, By: e.Process.String()}
	switch {
	case e.Package != nil && e.Package.Name != "" && !a.Workspaces:
		p.Package, p.What = e.Package, e.Package.String()
	case a.Workspaces:
		p.What = "the workspaces of " + a.Folder
	case a.Tarball != "":
		p.What = a.Tarball
	case a.Folder != "":
		p.What = a.Folder
	default:
		p.What = a.Spec
	}
	if i := slices.IndexFunc(x.Published, func(o Published) bool { return o.What == p.What && o.Registry == p.Registry }); i >= 0 {
		x.Published[i].Count++
		return
	}
	x.Published = append(x.Published, p)
}

// thief takes in what p and those above it say, up to the root of its tree.
func (x *Exposure) thief(p *wormbell.Process) {
	root := ancestry.Root(p)
	var line []*wormbell.Process // from the root down
	for a := range p.Chain {
		line = append(line, a)
		if a == root {
			break
		}
	}
	slices.Reverse(line)
	for _, a := range line {
		for _, name := range a.Secrets {
			if !slices.ContainsFunc(x.Variables, func(v Variable) bool { return v.Name == name }) {
				x.Variables = append(x.Variables, Variable{name, a.String()})
			}
		}
	}
	if d := ancestry.Dependency(p); d != nil {
		pkg := Package{*d.Package, d.Lifecycle, d.Cwd}
		if !slices.Contains(x.Packages, pkg) {
			x.Packages = append(x.Packages, pkg)
		}
	}
}

// manifestNote says what became different in a package.json.
func manifestNote(e wormbell.Event) string {
	was, is := e.Was, e.Is
	if was == nil || is == nil {
		return ""
	}
	var notes []string
	if was.Private && !is.Private {
		notes = append(notes, `"private" removed`)
	}
	if was.Name != is.Name {
		notes = append(notes, was.Name+" → "+is.Name)
	}
	if was.Version != is.Version {
		notes = append(notes, was.Version+" → "+is.Version)
	}
	if len(e.Scripts) > 0 {
		notes = append(notes, "scripts "+strings.Join(e.Scripts, ", "))
	}
	return strings.Join(notes, ", ")
}

// tree merges ancestries.
type tree struct {
	roots []*node
	byID  map[wormbell.ProcessID]*node
}

type node struct {
	process  *wormbell.Process
	children []*node
}

// add puts p and what is above it into the tree: up to the package manager
// that ran the dependency's script, else to the root of its incident.
func (t *tree) add(p *wormbell.Process) {
	top := ancestry.Root(p)
	if d := ancestry.Dependency(p); d != nil {
		if i := ancestry.BelowInstaller(d); i != nil {
			top = i
		}
	}
	var below *node
	for a := range p.Chain {
		n, known := t.byID[a.ID()]
		if !known {
			n = &node{process: a}
			t.byID[a.ID()] = n
		}
		if below != nil && !slices.Contains(n.children, below) {
			n.children = append(n.children, below)
		}
		if known {
			return
		}
		if a == top || a.Parent == nil {
			t.roots = append(t.roots, n)
			return
		}
		below = n
	}
}

// list returns the tree, parents before children, maxTree of it at most.
func (t *tree) list() (out []Process) {
	var walk func(n *node, depth int, pkg *wormbell.Package)
	walk = func(n *node, depth int, pkg *wormbell.Package) {
		if len(out) >= maxTree {
			return
		}
		p := Process{PID: n.process.PID, Depth: depth, Command: command(n.process)}
		if n.process.Package != nil && pkg == nil {
			p.Package, p.Lifecycle = n.process.Package, n.process.Lifecycle
		}
		out = append(out, p)
		for _, c := range n.children {
			walk(c, depth+1, n.process.Package)
		}
	}
	for _, r := range t.roots {
		walk(r, 0, nil)
	}
	return out
}

// command is p's command line, with the folders of program and script left out.
func command(p *wormbell.Process) string {
	if len(p.Args) == 0 {
		return p.Name()
	}
	// Watchers have masked it; what leaves the machine deserves a second lock.
	words := slices.Clone(mask.Args(p.Args))
	words[0] = path.Base(words[0])
	for i, w := range words[1:] {
		if p.Script != "" && path.Base(w) == path.Base(p.Script) {
			words[i+1] = path.Base(w)
			break
		}
	}
	return strings.Join(words, " ")
}

// Empty reports whether nothing was laid open or changed, as far as is known.
func (x Exposure) Empty() bool {
	return len(x.Files)+len(x.Denied)+len(x.Decoys)+len(x.Variables)+len(x.Published)+len(x.Changed)+len(x.Reach)+len(x.Versions)+len(x.Exported) == 0
}

// MarshalJSON writes x with its commands, and with arrays that are never null.
func (x Exposure) MarshalJSON() ([]byte, error) {
	type plain Exposure
	x.Packages, x.Files, x.Variables, x.Published = list(x.Packages), list(x.Files), list(x.Variables), list(x.Published)
	x.Changed, x.Tree, x.Reach, x.Versions, x.Exported = list(x.Changed), list(x.Tree), slices.Clone(list(x.Reach)), list(x.Versions), list(x.Exported)
	x.Unwatched, x.Decoys, x.Denied = list(x.Unwatched), list(x.Decoys), list(x.Denied)
	for i := range x.Reach {
		x.Reach[i].Can = list(x.Reach[i].Can)
	}
	return json.Marshal(struct {
		plain
		Commands []Command `json:"commands"`
	}{plain(x), list(x.Commands())})
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

package cli

import (
	"slices"
	"strconv"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/plain"
)

// node is one process in the picture of a tree.
type node struct {
	process  *wormbell.Process
	children []*node
	deeds    []string // what it did, of the alert's evidence
}

// forest is the processes of one alert, from the shell or terminal down.
type forest struct {
	roots []*node
	nodes map[wormbell.ProcessID]*node
}

// grow merges the ancestries of everybody in an alert's evidence.
func grow(a wormbell.Alert) forest {
	f := forest{nodes: map[wormbell.ProcessID]*node{}}
	for _, finding := range a.Findings {
		for _, e := range finding.Evidence {
			if e.Process == nil {
				continue
			}
			n := f.add(e.Process, ancestry.Top(e.Process))
			if d := fileDeed(e); d != "" && !slices.Contains(n.deeds, d) {
				n.deeds = append(n.deeds, d)
			}
		}
	}
	for _, n := range f.nodes {
		slices.SortStableFunc(n.children, func(a, b *node) int { return a.process.Start.Compare(b.process.Start) })
	}
	return f
}

// fileDeed is deed for what a process did to a file, in fewer words: the list
// below the tree has them all.
func fileDeed(e wormbell.Event) string {
	switch verb, what := deed(e); e.Kind {
	case wormbell.FileRead, wormbell.FileWrite, wormbell.FileRemove:
		return verb + " " + e.Path
	case wormbell.ConnectionSeen:
		return verb + " " + what
	case wormbell.ManifestChange:
		if e.Was != nil && e.Is != nil && e.Was.Private && !e.Is.Private {
			return `removed "private" from ` + e.Path
		}
		return verb + " " + e.Path
	}
	return ""
}

// add puts p and its ancestors up to top into the forest.
func (f *forest) add(p, top *wormbell.Process) *node {
	if n := f.nodes[p.ID()]; n != nil {
		return n
	}
	n := &node{process: p}
	f.nodes[p.ID()] = n
	if p.ID() == top.ID() || p.Parent == nil {
		f.roots = append(f.roots, n)
		return n
	}
	parent := f.add(p.Parent, top)
	parent.children = append(parent.children, n)
	return n
}

// Limits of the picture of a tree.
const (
	maxChildren = 6 // of one process
	maxDepth    = 24
)

func (p *printer) tree(f forest) {
	for _, r := range f.roots[:min(len(f.roots), maxChildren)] {
		p.node(r, "  ", "  ", nil, 0)
	}
	if more := len(f.roots) - maxChildren; more > 0 {
		p.line("  %s", p.look(dim, "… and "+count(more, "more tree")))
	}
}

// node writes n and what is below it. first is what stands before its own
// line, rest before those below.
func (p *printer) node(n *node, first, rest string, parent *wormbell.Process, depth int) {
	pr := n.process
	if n.deeds == nil && len(n.children) == 1 && ancestry.Plumbing(pr) && parent != nil {
		p.node(n.children[0], first, rest, parent, depth) // sh -c CMD with CMD below it
		return
	}
	note := ""
	if pr.Package != nil && (parent == nil || parent.Package == nil) {
		note = plain.Text(strings.TrimSpace(pr.Lifecycle + " of " + pr.Package.String()))
	}
	tail := "  pid " + strconv.Itoa(pr.PID)
	room := max(16, p.width-width(first)-width(tail))
	text := shorten(plain.Text(commandLine(pr)), room)
	p.line("%s%s%s", p.look(dim, first), p.who(n, text), p.look(dim, tail))
	below := rest
	if len(n.children) > 0 {
		below += "│  "
	} else {
		below += "   "
	}
	if note != "" {
		p.line("%s%s", p.look(dim, below), p.look(yellow, shorten(note, max(16, p.width-width(below)))))
	}
	for _, d := range n.deeds[:min(len(n.deeds), maxChildren)] {
		p.line("%s%s", p.look(dim, below), p.look(red, shorten(plain.Text(d), max(16, p.width-width(below)))))
	}
	if more := len(n.deeds) - maxChildren; more > 0 {
		p.line("%s%s", p.look(dim, below), p.look(red, "… and "+strconv.Itoa(more)+" more"))
	}
	if depth >= maxDepth && len(n.children) > 0 {
		p.line("%s", p.look(dim, rest+"└─ …"))
		return
	}
	shown := n.children[:min(len(n.children), maxChildren)]
	hidden := len(n.children) - len(shown)
	for i, c := range shown {
		if i == len(shown)-1 && hidden == 0 {
			p.node(c, rest+"└─ ", rest+"   ", pr, depth+1)
		} else {
			p.node(c, rest+"├─ ", rest+"│  ", pr, depth+1)
		}
	}
	if hidden > 0 {
		p.line("%s", p.look(dim, rest+"└─ … and "+strconv.Itoa(hidden)+" more"))
	}
}

// who is the text of a process: those that did something stand out.
func (p *printer) who(n *node, text string) string {
	if len(n.deeds) > 0 {
		return p.look(bold, text)
	}
	return text
}

// commandLine is p as a person would have typed it.
func commandLine(p *wormbell.Process) string {
	words := ancestry.Typed(p)
	for i, w := range words {
		words[i] = shorten(arg(w), 120)
	}
	return strings.Join(words, " ")
}

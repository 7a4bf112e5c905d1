package dashboard

import (
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/publish"
	"wormbell/internal/words"
)

// deed is one thing that a process did.
type deed struct {
	Kind wormbell.Kind
	Mark string // which sign the picture has for it: "file", "change", "package", "publish", "other"
	Verb string // in the person's language
	What string // from outside
	Bad  bool   // it is what the alert is about
}

// node is one process in the tree of an alert.
type node struct {
	Process  *wormbell.Process
	Title    string // command line, from outside
	Note     string // what it is: a terminal, a package's script
	Script   bool   // Note is a dependency's script, the likely cause
	Deeds    []deed
	Children []*node
}

// Limits of the tree: what does not fit is counted. The evidence has it all.
const (
	maxNodes    = 60
	maxChildren = 8
	maxDeeds    = 8
	maxDepth    = 24
)

// grow merges the ancestries of everybody in an alert's evidence, from the
// terminal or the installer down.
func (s *Server) grow(a wormbell.Alert) (roots []*node) {
	nodes := map[wormbell.ProcessID]*node{}
	var add func(p, top *wormbell.Process) *node
	add = func(p, top *wormbell.Process) *node {
		if n := nodes[p.ID()]; n != nil {
			return n
		}
		n := &node{Process: p, Title: commandLine(p)}
		nodes[p.ID()] = n
		switch {
		case p.Package != nil && (p.Parent == nil || p.Parent.Package == nil):
			n.Note, n.Script = s.c.Words.Say(words.DashScriptOf, p.Lifecycle, p.Package.String()), true
		case ancestry.Interactive(p):
			n.Note = s.c.Words.Say(words.DashTerminal, p.TTY)
		}
		if p.ID() == top.ID() || p.Parent == nil {
			roots = append(roots, n)
			return n
		}
		parent := add(p.Parent, top)
		parent.Children = append(parent.Children, n)
		return n
	}
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			if e.Process == nil {
				continue
			}
			n := add(e.Process, ancestry.Top(e.Process))
			if d, ok := s.deed(e); ok && d.Mark != "" && !slices.Contains(n.Deeds, d) {
				n.Deeds = append(n.Deeds, d)
			}
		}
	}
	for i, r := range roots {
		roots[i] = prune(r, true)
	}
	return roots
}

// prune takes out the shells that an installer runs a script through (`sh -c
// "node x.js"`), of which their child says all.
func prune(n *node, root bool) *node {
	for i, c := range n.Children {
		n.Children[i] = prune(c, false)
	}
	if !root && n.Deeds == nil && len(n.Children) == 1 && ancestry.Plumbing(n.Process) {
		c := n.Children[0]
		if c.Note == "" {
			c.Note, c.Script = n.Note, n.Script
		}
		if n.Note == "" || c.Note == n.Note {
			return c
		}
	}
	return n
}

// deed says what an event is about; false: nothing worth a line.
func (s *Server) deed(e wormbell.Event) (deed, bool) {
	d := deed{Kind: e.Kind, What: e.Path}
	var key words.Key
	switch e.Kind {
	case wormbell.FileRead:
		d.Mark, key = "file", words.DashVerbRead
		if e.Denied() {
			key = words.DashVerbDenied
		}
	case wormbell.FileWrite:
		d.Mark, key = "change", words.DashVerbWrote
	case wormbell.FileRemove:
		d.Mark, key = "change", words.DashVerbRemoved
	case wormbell.ManifestChange:
		d.Mark, key = "change", words.DashVerbChanged
		if was, is := e.Was, e.Is; was != nil && is != nil {
			if was.Private && !is.Private {
				key = words.DashVerbUnprivate
			}
			if was.Name != is.Name {
				d.What += " (" + was.Name + " → " + is.Name + ")"
			}
			if was.Version != is.Version {
				d.What += " (" + was.Version + " → " + is.Version + ")"
			}
			if len(e.Scripts) > 0 {
				d.What += " (scripts " + strings.Join(e.Scripts, ", ") + ")"
			}
		}
	case wormbell.PackageAdd:
		d.Mark, d.What, key = "package", e.Package.String(), words.DashVerbInstalled
	case wormbell.PackageRemove:
		d.Mark, d.What, key = "package", e.Package.String(), words.DashVerbRemoved
	case wormbell.ProcessStart:
		d.What, key = commandLine(e.Process), words.DashVerbRan // the node says it already
		if _, ok := publish.Parse(e.Process); ok {
			d.Mark, key = "publish", words.DashVerbPublished
			if e.Package != nil && e.Package.Name != "" {
				d.What = e.Package.String()
			}
		}
	case wormbell.ShellCommand:
		d.Mark, d.What, key = "other", e.Line, words.DashVerbTyped
	case wormbell.ConnectionSeen:
		d.Mark, d.What, key = "other", e.Address, words.DashVerbConnect
		if e.Loopback() {
			key = words.DashVerbConnLocal
		}
	case wormbell.AgentCall:
		d.Mark = "other"
		d.What, key = s.asked(e.Line)
	case wormbell.Gap:
		d.What, key = e.Line, words.DashVerbMissed
	default:
		return deed{}, false
	}
	d.Verb = s.c.Words.Say(key)
	return d, true
}

// asked reads what the agent notes of a call: what became of it, what was asked
// for, and why it was refused or doubted.
func (s *Server) asked(line string) (what string, verb words.Key) {
	verb = words.DashVerbAsked
	became, rest, _ := strings.Cut(line, " ")
	switch became {
	case "refused":
		verb = words.DashVerbRefused
	case "accepted", "doubted":
		verb = words.DashVerbGot
	default:
		rest = line
	}
	return s.c.Words.Translate(rest).String(), verb
}

// commandLine is p as a person would have typed it.
func commandLine(p *wormbell.Process) string {
	words := ancestry.Typed(p)
	for i, w := range words[1:] {
		if w == "" || strings.ContainsAny(w, " \t\n\"") {
			words[i+1] = "'" + w + "'" // for the eye, not for a shell
		}
	}
	return strings.Join(words, " ")
}

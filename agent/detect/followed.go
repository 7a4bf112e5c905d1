package detect

import (
	"wormbell"
	"wormbell/internal/ancestry"
)

// followed remembers the last finding of each tree whose connections are told
// with it, the newest maxFollowed of them.
type followed struct {
	known map[wormbell.ProcessID]claimed
	order []wormbell.ProcessID
}

// claimed is a finding without its evidence, and whose event led to it.
type claimed struct {
	finding wormbell.Finding
	user    string
	demo    bool
}

// maxFollowed is far above the trees that are looked at, at a time.
const maxFollowed = 256

// Followed is the process whose tree is looked at for a finding: the whole
// incident's, but no more than the process itself if other work hangs below it.
// Whole says which. It returns nil for a finding that nobody is known of.
func Followed(f wormbell.Finding) (root *wormbell.Process, whole bool) {
	if f.Process == nil {
		return nil, false
	}
	if root = ancestry.Root(f.Process); ancestry.Boundary(root) {
		return f.Process, false
	}
	return root, true
}

func (fo *followed) add(f wormbell.Finding, e wormbell.Event) {
	root, _ := Followed(f)
	if root == nil {
		return
	}
	if fo.known == nil {
		fo.known = map[wormbell.ProcessID]claimed{}
	}
	if _, again := fo.known[root.ID()]; !again {
		if len(fo.order) >= maxFollowed {
			delete(fo.known, fo.order[0])
			fo.order = fo.order[1:]
		}
		fo.order = append(fo.order, root.ID())
	}
	f.Evidence, f.Again = nil, true
	fo.known[root.ID()] = claimed{f, e.User, e.Demo}
}

// joined returns the finding that e, a connection, is evidence for. Its severity
// stays: an installer of a prebuilt program reads and connects as well.
func (fo *followed) joined(e wormbell.Event) (wormbell.Finding, bool) {
	for a := range e.Process.Chain {
		if c, ok := fo.known[a.ID()]; ok {
			e.User, e.Demo = c.user, c.demo // one incident has one of each
			f := c.finding
			f.Evidence = []wormbell.Event{e}
			return f, true
		}
	}
	return wormbell.Finding{}, false
}

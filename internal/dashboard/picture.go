package dashboard

import (
	"strings"

	"golang.org/x/text/width"

	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// picture is a process tree laid out to be drawn as SVG: plain numbers and
// text, which the template escapes.
type picture struct {
	ID            string // tells this picture's title and description from another's
	Class         string
	Width, Height int
	Title, Desc   string
	Boxes         []box
	Lines         []elbow
}

// box is one process, and what it did.
type box struct {
	X, Y, W, H int
	Bad        bool
	Script     bool
	Full       string // what a pointer that rests on it is told
	Rows       []boxRow
}

// boxRow is one line of text in a box.
type boxRow struct {
	X, Y  int // of the text's base line
	Class string
	Mark  string // a sign before it
	MarkX int
	MarkY int
	Text  string
	Right string // a second text, at the right end
	End   int    // where that ends
}

// elbow joins a box to its parent.
type elbow struct{ X, Y, ToX, ToY int }

// Measures, in CSS pixels. The text is monospaced: 7.3 a column at 12 px.
const (
	rowHeight = 19
	boxPad    = 9
	boxGap    = 12
	perColumn = 7.3
)

// draw lays out a tree for a width.
func (s *Server) draw(roots []*node, id, class string, wide, indent int) *picture {
	if len(roots) == 0 {
		return nil
	}
	p := &picture{ID: id, Class: class, Width: wide, Title: s.c.Words.Say(words.DashPictureTitle), Desc: s.c.Words.Say(words.DashPictureDesc)}
	y, drawn := 1, 0
	row := func(b *box, text, class, mark, right string) {
		r := boxRow{X: b.X + boxPad + 3, Y: b.Y + boxPad + len(b.Rows)*rowHeight + 11, Class: class, Mark: mark, Right: right, End: b.X + b.W - boxPad}
		room := b.W - 2*boxPad - 3
		if mark != "" {
			r.MarkX, r.MarkY = r.X, r.Y-10
			r.X += 18
			room -= 18
		}
		if right != "" {
			room -= int(float64(columns(right)+1) * perColumn)
		}
		r.Text = fit(text, int(float64(room)/perColumn))
		b.Rows = append(b.Rows, r)
	}
	var place func(n *node, depth int) (joint, bottom int)
	place = func(n *node, depth int) (int, int) {
		drawn++
		x := 1 + min(depth, maxDepth)*indent
		x = min(x, wide*2/5)
		b := box{X: x, Y: y, W: wide - x - 1, Bad: len(n.Deeds) > 0, Script: n.Script, Full: plain.Cut(n.Title, 400)}
		class := "cmd"
		if b.Bad {
			class = "cmd bad"
		}
		row(&b, n.Title, class, "", "pid "+itoa(n.Process.PID))
		if n.Note != "" {
			class, mark := "note", "terminal"
			if n.Script {
				class, mark = "note script", "package"
			}
			row(&b, n.Note, class, mark, "")
		}
		for _, d := range n.Deeds[:min(len(n.Deeds), maxDeeds)] {
			row(&b, d.Verb+" "+d.What, "deed", d.Mark, "")
		}
		if more := len(n.Deeds) - maxDeeds; more > 0 {
			row(&b, s.c.Words.Say(words.DashMore, more), "note", "", "")
		}
		b.H = 2*boxPad + len(b.Rows)*rowHeight - 5
		p.Boxes = append(p.Boxes, b)
		y += b.H + boxGap
		hidden := 0
		for i, c := range n.Children {
			if i >= maxChildren || drawn >= maxNodes || depth >= maxDepth {
				hidden += size(c)
				continue
			}
			joint, _ := place(c, depth+1)
			to := min(1+min(depth+1, maxDepth)*indent, wide*2/5)
			p.Lines = append(p.Lines, elbow{X: b.X + indent/2, Y: b.Y + b.H, ToX: max(to, b.X+indent/2), ToY: joint})
		}
		if hidden > 0 {
			more := box{X: min(x+indent, wide*2/5), Y: y, Full: ""}
			more.W = wide - more.X - 1
			row(&more, s.c.Words.Say(words.DashMore, hidden), "note", "", "")
			more.H = 2*boxPad + rowHeight - 5
			p.Boxes = append(p.Boxes, more)
			y += more.H + boxGap
		}
		return b.Y + 17, b.Y + b.H
	}
	for _, r := range roots {
		if drawn < maxNodes {
			place(r, 0)
		}
	}
	p.Height = y - boxGap + 1
	return p
}

// size is how many processes n and what is below it are.
func size(n *node) int {
	all := 1
	for _, c := range n.Children {
		all += size(c)
	}
	return all
}

// columns is how wide s is in a monospaced face, where a Japanese character
// takes two.
func columns(s string) (n int) {
	for _, r := range s {
		n++
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n++
		}
	}
	return n
}

// fit makes s safe to show and cuts it to so many columns.
func fit(s string, most int) string {
	s = plain.Text(s)
	if columns(s) <= most {
		return s
	}
	var b strings.Builder
	n := 1 // the ellipsis
	for _, r := range s {
		n += columns(string(r))
		if n > most {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

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
	Cut           bool // not all of a text is in it
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

// layout is how a picture is laid out.
type layout struct {
	Wide   int
	Indent int
	Lines  int // of one text, at most
}

// The layouts: what does not fit into a line goes on in the next. The narrow
// one is as wide as a small phone, and grows with the screen.
var (
	wide   = layout{852, 30, 3}
	narrow = layout{300, 10, 8}
)

// Measures, in CSS pixels. The text is monospaced: 7.3 a column at 12 px.
const (
	rowHeight = 19
	boxPad    = 9
	boxGap    = 12
	perColumn = 7.3
)

// draw lays out a tree for a width.
func (s *Server) draw(roots []*node, id string, as layout) *picture {
	if len(roots) == 0 {
		return nil
	}
	wide, indent := as.Wide, as.Indent
	p := &picture{ID: id, Class: id, Width: wide, Title: s.c.Words.Say(words.DashPictureTitle), Desc: s.c.Words.Say(words.DashPictureDesc)}
	y, drawn := 1, 0
	row := func(b *box, text, class, mark, right string) {
		x, room := b.X+boxPad+3, b.W-2*boxPad-3
		if mark != "" {
			x += 18
			room -= 18
		}
		first := room
		if right != "" {
			first -= int(float64(columns(right)+1) * perColumn)
		}
		lines, whole := wrap(plain.Text(text), int(float64(first)/perColumn), int(float64(room)/perColumn), as.Lines)
		p.Cut = p.Cut || !whole
		for i, line := range lines {
			r := boxRow{X: x, Y: b.Y + boxPad + len(b.Rows)*rowHeight + 11, Class: class, Text: line}
			if i == 0 {
				r.Mark, r.Right, r.End = mark, right, b.X+b.W-boxPad
				r.MarkX, r.MarkY = x-18, r.Y-10
			}
			b.Rows = append(b.Rows, r)
		}
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

// wrap breaks s into lines of so many columns, the first of its own width:
// where a person would, if there is such a place in the second half of a line.
// What is more than most lines is cut, and whole false.
func wrap(s string, first, rest, most int) (lines []string, whole bool) {
	left := []rune(s)
	for room := max(first, 4); ; room = max(rest, 4) {
		n, used, good := 0, 0, 0
		for n < len(left) {
			used += columns(string(left[n]))
			if used > room {
				break
			}
			n++
			if strings.ContainsRune(" /-_.,:=@", left[n-1]) && n > room/2 {
				good = n
			}
		}
		if n == len(left) {
			return append(lines, string(left)), true
		}
		if len(lines) == most-1 {
			return append(lines, fit(string(left), room)), false
		}
		if good > 0 {
			n = good
		}
		lines = append(lines, strings.TrimRight(string(left[:n]), " "))
		left = []rune(strings.TrimLeft(string(left[n:]), " "))
	}
}

// fit cuts s to so many columns.
func fit(s string, most int) string {
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

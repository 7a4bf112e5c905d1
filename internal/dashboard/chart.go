package dashboard

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// chart is one figure over time, to be drawn as SVG.
type chart struct {
	ID    string
	Title string
	Desc  string   // the same in words
	Lines []string // points of polylines; between two of them nothing is known
	Areas []string // the same, closed at the bottom
	Top   string   // what the upper edge stands for
	From  string   // what the left edge stands for; the right one is now
	Width int
	// Height is of the drawing, in the units of its points.
	Height int
}

// stretch is a figure that held for some time.
type stretch struct {
	From, To time.Time
	V        float64
}

const (
	chartWidth  = 320
	chartHeight = 72
	slack       = time.Minute // between two stretches that are one after the other
)

// plot lays out what was measured, oldest first, above zero and below top; nil
// if that is nothing.
func plot(id string, list []stretch, top float64) *chart {
	if len(list) == 0 || !list[len(list)-1].To.After(list[0].From) {
		return nil
	}
	c := &chart{ID: id, Width: chartWidth, Height: chartHeight}
	from := list[0].From
	all := list[len(list)-1].To.Sub(from).Seconds()
	x := func(t time.Time) float64 { return min(max(t.Sub(from).Seconds()/all, 0), 1) * chartWidth }
	for i := 0; i < len(list); {
		var b strings.Builder
		left, right := x(list[i].From), 0.0
		for n := i; i < len(list) && (i == n || list[i].From.Sub(list[i-1].To) < slack); i++ {
			y := chartHeight - 2 - min(max(list[i].V, 0)/top, 1)*(chartHeight-6)
			right = x(list[i].To)
			fmt.Fprintf(&b, "%.1f,%.1f %.1f,%.1f ", x(list[i].From), y, right, y)
		}
		line := strings.TrimSpace(b.String())
		c.Lines = append(c.Lines, line)
		c.Areas = append(c.Areas, fmt.Sprintf("%.1f,%d %s %.1f,%d", left, chartHeight, line, right, chartHeight))
	}
	return c
}

// round returns the next figure above v that a person likes: 1, 2 or 5 times a
// power of ten.
func round(v, least float64) float64 {
	for step := least; ; step *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if v <= step*f || step > 1e15 {
				return step * f
			}
		}
	}
}

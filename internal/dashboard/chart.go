package dashboard

import (
	"fmt"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// chart is one figure over time, to be drawn as SVG.
type chart struct {
	ID     string
	Title  string
	Desc   string // the same in words: what it is now, and the most it was
	Points string // of a polyline
	Area   string // the same, closed at the bottom
	Top    string // what the upper edge stands for
	Width  int
	Height int
}

const (
	chartWidth  = 320
	chartHeight = 72
)

// plot lays out values, oldest first, above zero and below top.
func plot(id string, values []float64, top float64) *chart {
	if len(values) < 2 {
		return nil
	}
	c := &chart{ID: id, Width: chartWidth, Height: chartHeight}
	var b strings.Builder
	for i, v := range values {
		x := float64(i) * chartWidth / float64(len(values)-1)
		y := chartHeight - 2 - min(v/top, 1)*(chartHeight-6)
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
	}
	c.Points = strings.TrimSpace(b.String())
	c.Area = fmt.Sprintf("0,%d %s %d,%d", chartHeight, c.Points, chartWidth, chartHeight)
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

package draw

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"
)

// This file reads the little of SVG that our drawings use: paths of straight
// lines and cubic curves with absolute coordinates, filled or stroked with
// round ends, in groups, with one mask that takes away what is black in it.
// Anything else is an error, so that no drawing looks different here and in a
// browser.

// point is a place in a drawing, in its own units.
type point struct{ x, y float64 }

// shape is one path of a drawing.
type shape struct {
	lines  [][]point // its parts, flattened
	stroke float64   // width of the stroke; 0 for a fill
	colour color.NRGBA
	masked bool
}

// drawing is a read SVG file.
type drawing struct {
	size   float64 // its view box is a square from 0 to this
	shapes []shape
	mask   []shape // what is taken away from masked shapes
}

// style is what a group hands down to what is in it.
type style struct {
	fill, stroke, width string
	masked, inMask      bool
}

func read(r io.Reader) (*drawing, error) {
	d, dec, stack := &drawing{}, xml.NewDecoder(r), []style{{fill: "#000000"}}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read SVG: %w", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			s := stack[len(stack)-1]
			if err := d.element(e, &s); err != nil {
				return nil, fmt.Errorf("SVG element %q: %w", e.Name.Local, err)
			}
			stack = append(stack, s)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
	if d.size == 0 || len(d.shapes) == 0 {
		return nil, errors.New("the SVG shows nothing")
	}
	return d, nil
}

func (d *drawing) element(e xml.StartElement, s *style) (err error) {
	path := ""
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "fill":
			s.fill = a.Value
		case "stroke":
			s.stroke = a.Value
		case "stroke-width":
			s.width = a.Value
		case "mask":
			s.masked = true
		case "d":
			path = a.Value
		case "viewBox":
			if d.size, err = strconv.ParseFloat(a.Value[strings.LastIndexByte(a.Value, ' ')+1:], 64); err != nil {
				return err
			}
		case "id", "xmlns", "width", "height":
		default:
			return fmt.Errorf("attribute %q is not known here", a.Name.Local)
		}
	}
	switch e.Name.Local {
	case "svg", "g":
		return nil
	case "mask":
		s.inMask = true
		return nil
	case "rect":
		if !s.inMask || s.fill != "white" {
			return errors.New("only as the ground of a mask")
		}
		return nil
	case "path":
		return d.path(path, *s)
	}
	return errors.New("not known here")
}

func (d *drawing) path(text string, s style) error {
	out := shape{masked: s.masked}
	paint := s.fill
	if s.stroke != "" && s.stroke != "none" {
		if s.fill != "none" {
			return errors.New("filled and stroked at once")
		}
		paint = s.stroke
		var err error
		if out.stroke, err = strconv.ParseFloat(s.width, 64); err != nil {
			return err
		}
	}
	var err error
	if out.lines, err = flatten(text); err != nil {
		return err
	}
	if s.inMask {
		if paint != "black" {
			return errors.New("a mask takes away what is black")
		}
		d.mask = append(d.mask, out)
		return nil
	}
	var rgb uint64
	if rgb, err = strconv.ParseUint(strings.TrimPrefix(paint, "#"), 16, 24); err != nil || len(paint) != 7 {
		return fmt.Errorf("colour %q", paint)
	}
	out.colour = color.NRGBA{uint8(rgb >> 16), uint8(rgb >> 8), uint8(rgb), 255}
	d.shapes = append(d.shapes, out)
	return nil
}

// flatten turns the text of a path into straight lines.
func flatten(text string) ([][]point, error) {
	var out [][]point
	words := strings.Fields(strings.NewReplacer("M", " M ", "L", " L ", "C", " C ", "Z", " Z ", ",", " ").Replace(text))
	numbers := func(n int) ([]point, error) {
		if len(words) < 2*n {
			return nil, errors.New("the path ends early")
		}
		ps := make([]point, n)
		for i := range ps {
			x, err := strconv.ParseFloat(words[2*i], 64)
			y, err2 := strconv.ParseFloat(words[2*i+1], 64)
			if err = errors.Join(err, err2); err != nil {
				return nil, err
			}
			ps[i] = point{x, y}
		}
		words = words[2*n:]
		return ps, nil
	}
	for len(words) > 0 {
		verb := words[0]
		words = words[1:]
		n, known := map[string]int{"M": 1, "L": 1, "C": 3, "Z": 0}[verb]
		if !known || len(out) == 0 && verb != "M" {
			return nil, fmt.Errorf("path command %q", verb)
		}
		ps, err := numbers(n)
		if err != nil {
			return nil, err
		}
		last := len(out) - 1
		switch verb {
		case "M":
			out = append(out, ps)
		case "L":
			out[last] = append(out[last], ps[0])
		case "C":
			from := out[last][len(out[last])-1]
			const steps = 32 // a pixel of the largest icon is longer than any of them
			for i := 1; i <= steps; i++ {
				out[last] = append(out[last], cubic(from, ps, float64(i)/steps))
			}
		case "Z":
			out[last] = append(out[last], out[last][0])
		}
	}
	return out, nil
}

func cubic(a point, p []point, t float64) point {
	u := 1 - t
	f := func(a, b, c, d float64) float64 { return u*u*u*a + 3*u*u*t*b + 3*u*t*t*c + t*t*t*d }
	return point{f(a.x, p[0].x, p[1].x, p[2].x), f(a.y, p[0].y, p[1].y, p[2].y)}
}

// areas returns what the shape covers, as polygons that all turn the same way:
// a stroke is a sleeve around each line and a disc at each end.
func (s shape) areas() [][]point {
	if s.stroke == 0 {
		return s.lines
	}
	var out [][]point
	r := s.stroke / 2
	for _, line := range s.lines {
		for i, p := range line {
			disc := make([]point, 24)
			for k := range disc {
				sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(len(disc)))
				disc[k] = point{p.x + r*cos, p.y + r*sin}
			}
			out = append(out, disc)
			if i == 0 {
				continue
			}
			q := line[i-1]
			dx, dy := p.x-q.x, p.y-q.y
			length := math.Hypot(dx, dy)
			if length == 0 {
				continue
			}
			nx, ny := -dy/length*r, dx/length*r
			out = append(out, []point{{q.x - nx, q.y - ny}, {p.x - nx, p.y - ny}, {p.x + nx, p.y + ny}, {q.x + nx, q.y + ny}})
		}
	}
	return out
}

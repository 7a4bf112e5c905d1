// Package draw makes the tray's icons from the drawings in tray/icons/svg: the
// bell in each state, with a sign or a count over its corner, in every size.
//
// It is run by `make generate`. The tray itself holds the results only; it
// links none of this.
package draw

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/image/vector"
)

// Sizes are the widths of the PNGs, in pixels: those of panels, and twice.
var Sizes = []int{16, 22, 32, 44}

// icoSizes are those of the icons in a Windows file: 100, 125, 150 and 200 %.
var icoSizes = []int{16, 20, 24, 32}

// templateSize is the width of the image for macOS, which shows it at half.
const templateSize = 44

// noticeSize is the width of the picture in a notification, which desktops show
// at a half or at all of it.
const noticeSize = 96

// Notices are the states that notifications have a picture of.
var Notices = []string{"alert", "quiet", "paused", "absent"}

// Names are the icons: a state, and for an alert how many are open.
var Names = []string{"quiet", "paused", "less", "absent", "alert-paused", "alert-1", "alert-2", "alert-3", "alert-4", "alert-5", "alert-6", "alert-7", "alert-8", "alert-9", "alert-9+"}

// All returns the generated files by name, below folder, which holds the
// drawings in its folder svg.
func All(folder string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, name := range Names {
		state, sign, _ := strings.Cut(name, "-")
		switch {
		case state == "less":
			sign = "!"
		case state == "paused":
			sign = "="
		case sign == "paused": // without colours, it must differ from the one above
			sign = "!="
		}
		d, err := load(folder, state)
		if err != nil {
			return nil, err
		}
		file := strings.ReplaceAll(name, "+", "plus") // "+" is not for embedded files
		for _, size := range Sizes {
			if out[path.Join("png", fmt.Sprintf("%s-%d.png", file, size))], err = encode(d.draw(size, sign, false)); err != nil {
				return nil, err
			}
		}
		if out[path.Join("template", file+".png")], err = encode(d.draw(templateSize, sign, true)); err != nil {
			return nil, err
		}
		var images []*image.NRGBA
		for _, size := range icoSizes {
			images = append(images, d.draw(size, sign, false))
		}
		out[path.Join("ico", file+".ico")] = ico(images)
	}
	for _, state := range Notices {
		d, err := load(folder, state)
		if err != nil {
			return nil, err
		}
		sign := ""
		if state == "paused" {
			sign = "="
		}
		if out[path.Join("notice", state+".png")], err = encode(d.draw(noticeSize, sign, false)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// load reads the drawing of a state.
func load(folder, state string) (*drawing, error) {
	f, err := os.Open(filepath.Join(folder, "svg", state+".svg"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return d, nil
}

func encode(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, m)
	return b.Bytes(), err
}

// smallestWorm is the width of the smallest icon that shows the worm beside a
// sign; in a smaller one only half of it is left, which looks like dirt.
const smallestWorm = 32

// draw draws at a size with a sign over the corner. A template is black, and
// its sign is cut out: macOS gives it the colour of the menu bar.
func (d *drawing) draw(size int, sign string, template bool) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, size, size))
	cut := cover(size, d.size, d.mask)
	for _, s := range d.shapes {
		colour := s.colour
		if template {
			colour = color.NRGBA{A: 255}
		}
		a := cover(size, d.size, []shape{s})
		for i := range a.Pix {
			if s.masked && (sign == "" || size >= smallestWorm) {
				a.Pix[i] = uint8(int(a.Pix[i]) * (255 - int(cut.Pix[i])) / 255)
			}
		}
		paint(out, a, colour)
	}
	if sign != "" {
		colour := d.shapes[0].colour
		if template {
			colour = color.NRGBA{A: 255}
		}
		corner(out, sign, colour, template)
	}
	return out
}

// fit moves a coordinate so that what should be sharp is: rim and lip, straight
// lines of the bell, get edges of pixels, and whole ones lie between them. The
// places are those of a drawing of 16 units, on each axis in order.
func fit(v float64, places, pixels []float64) float64 {
	for i := 1; i < len(places); i++ {
		if v <= places[i] || i == len(places)-1 {
			share := (v - places[i-1]) / (places[i] - places[i-1])
			return pixels[i-1] + share*(pixels[i]-pixels[i-1])
		}
	}
	return v
}

// cover says how much of each pixel the shapes of a drawing cover.
func cover(size int, units float64, shapes []shape) *image.Alpha {
	scale, full := float64(size)/units, float64(size)
	side, rim := math.Round(units/16*scale), math.Round(13*units/16*scale)
	xs, ys := []float64{0, units / 16, 15 * units / 16, units}, []float64{0, 13 * units / 16, 14 * units / 16, units}
	fitX, fitY := []float64{0, side, full - side, full}, []float64{0, rim, rim + side, full}
	z := vector.NewRasterizer(size, size)
	for _, s := range shapes {
		for _, area := range s.areas() {
			for i, p := range area {
				x, y := float32(fit(p.x, xs, fitX)), float32(fit(p.y, ys, fitY))
				if i == 0 {
					z.MoveTo(x, y)
				} else {
					z.LineTo(x, y)
				}
			}
			z.ClosePath()
		}
	}
	out := image.NewAlpha(image.Rect(0, 0, size, size))
	z.Draw(out, out.Bounds(), image.Opaque, image.Point{})
	return out
}

// paint lays a colour over the picture where a covers it. All shapes of a
// drawing have one colour, so where they touch they only add up.
func paint(out *image.NRGBA, a *image.Alpha, c color.NRGBA) {
	for i, v := range a.Pix {
		if v == 0 {
			continue
		}
		have := out.Pix[4*i+3]
		out.Pix[4*i], out.Pix[4*i+1], out.Pix[4*i+2] = c.R, c.G, c.B
		out.Pix[4*i+3] = uint8(255 - (255-int(have))*(255-int(v))/255)
	}
}

// font is a way to write the signs, as rows of dots. Dots are whole pixels, so
// that a count is sharp also where a vector would be a grey spot.
type font map[rune][]string

// thin has strokes of one dot, for icons in which there is no room for more and
// for those in which a dot is several pixels.
var thin = font{
	'1': {".#.", "##.", ".#.", ".#.", ".#.", ".#.", "###"},
	'2': {".##.", "#..#", "...#", "..#.", ".#..", "#...", "####"},
	'3': {"###.", "...#", "...#", ".##.", "...#", "...#", "###."},
	'4': {"#..#", "#..#", "#..#", "####", "...#", "...#", "...#"},
	'5': {"####", "#...", "#...", "###.", "...#", "...#", "###."},
	'6': {".##.", "#...", "#...", "###.", "#..#", "#..#", ".##."},
	'7': {"####", "...#", "...#", "..#.", "..#.", ".#..", ".#.."},
	'8': {".##.", "#..#", "#..#", ".##.", "#..#", "#..#", ".##."},
	'9': {".##.", "#..#", "#..#", ".###", "...#", "...#", ".##."},
	'+': {"...", "...", ".#.", "###", ".#.", "...", "..."},
	'!': {"#", "#", "#", "#", "#", ".", "#"},
	'=': {"#.#", "#.#", "#.#", "#.#", "#.#", "#.#", "#.#"},
}

// thick has strokes of two.
var thick = font{
	'1': {"..##", ".###", "####", "..##", "..##", "..##", "..##", "..##", "..##"},
	'2': {".####.", "##..##", "....##", "....##", "...##.", "..##..", ".##...", "##....", "######"},
	'3': {".####.", "##..##", "....##", "....##", "..###.", "....##", "....##", "##..##", ".####."},
	'4': {"....##", "...###", "..####", ".##.##", "##..##", "######", "....##", "....##", "....##"},
	'5': {"######", "##....", "##....", "#####.", "....##", "....##", "....##", "##..##", ".####."},
	'6': {".####.", "##..##", "##....", "##....", "#####.", "##..##", "##..##", "##..##", ".####."},
	'7': {"######", "....##", "....##", "...##.", "...##.", "..##..", "..##..", ".##...", ".##..."},
	'8': {".####.", "##..##", "##..##", "##..##", ".####.", "##..##", "##..##", "##..##", ".####."},
	'9': {".####.", "##..##", "##..##", "##..##", ".#####", "....##", "....##", "##..##", ".####."},
	'+': {".....", ".....", "..#..", "..#..", "#####", "..#..", "..#..", ".....", "....."},
	'!': {"##", "##", "##", "##", "##", "##", "..", "##", "##"},
	'=': {"##.##", "##.##", "##.##", "##.##", "##.##", "##.##", "##.##", "##.##", "##.##"},
}

// fontFor returns the font for a size, and how many pixels wide its dots are. A
// sign takes a quarter of the smallest icon and less of the others.
func fontFor(size int) (f font, dot int) {
	switch {
	case size < 20:
		return thin, 1
	case size < 40:
		return thick, 1
	}
	return thin, size / 20
}

// corner puts the sign on a plate in the lower right corner, with a gap around
// that keeps it apart from the bell.
func corner(out *image.NRGBA, sign string, colour color.NRGBA, template bool) {
	size := out.Bounds().Dx()
	glyphs, dot := fontFor(size)
	width, height := 0, 0
	for i, r := range sign {
		if i > 0 {
			width += dot
		}
		width, height = width+dot*len(glyphs[r][0]), dot*len(glyphs[r])
	}
	across, down, gap := dot+1, dot, max(1, size/16)
	if len(sign) > 1 {
		across = dot // there is no room for more
	}
	w, h := max(width+2*across, height*3/4), height+2*down
	if (w-width)%2 == 1 { // as much on either side
		w++
	}
	left, top := size-w, size-h
	for y := max(0, top-gap); y < size; y++ {
		for x := max(0, left-gap); x < size; x++ {
			out.SetNRGBA(x, y, color.NRGBA{})
		}
	}
	for y := top; y < size; y++ {
		for x := left; x < size; x++ {
			// Round the corners by as much as a dot.
			dx, dy := min(x-left, size-1-x), min(y-top, size-1-y)
			if dx+dy >= dot {
				out.SetNRGBA(x, y, colour)
			}
		}
	}
	ink := color.NRGBA{255, 255, 255, 255}
	if template {
		ink = color.NRGBA{}
	}
	x0, y0 := left+(w-width)/2, top+down
	for _, r := range sign {
		for row, line := range glyphs[r] {
			for col, c := range line {
				for k := 0; c == '#' && k < dot*dot; k++ {
					out.SetNRGBA(x0+col*dot+k%dot, y0+row*dot+k/dot, ink)
				}
			}
		}
		x0 += dot * (len(glyphs[r][0]) + 1)
	}
}

// ico writes a Windows icon file with 32 bit bitmaps, which every version
// reads: a directory, and for each image a BITMAPINFOHEADER of twice the
// height, the pixels from the bottom up, and an empty mask of one bit.
func ico(images []*image.NRGBA) []byte {
	var head, body bytes.Buffer
	le := binary.LittleEndian
	put := func(b *bytes.Buffer, values ...any) {
		for _, v := range values {
			binary.Write(b, le, v) // to a Buffer, which takes everything
		}
	}
	put(&head, uint16(0), uint16(1), uint16(len(images)))
	for _, m := range images {
		size := m.Bounds().Dx()
		maskRow := (size + 31) / 32 * 4
		length := 40 + size*size*4 + size*maskRow
		put(&head, uint8(size), uint8(size), uint8(0), uint8(0), uint16(1), uint16(32), uint32(length), uint32(6+16*len(images)+body.Len()))
		put(&body, uint32(40), int32(size), int32(2*size), uint16(1), uint16(32), uint32(0), uint32(size*size*4), int32(0), int32(0), uint32(0), uint32(0))
		for y := size - 1; y >= 0; y-- {
			for x := range size {
				c := m.NRGBAAt(x, y)
				body.Write([]byte{c.B, c.G, c.R, c.A})
			}
		}
		body.Write(make([]byte, size*maskRow))
	}
	return append(head.Bytes(), body.Bytes()...)
}

package draw_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/tray/icons/draw"
)

// TestFresh: run `make generate` when it fails. Pixels are compared, not files:
// compression differs between versions of Go, and the last bit of a
// coordinate between processors.
func TestFresh(t *testing.T) {
	t.Parallel()
	all, err := draw.All("..")
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range all {
		got, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Errorf("%v; run make generate", err)
			continue
		}
		if !same(t, got, want) {
			t.Errorf("%s is stale; run make generate", file)
		}
	}
	for _, folder := range []string{"png", "template", "ico", "notice"} {
		there, err := os.ReadDir(filepath.Join("..", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range there {
			if _, ok := all[folder+"/"+f.Name()]; !ok {
				t.Errorf("%s/%s is not made any more", folder, f.Name())
			}
		}
	}
}

func same(t *testing.T, got, want []byte) bool {
	t.Helper()
	if len(want) > 4 && want[0] == 0 { // .ico: not compressed
		return near(got, want)
	}
	a, b := decode(t, got), decode(t, want)
	return a.Bounds() == b.Bounds() && near(a.(*image.NRGBA).Pix, b.(*image.NRGBA).Pix)
}

func near(got, want []byte) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if d := int(got[i]) - int(want[i]); d < -3 || d > 3 {
			return false
		}
	}
	return true
}

func decode(t *testing.T, b []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSeen: every icon differs from every other in every size, can be seen on
// light and on dark panels, and leaves the panel free around it.
func TestSeen(t *testing.T) {
	t.Parallel()
	all, err := draw.All("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for file, b := range all {
		if strings.HasSuffix(file, ".ico") {
			continue
		}
		m := decode(t, b).(*image.NRGBA)
		if other, ok := seen[string(m.Pix)]; ok {
			t.Errorf("%s and %s look the same", file, other)
		}
		seen[string(m.Pix)] = file
		full := 0
		for i := 0; i < len(m.Pix); i += 4 {
			c := color.NRGBA{m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3]}
			if c.A < 255 {
				continue
			}
			full++
			if strings.HasPrefix(file, "template") {
				if c != (color.NRGBA{A: 255}) {
					t.Fatalf("%s: a template is black, not %v", file, c)
				}
			} else if c.R == 255 && c.G == 255 && c.B == 255 {
				continue // the sign on its plate
			} else if light := luminance(c); 1.05/(light+0.05) < 3 || (light+0.05)/(luminance(color.NRGBA{0x1e, 0x1e, 0x24, 255})+0.05) < 3 {
				t.Fatalf("%s: %v has too little contrast with white or with a dark panel (WCAG 2.2, 1.4.11)", file, c)
			}
		}
		if area := len(m.Pix) / 4; full < area/10 || full > area*8/10 {
			t.Errorf("%s: %d of %d pixels are painted", file, full, area)
		}
	}
	if len(seen) != len(draw.Names)*(len(draw.Sizes)+1)+len(draw.Notices) {
		t.Errorf("%d pictures", len(seen))
	}
}

// luminance is the relative luminance of WCAG 2.2, roughly: with a gamma of 2.2.
func luminance(c color.NRGBA) float64 {
	linear := func(v uint8) float64 { x := float64(v) / 255; return x * x * (0.75 + 0.25*x) }
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// TestIcons: what Windows reads has the images where its directory says.
func TestIcons(t *testing.T) {
	t.Parallel()
	all, err := draw.All("..")
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	for file, b := range all {
		if !strings.HasSuffix(file, ".ico") {
			continue
		}
		n := int(le.Uint16(b[4:]))
		if le.Uint16(b[2:]) != 1 || n != 4 {
			t.Fatalf("%s: %d images", file, n)
		}
		for i := range n {
			entry := b[6+16*i:]
			width, length, at := int(entry[0]), int(le.Uint32(entry[8:])), int(le.Uint32(entry[12:]))
			if at+length > len(b) || le.Uint32(b[at:]) != 40 || int(le.Uint32(b[at+4:])) != width || int(le.Uint32(b[at+8:])) != 2*width {
				t.Errorf("%s: image %d of %d pixels is not at %d", file, i, width, at)
			}
		}
	}
}

// TestStrange: what the reader does not know is an error, not a hole in the picture.
func TestStrange(t *testing.T) {
	t.Parallel()
	for _, svg := range []string{"", "<svg", `<svg viewBox="0 0 16 16"/>`, `<svg viewBox="0 0 16 16"><circle r="3"/></svg>`,
		`<svg viewBox="0 0 16 16"><path d="M0 0 Q1 1 2 2"/></svg>`, `<svg viewBox="0 0 16 16"><path d="M0 0 L1"/></svg>`,
		`<svg viewBox="0 0 16 16"><path d="L1 1"/></svg>`, `<svg viewBox="0 0 16 16"><path transform="scale(2)" d="M0 0 L1 1 Z"/></svg>`,
		`<svg viewBox="0 0 16 16"><path fill="url(#x)" d="M0 0 L1 1 Z"/></svg>`} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "svg"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "svg", "quiet.svg"), []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := draw.All(dir); err == nil || strings.Contains(err.Error(), "paused") {
			t.Errorf("%s: %v", svg, err)
		}
	}
}

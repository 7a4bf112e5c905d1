//go:build linux && !getlantern

package tray

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"

	"fyne.io/systray"
)

// This file says that the icon is drawn by fyne.io/systray, which speaks D-Bus:
// StatusNotifierItem and com.canonical.dbusmenu.

type menuItem = systray.MenuItem

func addMenuItem(label, tip string) *menuItem { return systray.AddMenuItem(label, tip) }

func addMenuItemCheckbox(label, tip string, on bool) *menuItem {
	return systray.AddMenuItemCheckbox(label, tip, on)
}

func addSeparator()                     { systray.AddSeparator() }
func setTooltip(text string)            { systray.SetTooltip(text) }
func setIcon(image []byte)              { systray.SetIcon(append([]byte(straightMagic), image...)) }
func setTemplateIcon(_, regular []byte) { setIcon(regular) }
func menuOpened() <-chan struct{}       { return systray.TrayOpenedCh }
func run(ready, exit func())            { systray.Run(ready, exit) }
func quit()                             { systray.Quit() }

// escape makes a label of text: an underscore underlines the letter after it
// (com.canonical.dbusmenu, "label").
func escape(text string) string { return strings.ReplaceAll(text, "_", "__") }

// before sets what must be there when the icon is registered: the title becomes
// its ID, by which desktops remember whether a person wants to see it.
func before(l library) error {
	image.RegisterFormat("wormbell", straightMagic, decodeStraight, nil)
	systray.SetTitle("wormbell")
	return l.icon(IconOf(Model{}))
}

// straightMagic stands before a PNG that [decodeStraight] is to read.
//
// The library (v1.12.2, argbForImage) sends the lower byte of each premultiplied
// 16 bit component, where desktops want the straight 8 bit one. The two are the
// same only where a pixel is opaque: all edges would have odd colours.
const straightMagic = "wormbell icon\n"

// decodeStraight reads a PNG as a picture whose components are straight.
func decodeStraight(r io.Reader) (image.Image, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	m, err := png.Decode(bytes.NewReader(bytes.TrimPrefix(b, []byte(straightMagic))))
	return straight{m}, err
}

type straight struct{ image.Image }

func (s straight) At(x, y int) color.Color {
	return straightColour(color.NRGBAModel.Convert(s.Image.At(x, y)).(color.NRGBA))
}

type straightColour color.NRGBA

// RGBA returns each component twice, in the upper and in the lower byte.
func (c straightColour) RGBA() (r, g, b, a uint32) {
	return uint32(c.R) * 0x101, uint32(c.G) * 0x101, uint32(c.B) * 0x101, uint32(c.A) * 0x101
}

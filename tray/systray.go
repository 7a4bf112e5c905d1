//go:build (linux && !getlantern) || (linux && getlantern && cgo) || windows || (darwin && cgo)

package tray

import (
	"os"
	"strconv"
	"strings"

	"wormbell/tray/icons"
)

// This file draws with a library of the name systray: the files beside it say
// with which. Both have the same functions and types of the same names.

// libEntry is a line of the library's menu.
type libEntry struct{ *menuItem }

func (e libEntry) SetTitle(label string)    { e.menuItem.SetTitle(escape(label)) }
func (e libEntry) clicked() <-chan struct{} { return e.ClickedCh }

// library is the toolkit.
type library struct {
	images map[Icon][]byte // kept: one of the libraries hands them to C code without a copy
}

func (library) add(parent entry, label string, checkbox bool) entry {
	above, ok := parent.(libEntry)
	switch {
	case !ok && checkbox:
		return libEntry{addMenuItemCheckbox(escape(label), "", false)}
	case !ok:
		return libEntry{addMenuItem(escape(label), "")}
	case checkbox:
		return libEntry{above.AddSubMenuItemCheckbox(escape(label), "", false)}
	}
	return libEntry{above.AddSubMenuItem(escape(label), "")}
}

func (library) separator()              { addSeparator() }
func (library) tip(text string)         { setTooltip(text) }
func (library) opened() <-chan struct{} { return menuOpened() }

func (l library) icon(i Icon) error {
	image, ok := l.images[i]
	if !ok {
		var err error
		if image, err = icons.For(string(i.State), i.Count, iconSize(os.Getenv)); err != nil {
			return err
		}
		l.images[i] = image
	}
	if icons.Template {
		setTemplateIcon(image, image)
	} else {
		setIcon(image)
	}
	return nil
}

// iconSize is the size of the icon to hand out, in pixels, as far as the
// environment tells: the library sends one picture, and the panel does not say
// how large it wants it. GNOME's extension shows 16, other panels 22 or so; on
// a screen of twice the resolution both show twice that.
func iconSize(getenv func(string) string) int {
	size := 22
	if strings.Contains(getenv("XDG_CURRENT_DESKTOP"), "GNOME") {
		size = 16
	}
	for _, name := range []string{"GDK_SCALE", "QT_SCALE_FACTOR"} {
		if f, err := strconv.ParseFloat(getenv(name), 64); err == nil && f >= 1.5 {
			return 2 * size
		}
	}
	return size
}

// display runs the library until quit is called or it ends by itself. ready is
// called once the menu can be made; the menu opens only after it has returned.
func display(ready func(k toolkit, quit func())) error {
	l := library{map[Icon][]byte{}}
	if err := before(l); err != nil {
		return err
	}
	run(func() { ready(l, quit) }, func() {})
	return nil
}

//go:build windows || (darwin && cgo) || (linux && getlantern && cgo)

package tray

import (
	"runtime"
	"strings"

	"github.com/getlantern/systray"
)

// This file says that the icon is drawn by github.com/getlantern/systray.

type menuItem = systray.MenuItem

func addMenuItem(label, tip string) *menuItem { return systray.AddMenuItem(label, tip) }

func addMenuItemCheckbox(label, tip string, on bool) *menuItem {
	return systray.AddMenuItemCheckbox(label, tip, on)
}

func addSeparator()                         { systray.AddSeparator() }
func setTooltip(text string)                { systray.SetTooltip(text) }
func setIcon(image []byte)                  { systray.SetIcon(image) }
func setTemplateIcon(image, regular []byte) { systray.SetTemplateIcon(image, regular) }
func menuOpened() <-chan struct{}           { return nil }
func run(ready, exit func())                { systray.Run(ready, exit) }
func quit()                                 { systray.Quit() }

// escape makes a label of text. On Windows an ampersand underlines the letter
// after it. On Linux an underscore does: the library's GTK labels know no such
// letter, but go to the panel as they are, which does (seen with
// libayatana-appindicator 0.5.92). macOS knows none.
func escape(text string) string {
	switch runtime.GOOS {
	case "windows":
		return strings.ReplaceAll(text, "&", "&&")
	case "linux":
		return strings.ReplaceAll(text, "_", "__")
	}
	return text
}

func before(library) error { return nil }

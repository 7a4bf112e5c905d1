package tray_test

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// notifyd starts a real notification daemon with buttons.
func (d *desktop) notifyd() {
	d.t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/xfce4/notifyd/xfce4-notifyd")
	if len(found) == 0 {
		d.t.Skip("needs xfce4-notifyd (package xfce4-notifyd)")
	}
	d.start("xfce4-notifyd", d.command(found[0]))
	until(d.t, "the notification daemon", func() (ok bool) {
		return d.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.Notifications").Store(&ok) == nil && ok
	})
}

// buttons finds the buttons of the one notification on the screen, from left to
// right: patches of grey along its lower edge, with white between them.
func buttons(m image.Image) (middles []image.Point) {
	grey := func(x, y int) bool {
		c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		return c.R > 0xd0 && c.R < 0xfc && c.R == c.G && max(c.R, c.B)-min(c.R, c.B) < 6
	}
	bounds := m.Bounds()
	for y := bounds.Max.Y - 1; y > 60; y-- { // the panel is above
		var row []image.Point
		for x := bounds.Min.X; x < bounds.Max.X; {
			from := x
			for x < bounds.Max.X && grey(x, y) {
				x++
			}
			if x-from > 50 {
				row = append(row, image.Pt((from+x)/2, y-10))
			}
			x++
		}
		if len(row) > 1 {
			return row
		}
	}
	return nil
}

// TestButton: a theft, the real agent, the real tray, a real notification daemon;
// its button is clicked with the mouse, and the thief is stopped.
func TestButton(t *testing.T) {
	if testing.Short() {
		t.Skip("needs some seconds")
	}
	t.Parallel()
	d := newDesktop(t)
	d.notifyd()
	bin := build(t, "")
	a := d.agent(bin)
	_, said := a.orphan()
	a.launch()
	until(t, "the tray to know the agent", func() bool { return strings.Contains(said(), "the agent answers") })
	pid := d.thief()
	alert := a.alert("the alert", func(x wormbell.Alert) bool {
		return x.User == fmt.Sprint(person) && x.Findings[0].Subject == "~/.npmrc"
	})

	var row []image.Point
	until(t, "the notification", func() bool { row = buttons(d.shot("notification")); return len(row) > 2 })
	row = buttons(d.still(nil, "notification"))
	// Respond…, It was me…, Freeze it, Details; the second only where there are
	// rows to make.
	freeze := row[len(row)-2]
	last := time.Time{}
	until(t, "the thief to be stopped", func() bool {
		if state(pid) == "T" {
			return true
		}
		if time.Since(last) < 5*time.Second {
			return false
		}
		// A click may be missed. It is repeated while the notification is there:
		// the next one would stand for another question.
		d.xdotool("mousemove", "5", "600") // what the mouse is on has another colour
		if len(buttons(d.still(nil, ""))) == len(row) && state(pid) != "T" {
			d.xdotool("mousemove", fmt.Sprint(freeze.X), fmt.Sprint(freeze.Y), "click", "1")
		}
		last = time.Now()
		return false
	})
	frozen := a.alert("the freeze to be noted", func(x wormbell.Alert) bool { return x.ID == alert.ID && len(x.Actions) > 0 })
	if did := frozen.Actions[0]; did.What != "freeze" || did.By != fmt.Sprint(person) || did.Done == 0 {
		t.Errorf("done: %+v", did)
	}
	until(t, "the tray to say what was chosen", func() bool { return strings.Contains(said(), "verb=freeze alert="+alert.ID) })
	d.still(nil, "notification-frozen")
	if strings.Contains(said(), "not done") {
		t.Error("something that was chosen was refused")
	}
}

// TestRespondInTerminal: where no browser opens, Respond… in the menu runs
// `wormbell respond` in a terminal window, and a person can read there what it says.
func TestRespondInTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("needs some seconds")
	}
	t.Parallel()
	d := newDesktop(t)
	d.tools = d.folder("tools")
	terminal := filepath.Join(d.tools, "x-terminal-emulator")
	// One without a window: what would be read in it goes to a file.
	if err := os.WriteFile(terminal, []byte("#!/bin/sh\nshift\necho \"$@\" >\"$HOME/asked\"\n\"$@\" </dev/null >\"$HOME/terminal\" 2>&1\necho \"ended $?\" >>\"$HOME/terminal\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Where there is no browser, this is how it ends; xdg-open(1).
	if err := os.WriteFile(filepath.Join(d.tools, "xdg-open"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	bin := build(t, "")
	a := d.agent(bin)
	_, said := a.orphan()
	a.launch()
	d.panel()
	d.thief()
	alert := a.alert("the alert", func(x wormbell.Alert) bool {
		return x.User == fmt.Sprint(person) && x.Findings[0].Subject == "~/.npmrc"
	})
	d.says("col__lect")
	var shown string
	d.choose("Respond", func() bool {
		b, err := os.ReadFile(filepath.Join(d.home, "terminal"))
		shown = string(b)
		return err == nil && strings.Contains(shown, "ended ")
	})
	asked, err := os.ReadFile(filepath.Join(d.home, "asked"))
	if err != nil || !strings.Contains(string(asked), "in-terminal --socket "+a.socket+" respond "+alert.ID) {
		t.Errorf("the terminal ran %q, %v", asked, err)
	}
	if !strings.Contains(shown, alert.ID) && !strings.Contains(shown, "npm") || !strings.Contains(shown, "Press Enter") {
		t.Errorf("the terminal shows:\n%s\nthe tray said:\n%s", shown, said())
	}
	t.Logf("the terminal shows:\n%s", shown)
}

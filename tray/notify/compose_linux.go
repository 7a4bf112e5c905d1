package notify

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"strings"

	"github.com/esiqveland/notify"
	"github.com/godbus/dbus/v5"

	"wormbell"
	"wormbell/internal/plain"
	"wormbell/tray/icons"
)

// This file makes of a notice what a notification server shows.

// compose is n in the daemon's words.
func (d *desktop) compose(n Notice) notify.Notification {
	m := notify.Notification{
		AppName: "Wormbell", AppIcon: "dialog-warning", Summary: lookalikes.Replace(plain.Text(n.Title)), Body: plain.Text(n.Body),
		ExpireTimeout: notify.ExpireTimeoutSetByNotificationServer,
	}
	if d.server.can("actions") {
		for _, b := range n.Buttons {
			m.Actions = append(m.Actions, notify.Action{Key: string(b.Action), Label: plain.Text(b.Label)})
		}
		// Without a label: Xfce would draw it as one more button.
		m.Actions = append(m.Actions, notify.NewDefaultAction(""))
	} else {
		m.Body = plain.Text(d.without(n))
	}
	if d.server.can("body-markup") {
		m.Body = markup.Replace(m.Body)
	} else {
		m.Body = lookalikes.Replace(m.Body)
	}
	m.SetUrgency(notify.UrgencyNormal)
	switch {
	case n.Severity >= wormbell.Critical || n.Through:
		m.AppIcon = "dialog-error"
		m.SetUrgency(notify.UrgencyCritical)
	case n.Severity <= wormbell.Medium:
		m.AppIcon = "dialog-information"
		m.AddHint(notify.Hint{ID: "suppress-sound", Variant: dbus.MakeVariant(true)})
		m.AddHint(notify.Hint{ID: "transient", Variant: dbus.MakeVariant(true)})
	}
	if n.Sticky {
		m.ExpireTimeout = notify.ExpireTimeoutNever
	}
	if picture, err := d.picture(n); err != nil {
		d.Log.Warn("a notice has no picture", "notice", n.ID, "err", err)
	} else {
		m.AddHint(notify.Hint{ID: "image-data", Variant: dbus.MakeVariant(picture)})
	}
	m.AddHint(notify.Hint{ID: "category", Variant: dbus.MakeVariant("x-wormbell.alert")})
	m.AddHint(notify.Hint{ID: "desktop-entry", Variant: dbus.MakeVariant("wormbell-tray")})
	return m
}

// pixels is a picture as the service takes it (Desktop Notifications
// Specification 1.2, "Icons and Images").
type pixels struct {
	Width, Height, Row int32
	Alpha              bool
	Bits, Channels     int32
	Data               []byte
}

// picture is the bell that a notice shows. The names of icons in AppIcon are for
// desktops that show no such picture: none is installed for sure but theirs.
func (d *desktop) picture(n Notice) (pixels, error) {
	state := "alert"
	switch n.ID {
	case AgentID, NameID:
		state = "absent"
	case PauseID:
		state = "paused"
	case OutcomeID:
		state = "quiet"
	}
	b, err := icons.Notice(state)
	if err != nil {
		return pixels{}, err
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return pixels{}, fmt.Errorf("read the picture %q: %w", state, err)
	}
	size := m.Bounds().Size()
	straight := image.NewNRGBA(image.Rectangle{Max: size}) // as the service wants it
	draw.Draw(straight, straight.Bounds(), m, m.Bounds().Min, draw.Src)
	return pixels{int32(size.X), int32(size.Y), int32(straight.Stride), true, 8, 4, straight.Pix}, nil
}

// markup takes what has a meaning in a body's markup out of it.
var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// lookalikes are for where it is not known whether there is markup: titles,
// and dunst, which as it comes reads markup and does not say so.
var lookalikes = strings.NewReplacer("&", "＆", "<", "‹", ">", "›")

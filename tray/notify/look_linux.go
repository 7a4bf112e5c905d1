package notify

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/esiqveland/notify"
	"github.com/godbus/dbus/v5"

	"wormbell/internal/plain"
)

// Services of desktops.
const (
	watcherName = "org.kde.StatusNotifierWatcher"
	watcherPath = "/StatusNotifierWatcher"
	secretsName = "org.freedesktop.secrets"
	gnomeName   = "org.gnome.Shell"
)

func look(ctx context.Context, bus string) (s Surroundings, unknown []string) {
	conn, err := dialBus(ctx, bus)
	if err != nil {
		return s, []string{notKnownQuiet, notKnownShared, notKnownTray}
	}
	defer conn.Close()
	known := false
	if s.DoNotDisturb, known = doNotDisturb(ctx, conn); !known {
		unknown = append(unknown, notKnownQuiet)
	}
	if s.ScreenShared, known = screenShared(ctx, conn); !known {
		unknown = append(unknown, notKnownShared)
	}
	switch host, err := property(ctx, conn, watcherName, watcherPath, watcherName, "IsStatusNotifierHostRegistered"); {
	case err == nil:
		s.TrayShown, _ = host.(bool)
	case !noDaemon(err):
		unknown = append(unknown, notKnownTray)
	}
	return s, unknown
}

// doNotDisturb asks the desktops that tell it: KDE's daemon (Inhibited, which
// it also sets while the screen is shared), dunst, and Xfce by its settings.
// GNOME keeps it in a file of its own and holds our notices back by itself.
func doNotDisturb(ctx context.Context, conn *dbus.Conn) (yes, known bool) {
	for _, p := range []struct{ of, name string }{{daemonName, "Inhibited"}, {"org.dunstproject.cmd0", "paused"}} {
		v, err := property(ctx, conn, daemonName, daemonPath, p.of, p.name)
		if on, ok := v.(bool); err == nil && ok {
			return on, true
		}
	}
	var v dbus.Variant
	err := ask(ctx, conn, "org.xfce.Xfconf", "/org/xfce/Xfconf", "org.xfce.Xfconf.GetProperty", "xfce4-notifyd", "/do-not-disturb").Store(&v)
	var e dbus.Error
	switch {
	case err == nil:
		on, ok := v.Value().(bool)
		return on, ok
	case errors.As(err, &e) && e.Name == "org.xfce.Xfconf.Error.PropertyNotFound":
		return false, true // never switched on
	}
	return false, false
}

// screenShared asks GNOME's compositor, whose recordings are objects on the
// bus. No other desktop tells, but KDE switches notifications off meanwhile.
func screenShared(ctx context.Context, conn *dbus.Conn) (yes, known bool) {
	const name, path = "org.gnome.Mutter.ScreenCast", "/org/gnome/Mutter/ScreenCast"
	if there, err := owned(ctx, conn, name); err != nil || !there {
		return false, false
	}
	var text string
	err := ask(ctx, conn, name, path+"/Session", introspect).Store(&text)
	var e dbus.Error
	if errors.As(err, &e) {
		return false, true // without a recording there is no such object
	}
	if err != nil {
		return false, false
	}
	var node struct {
		Node []struct{} `xml:"node"`
	}
	if xml.Unmarshal([]byte(text), &node) != nil {
		return false, false
	}
	return len(node.Node) > 0, true
}

func inspect(ctx context.Context, bus string) (d Desktop) {
	terminals, _ := userTerminals(ctx, "/proc") // none, if it cannot be told
	for _, t := range terminals {
		if info, err := os.Stat(t.path); err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&0o020 != 0 {
			d.Terminals++
		}
	}
	conn, err := dialBus(ctx, bus)
	if err != nil {
		d.Bus = err
		return d
	}
	defer conn.Close()
	// What cannot be asked within the time is not there.
	d.Watcher, _ = owned(ctx, conn, watcherName)
	if host, err := property(ctx, conn, watcherName, watcherPath, watcherName, "IsStatusNotifierHostRegistered"); err == nil {
		d.TrayHost, _ = host.(bool)
	}
	d.Quiet, d.Shared = answered(doNotDisturb(ctx, conn)), answered(screenShared(ctx, conn))
	d.GNOME, _ = owned(ctx, conn, gnomeName)
	var startable []string
	if err := conn.BusObject().CallWithContext(ctx, busName+".ListActivatableNames", 0).Store(&startable); err != nil {
		startable = nil
	}
	d.Keychain, _ = owned(ctx, conn, secretsName)
	d.Keychain = d.Keychain || slices.Contains(startable, secretsName)
	var info notify.ServerInformation
	err = ask(ctx, conn, daemonName, daemonPath, callServer).Store(&info.Name, &info.Vendor, &info.Version, &info.SpecVersion)
	if err != nil {
		d.Starts = noDaemon(err) && slices.Contains(startable, daemonName)
		return d
	}
	d.Daemon = plain.Cut(strings.TrimSpace(info.Name+" "+info.Version), maxTitle)
	var abilities []string
	if err := ask(ctx, conn, daemonName, daemonPath, callAbilities).Store(&abilities); err == nil {
		d.Buttons, d.Keeps = slices.Contains(abilities, "actions"), slices.Contains(abilities, "persistence")
	}
	return d
}

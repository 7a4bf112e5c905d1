package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The parts of a desktop as units of the user, below graphical-session.target
// (systemd.special(7)) as GNOME and Plasma have it.
var units = map[string]string{
	"desktop.target": "[Unit]\nBindsTo=graphical-session.target\nBefore=graphical-session.target\nWants=x.service wm.service panel.service listener.service\n",
	"x.service":      "[Service]\nExecStart=/usr/bin/Xvfb :7 -screen 0 1024x640x24 -nolisten tcp -noreset\n",
	"wm.service":     "[Unit]\nAfter=x.service\n[Service]\nRestart=on-failure\nRestartSec=1\nExecStart=/usr/bin/openbox --sm-disable\n",
	"panel.service":  "[Unit]\nAfter=wm.service\n[Service]\nRestart=on-failure\nRestartSec=1\nExecStart=/usr/bin/xfce4-panel --disable-wm-check --sm-client-disable\n",
	// What programs tell the notification service. The service is the desktop's own, which the bus starts.
	"listener.service": "[Service]\nExecStart=/usr/bin/dbus-monitor --session interface=org.freedesktop.Notifications,member=Notify\nStandardOutput=append:%t/notifications\n",
}

// panelConfig is a panel along the upper edge that shows icons and nothing else.
const panelConfig = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=512;y=13"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="26"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>
`

// desktop starts a desktop for dev, without a screen.
func (l *laptop) desktop() {
	l.t.Helper()
	ctx := l.t.Context()
	for name, text := range units {
		l.Write(ctx, "/home/dev/.config/systemd/user/"+name, text)
	}
	l.Write(ctx, "/home/dev/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml", panelConfig)
	l.root("chown -R dev:dev /home/dev/.config")
	l.dev(`systemctl --user daemon-reload && systemctl --user set-environment DISPLAY=:7 XDG_CURRENT_DESKTOP=XFCE GTK_A11Y=none NO_AT_BRIDGE=1 &&
		dbus-update-activation-environment DISPLAY=:7 XDG_CURRENT_DESKTOP=XFCE && systemctl --user start desktop.target`)
	l.Wait("the panel", patience, func() bool { _, ok := l.items(); return ok })
}

// items are the icons that the panel shows; false while there is no panel.
func (l *laptop) items() (string, bool) {
	l.t.Helper()
	out, code := l.Try(l.t.Context(), "dev", `gdbus call --session --dest org.kde.StatusNotifierWatcher --object-path /StatusNotifierWatcher `+
		`--method org.freedesktop.DBus.Properties.Get org.kde.StatusNotifierWatcher RegisteredStatusNotifierItems`)
	return out, code == 0
}

// icon is where the tray's icon is, and a sum of its picture; ok once there is
// one that wormbell-tray shows.
func (l *laptop) icon() (name, path, picture string, ok bool) {
	l.t.Helper()
	items, _ := l.items()
	for _, m := range regexp.MustCompile(`'([^'/]+)(/[^']*)'`).FindAllStringSubmatch(items, -1) {
		name, path = m[1], m[2]
		// Whose it is the bus knows.
		out, code := l.Try(l.t.Context(), "dev", fmt.Sprintf(`pid=$(gdbus call --session --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.GetConnectionUnixProcessID %s | tr -dc '0-9 ' | cut -d' ' -f2)
			tr -d '\0' </proc/$pid/comm 2>/dev/null; systemctl --user status $pid 2>/dev/null | head -n 1
			gdbus call --session --dest %[1]s --object-path %s --method org.freedesktop.DBus.Properties.Get org.kde.StatusNotifierItem IconPixmap | md5sum`, name, path))
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code == 0 && strings.HasPrefix(out, "wormbell-tray") && strings.Contains(out, "wormbell-tray.service") {
			return name, path, lines[len(lines)-1], true
		}
	}
	return "", "", "", false
}

// menu is all that the icon's menu says.
func (l *laptop) menu(name, path string) string {
	l.t.Helper()
	out, _ := l.Try(l.t.Context(), "dev", fmt.Sprintf(`menu=$(gdbus call --session --dest %[1]s --object-path %[2]s --method org.freedesktop.DBus.Properties.Get org.kde.StatusNotifierItem Menu | cut -d"'" -f2)
		gdbus call --session --dest %[1]s --object-path "$menu" --method com.canonical.dbusmenu.GetLayout -- 0 -1 '[]'`, name, path))
	return out
}

// shot keeps a picture of the desktop where WORMBELL_SHOTS names a folder.
func (l *laptop) shot(name string) {
	l.t.Helper()
	dir := os.Getenv("WORMBELL_SHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	l.dev("DISPLAY=:7 import -window root /tmp/shot.png")
	file := filepath.Join(dir, "machine-"+name+".png")
	if err := os.RemoveAll(file); err != nil {
		l.t.Fatal(err)
	}
	l.Get(l.t.Context(), "/tmp/shot.png", file)
}

// firstMinute: somebody sits at a desktop and has the packages installed.
// Without signing out and in, a worm's alert is in their panel and on their
// screen. How long it takes is told, not judged.
func (l *laptop) firstMinute(agent, tray string) {
	l.t.Helper()
	l.needNode()
	began := time.Now()
	l.silent(l.apt("install", agent, tray))
	installed := time.Now()
	var name, path, calm string
	l.Wait("the tray's icon", patience, func() (ok bool) { name, path, calm, ok = l.icon(); return ok })
	shown := time.Now()
	l.shot("installed")
	theft := time.Now()
	l.steal("dev", "evil")
	stolen := time.Now()
	l.Wait("the notification", patience, func() bool { return strings.Contains(l.notifications(), "evil") })
	told := time.Now()
	l.Wait("an alarmed icon", patience, func() bool { _, _, now, ok := l.icon(); return ok && now != calm })
	alarmed := time.Now()
	l.rings("credential-read", "evil@1.0.0")
	l.Wait("the alert in the icon's menu", patience, func() bool { return strings.Contains(l.menu(name, path), "evil@1.0.0") })
	l.shot("alert")
	took := func(from, to time.Time) time.Duration { return to.Sub(from).Round(100 * time.Millisecond) }
	l.t.Logf("on this processor of software: apt-get install took %v, then %v until the tray's icon was there; the worm's npm install took %v, then %v until the notification and %v until the icon was alarmed; in all %v",
		took(began, installed), took(installed, shown), took(theft, stolen), took(stolen, told), took(stolen, alarmed), took(began, shown)+took(theft, alarmed))
}

// notifications is what programs have told dev's notification service.
func (l *laptop) notifications() string {
	l.t.Helper()
	return l.dev("cat $XDG_RUNTIME_DIR/notifications")
}

// noIcon finds fault with icons in the panel.
func (l *laptop) noIcon() {
	l.t.Helper()
	if items, ok := l.items(); !ok || strings.Contains(items, ":") {
		l.t.Errorf("the panel shows %s", items)
	}
}

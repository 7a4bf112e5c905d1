//go:build (linux && !getlantern) || (linux && getlantern && cgo) || windows || (darwin && cgo)

package tray

import (
	"runtime"
	"testing"

	"wormbell/tray/icons"
)

// TestIconSize: there is a picture of every size that is chosen.
func TestIconSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		desktop, gdk, qt string
		want             int
	}{
		{want: 22},
		{desktop: "XFCE", want: 22},
		{desktop: "KDE", qt: "2", want: 44},
		{desktop: "XFCE", gdk: "2", want: 44},
		{desktop: "XFCE", gdk: "1", qt: "1.25", want: 22},
		{desktop: "ubuntu:GNOME", want: 16},
		{desktop: "GNOME", gdk: "2", want: 32},
		{desktop: "GNOME", gdk: "much", qt: "-3", want: 16},
	} {
		env := map[string]string{"XDG_CURRENT_DESKTOP": tt.desktop, "GDK_SCALE": tt.gdk, "QT_SCALE_FACTOR": tt.qt}
		got := iconSize(func(name string) string { return env[name] })
		if got != tt.want {
			t.Errorf("%v: %d, want %d", env, got, tt.want)
		}
		for _, s := range []State{Quiet, Resting, Less, Missing, Ringing, Hushed} {
			for _, n := range []int{0, 1, 9, 10, 5000} {
				if b, err := icons.For(string(s), n, got); err != nil || len(b) == 0 {
					t.Errorf("%s %d of %d pixels on %s: %v", s, n, got, runtime.GOOS, err)
				}
			}
		}
	}
}

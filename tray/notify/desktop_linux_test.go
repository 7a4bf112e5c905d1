package notify_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/text/language"

	"wormbell"
	"wormbell/tray/notify"
)

// xfce starts a real notification daemon with buttons.
func (b *bus) xfce(t testing.TB) *program {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/xfce4/notifyd/xfce4-notifyd")
	if len(found) == 0 {
		t.Skip("needs xfce4-notifyd (package xfce4-notifyd)")
	}
	return run(t, b.env, found[0])
}

// window returns the place of the one window of a class.
func (b *bus) window(t *testing.T, class string) (x, y, w, h int) {
	t.Helper()
	await(t, "a window of "+class, func() bool {
		out, err := b.tool(t, "xdotool", "search", "--onlyvisible", "--class", class)
		ids := strings.Fields(out)
		if err != nil || len(ids) != 1 {
			return false
		}
		out, err = b.tool(t, "xdotool", "getwindowgeometry", "--shell", ids[0])
		if err != nil {
			return false
		}
		at := map[string]int{}
		for line := range strings.Lines(out) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			at[name] = number(value)
		}
		x, y, w, h = at["X"], at["Y"], at["WIDTH"], at["HEIGHT"]
		return w > 1 && h > 1
	})
	return x, y, w, h
}

func number(s string) (n int) {
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0
		}
		n = n*10 + int(r-'0')
	}
	return n
}

// hostile is an alert whose names attack whoever shows them.
func hostile() wormbell.Alert {
	name := "<img src=x> & <b>bold</b> \x1b[31m \u202egnp.exe " + strings.Repeat("long", 2500)
	return alert("hostile1", wormbell.Critical, start, func(a *wormbell.Alert) {
		a.Title, a.Advice = "A package <i>called</i> "+name+" read your npm token", "Do <u>something</u> & more"
		pkg := &wormbell.Package{Ecosystem: "npm", Name: name, Version: "1.0.0"}
		a.Findings[0].Summary = name
		a.Findings[0].Evidence[0].Process = &wormbell.Process{PID: 3, Exe: "/usr/bin/node", Script: "/tmp/" + name, Lifecycle: "postinstall", Package: pkg}
	})
}

// click clicks with the left button.
func (b *bus) click(t *testing.T, x, y int) {
	t.Helper()
	if out, err := b.tool(t, "xdotool", "mousemove", "--sync", fmt.Sprint(x), fmt.Sprint(y), "click", "1"); err != nil {
		t.Fatalf("click: %v: %s", err, out)
	}
}

// choose clicks on a place of the one window of a class until an answer comes:
// a daemon that is just drawing may miss a click.
func (b *bus) choose(t *testing.T, n notify.Notifier, class string, place func(x, y, w, h int) (int, int)) notify.Answer {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		x, y, w, h := b.window(t, class)
		x, y = place(x, y, w, h)
		b.click(t, x, y)
		select {
		case a := <-n.Answers():
			return a
		case <-time.After(3 * time.Second): // it is still there, or the answer is on its way
		}
		if out, _ := b.tool(t, "xdotool", "search", "--onlyvisible", "--class", class); strings.TrimSpace(out) == "" {
			return answer(t, n)
		}
		if time.Now().After(deadline) {
			t.Fatal("no click gave an answer")
		}
	}
}

// gone waits until a class has no window.
func (b *bus) gone(t *testing.T, class string) {
	t.Helper()
	await(t, "no window of "+class, func() bool {
		out, _ := b.tool(t, "xdotool", "search", "--onlyvisible", "--class", class)
		return strings.TrimSpace(out) == ""
	})
}

// Where Xfce draws the buttons of a notification: the last one ends 14 pixels
// from the corner, and they are as wide as the widest label.
const (
	xfceButton = 94 // from one to the next
	xfceRight  = 57 // from the right edge to the middle of the last
	xfceBottom = 31 // from the lower edge to the middle of all
)

// TestXfce: a real daemon shows the notice, its buttons are clicked, and the
// answers arrive.
func TestXfce(t *testing.T) {
	b := startBus(t)
	b.screen(t)
	b.xfce(t)
	conn := b.connect(t)
	await(t, "the daemon", func() bool { return owner(conn, "org.freedesktop.Notifications") != "" })
	n := openFor(t, noTerminals(b.address))
	if !n.Buttons() || !strings.Contains(strings.ToLower(n.Name()), "notif") {
		t.Errorf("%q, buttons %v", n.Name(), n.Buttons())
	}
	for i, tt := range []struct {
		tag    language.Tag
		alert  wormbell.Alert
		button int // from the right
		want   notify.Answer
	}{
		{language.English, hostile(), 2, notify.Answer{Notice: "hostile1", Action: notify.Respond}},
		{language.English, alert("alert--a", wormbell.High, start), 1, notify.Answer{Notice: "alert--a", Action: notify.Freeze}},
		{language.Japanese, alert("alert--b", wormbell.Critical, start), 1, notify.Answer{Notice: "alert--b", Action: notify.Freeze}},
		{language.Japanese, hostile(), 0, notify.Answer{Notice: "hostile1", Action: notify.Details}},
	} {
		if err := n.Show(t.Context(), first(t, tt.tag, tt.alert)); err != nil {
			t.Fatal(err)
		}
		b.window(t, "xfce4-notifyd")
		b.shot(t, fmt.Sprintf("xfce-%d-%v", i, tt.tag))
		got := b.choose(t, n, "xfce4-notifyd", func(x, y, w, h int) (int, int) {
			return x + w - xfceRight - tt.button*xfceButton, y + h - xfceBottom
		})
		if got != tt.want {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
		b.gone(t, "xfce4-notifyd")
	}

	// Withdrawn, it is gone, and nobody answered.
	for range 2 {
		if err := n.Show(t.Context(), first(t, language.English, hostile())); err != nil {
			t.Fatal(err)
		}
	}
	b.window(t, "xfce4-notifyd") // one, though it was shown twice
	if err := n.Withdraw(t.Context(), "hostile1"); err != nil {
		t.Error(err)
	}
	b.gone(t, "xfce4-notifyd")
	select {
	case a := <-n.Answers():
		t.Errorf("an answer that nobody gave: %+v", a)
	default:
	}
}

// TestDunst: a daemon that draws no buttons hands on a click on the notice.
func TestDunst(t *testing.T) {
	dunst, err := exec.LookPath("dunst")
	if err != nil {
		t.Skip("needs dunst (package dunst)")
	}
	b := startBus(t)
	b.screen(t)
	conf := filepath.Join(t.TempDir(), "dunstrc")
	if err := os.WriteFile(conf, []byte("[global]\n mouse_left_click = do_action, close_current\n width = 500\n font = DejaVu Sans 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, b.env, dunst, "-conf", conf)
	conn := b.connect(t)
	await(t, "the daemon", func() bool { return owner(conn, "org.freedesktop.Notifications") != "" })
	n := openFor(t, noTerminals(b.address))
	notice := first(t, language.English, hostile())
	notice.Title += " <i>&"
	if err := n.Show(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	b.window(t, "dunst")
	b.shot(t, "dunst")
	middle := func(x, y, w, h int) (int, int) { return x + w/2, y + h/2 }
	if got, want := b.choose(t, n, "dunst", middle), (notify.Answer{Notice: "hostile1", Action: notify.Details}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}

	// What it holds back on request is known.
	looks(t, "nobody asked for quiet", b.address, notify.Surroundings{}, "screen sharing")
	if err := conn.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications").SetProperty("org.dunstproject.cmd0.paused", dbus.MakeVariant(true)); err != nil {
		t.Fatal(err)
	}
	looks(t, "quiet", b.address, notify.Surroundings{DoNotDisturb: true}, "screen sharing")
}

package notify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"wormbell"
	"wormbell/internal/executable"
	"wormbell/tray/notify"
)

var sample = notify.Notice{ID: "sample-1", Severity: wormbell.Critical, Sticky: true, Title: "<b>&\x1b[2J", Body: "<img src=x> & \u202e",
	Buttons: []notify.Button{{Action: notify.Respond, Label: "Respond"}, {Action: notify.Freeze, Label: "Freeze\n"}}}

func TestNotify(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caps      []string
		severity  wormbell.Severity
		sticky    bool
		through   bool
		body      string
		actions   string
		urgency   byte
		timeout   int32
		transient bool
	}{
		"critical": {caps: []string{"actions", "body", "body-markup"}, severity: wormbell.Critical, sticky: true,
			body: `&lt;img src=x&gt; &amp; \u202e`, actions: `["respond" "Respond" "freeze" "Freeze\\n" "default" ""]`, urgency: 2},
		"high": {caps: []string{"actions", "body-markup"}, severity: wormbell.High,
			body: `&lt;img src=x&gt; &amp; \u202e`, actions: `["respond" "Respond" "freeze" "Freeze\\n" "default" ""]`, urgency: 1, timeout: -1},
		"medium": {caps: []string{"actions"}, severity: wormbell.Medium,
			body: `‹img src=x› ＆ \u202e`, actions: `["respond" "Respond" "freeze" "Freeze\\n" "default" ""]`, urgency: 1, timeout: -1, transient: true},
		"high, through do-not-disturb": {caps: []string{"actions"}, severity: wormbell.High, through: true,
			body: `‹img src=x› ＆ \u202e`, actions: `["respond" "Respond" "freeze" "Freeze\\n" "default" ""]`, urgency: 2, timeout: -1},
		"no buttons": {caps: []string{"body"}, severity: wormbell.High,
			body: `‹img src=x› ＆ \u202e To see it and to respond: wormbell alert show sample-1`, actions: `[]`, urgency: 1, timeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBus(t)
			s := b.serve(t, tt.caps...)
			n := openFor(t, noTerminals(b.address))
			notice := sample
			notice.Severity, notice.Sticky, notice.Through = tt.severity, tt.sticky, tt.through
			for range 2 {
				if err := n.Show(t.Context(), notice); err != nil {
					t.Fatal(err)
				}
			}
			got := s.last(t)
			_, transient := got.hints["transient"]
			_, silent := got.hints["suppress-sound"]
			if got.summary != `‹b›＆\x1b[2J` || got.body != tt.body || fmt.Sprintf("%q", got.actions) != tt.actions || got.timeout != tt.timeout ||
				got.hints["urgency"].Value() != tt.urgency || transient != tt.transient || silent != tt.transient || got.hints["desktop-entry"].Value() != "wormbell-tray" {
				t.Errorf("%+v", got)
			}
			if picture, ok := got.hints["image-data"].Value().([]any); !ok || len(picture) != 7 || picture[0] != int32(96) || len(picture[6].([]byte)) != 96*96*4 {
				t.Errorf("no picture of a bell: %.100v", got.hints["image-data"])
			}
			if got.number != 1 || got.replaces != 1 {
				t.Errorf("it is not updated in place: %d in place of %d", got.number, got.replaces)
			}
			if n.Buttons() != slices.Contains(tt.caps, "actions") || n.Name() != `fake\x1b[1m 1.0` {
				t.Errorf("%q, buttons %v", n.Name(), n.Buttons())
			}
		})
	}
}

// TestAnswers: only the daemon gives answers, only such as were offered, and
// only once.
func TestAnswers(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	s := b.serve(t, "actions")
	stranger := b.connect(t)
	n := openFor(t, noTerminals(b.address))
	if err := n.Show(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	number := s.last(t).number
	var names []string
	if err := stranger.BusObject().Call("org.freedesktop.DBus.ListNames", 0).Store(&names); err != nil {
		t.Fatal(err)
	}
	for _, name := range names { // to our notifier's connection, too
		if strings.HasPrefix(name, ":") {
			tell(t, stranger, name, "ActionInvoked", number, "freeze")
			tell(t, stranger, name, "NotificationClosed", number, uint32(2))
			for _, body := range [][]any{nil, {number}, {"x", "freeze"}, {number, number}, {number, "freeze", "x"}, {uint32(0), "freeze"}} {
				tell(t, stranger, name, "ActionInvoked", body...)
				tell(t, s.conn, name, "ActionInvoked", body...)
			}
			tell(t, s.conn, name, "NotificationClosed", number)
			tell(t, s.conn, name, "NotificationClosed", "x", uint32(2))
		}
	}
	if err := stranger.Emit(servicePath, serviceName+".ActionInvoked", number, "freeze"); err != nil {
		t.Fatal(err)
	}
	// Strangers' signals are before this one, if the bus has taken them.
	if err := stranger.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatal(err)
	}
	s.emit(t, "ActionInvoked", number+1, "freeze")
	s.emit(t, "ActionInvoked", number, "kill")
	s.emit(t, "ActionInvoked", number, "resume")
	s.emit(t, "ActionInvoked", number, "respond")
	s.emit(t, "ActionInvoked", number, "respond")
	s.emit(t, "NotificationClosed", number, uint32(2))
	if got := answer(t, n); got != (notify.Answer{Notice: "sample-1", Action: notify.Respond}) {
		t.Errorf("%+v", got)
	}
	// Signals are taken in one after the other: all before this one's answer.
	taken := func() {
		t.Helper()
		marker := notify.Notice{ID: "marker", Severity: wormbell.High, Title: "marker", Body: "marker"}
		if err := n.Show(t.Context(), marker); err != nil {
			t.Fatal(err)
		}
		number := s.last(t).number
		s.emit(t, "ActionInvoked", number, "default")
		s.emit(t, "NotificationClosed", number, uint32(2))
		if got := answer(t, n); got.Notice != "marker" {
			t.Errorf("an answer too many: %+v", got)
		}
	}
	taken()
	for _, tt := range []struct {
		signal string
		arg    any
		want   notify.Action
	}{{"ActionInvoked", "default", notify.Details}, {"NotificationClosed", uint32(2), notify.Dismissed}, {"ActionInvoked", "freeze", notify.Freeze}} {
		if err := n.Show(t.Context(), sample); err != nil {
			t.Fatal(err)
		}
		s.emit(t, "NotificationClosed", number, uint32(2)) // of the one before
		number = s.last(t).number
		s.emit(t, tt.signal, number, tt.arg)
		if got := answer(t, n); got != (notify.Answer{Notice: "sample-1", Action: tt.want}) {
			t.Errorf("%s %v: %+v, want %s", tt.signal, tt.arg, got, tt.want)
		}
		if tt.signal == "ActionInvoked" {
			s.emit(t, "NotificationClosed", number, uint32(3))
		}
		taken()
	}
}

// TestImpatient: what was clicked the moment its notice appeared was meant for
// what stood there before, and lets nothing go on.
func TestImpatient(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	s := b.serve(t, "actions")
	n := openFor(t, noTerminals(b.address))
	notice := sample
	notice.Buttons = []notify.Button{{Action: notify.Resume, Label: "Let it go on"}}
	before := time.Now()
	if err := n.Show(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	for deadline := before.Add(patience); ; {
		s.emit(t, "ActionInvoked", s.last(t).number, "resume")
		select {
		case <-n.Answers():
			if d := time.Since(before); d < time.Second {
				t.Errorf("taken for meant after %v", d)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody is ever allowed to let it go on")
		}
	}
}

// TestDaemonComesAndGoes: what is to stay is shown by the next daemon, and the
// numbers of the one before mean nothing any more.
func TestDaemonComesAndGoes(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	n := openFor(t, noTerminals(b.address))
	if err := n.Show(t.Context(), sample); !errors.Is(err, notify.ErrNone) {
		t.Errorf("without a daemon and a terminal: %v", err)
	}
	if n.Buttons() || n.Name() != "terminals" {
		t.Errorf("%q, buttons %v", n.Name(), n.Buttons())
	}
	one := b.serve(t, "actions")
	passing := notify.Notice{ID: "passing1", Severity: wormbell.High, Title: "passing", Body: "passing"}
	answered := sample
	answered.ID = "answered"
	for _, notice := range []notify.Notice{answered, passing, sample} {
		if err := n.Show(t.Context(), notice); err != nil {
			t.Fatal(err)
		}
	}
	one.emit(t, "ActionInvoked", uint32(1), "freeze")
	answer(t, n)
	if err := one.conn.Close(); err != nil {
		t.Fatal(err)
	}
	two := b.serve(t)
	await(t, "the notice on the second daemon", func() bool { return len(two.all()) > 0 })
	if got := two.all(); len(got) != 1 || got[0].replaces != 0 || !strings.Contains(got[0].body, "wormbell alert show sample-1") {
		t.Errorf("%+v", got)
	}
	if n.Buttons() {
		t.Error("the second has no buttons")
	}
	// One that goes while nobody looks, and a third: no notice is lost or doubled.
	if err := two.conn.Close(); err != nil {
		t.Fatal(err)
	}
	three := b.serve(t, "actions")
	if err := n.Show(t.Context(), passing); err != nil {
		t.Fatal(err)
	}
	await(t, "both notices on the third daemon", func() bool { return len(three.all()) >= 2 })
	if err := n.Withdraw(t.Context(), "sample-1"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(n.Withdraw(t.Context(), "sample-1"), n.Withdraw(t.Context(), "never")); err != nil {
		t.Error(err)
	}
	if got, closed := three.all(), three.withdrawn(); len(got) != 2 || len(closed) != 1 {
		t.Errorf("%+v, closed %v", got, closed)
	}
	// The bus itself.
	b.program.end(t)
	await(t, "an error", func() bool { return errors.Is(n.Show(t.Context(), sample), notify.ErrNone) })
	if err := n.Withdraw(t.Context(), "passing1"); err != nil {
		t.Error(err)
	}
}

// TestSlowDaemon: one that D-Bus starts, and that takes longer for it than a
// call may, shows a notice once, and no terminal is asked.
func TestSlowDaemon(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	const limit = time.Second
	n := openFor(t, notify.Within(noTerminals(b.address), limit))
	fifo := filepath.Join(b.services, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(b.services, "daemon")
	if err := executable.Write(program, "#!/bin/sh\n: >"+fifo+"\nread -r _ <"+fifo+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.services, serviceName+".service"), []byte("[D-BUS Service]\nName="+serviceName+"\nExec="+program+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- n.Show(t.Context(), sample) }() // until the daemon is there
	began, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer began.Close()
	ends, err := os.OpenFile(fifo, os.O_WRONLY, 0) // and the daemon's program with it
	if err != nil {
		t.Fatal(err)
	}
	defer ends.Close()
	select {
	case err := <-failed:
		t.Fatalf("it did not wait for the daemon: %v", err)
	case <-time.After(limit * 3 / 2): // what is tested is that this is not too long
	}
	s := b.serve(t, "actions")
	if err := <-failed; err != nil {
		t.Error(err)
	}
	if got := s.all(); len(got) != 1 {
		t.Errorf("it was shown %d times: %+v", len(got), got)
	}
}

// TestHangingDaemon: one that does not answer holds nobody.
func TestHangingDaemon(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	s := &service{conn: b.connect(t), caps: []string{"actions"}, hang: make(chan struct{})}
	s.own(t)
	n := openFor(t, noTerminals(b.address))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.Show(ctx, sample); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(s.hang)
	await(t, "the notice", func() bool { return n.Show(t.Context(), sample) == nil })
}

// TestNoBus: without a session bus there are no notifications, and nothing is
// started.
func TestNoBus(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"unix:path=/nonexistent/bus", "tcp:host=127.0.0.1,port=1", "nonsense", "unix:path=/dev/null", ";;unix:abstract=%zz", "unix:path=/etc/passwd"} {
		n := openFor(t, noTerminals(address))
		if err := n.Show(t.Context(), sample); !errors.Is(err, notify.ErrNone) {
			t.Errorf("%s: %v", address, err)
		}
		if s, unknown := notify.Look(t.Context(), address); s != (notify.Surroundings{}) || len(unknown) != 3 {
			t.Errorf("%s: %+v, unknown %q", address, s, unknown)
		}
		if d := notify.Inspect(t.Context(), address); d.Bus == nil || d.Daemon != "" || d.TrayHost {
			t.Errorf("%s: %+v", address, d)
		}
	}
}

// looks waits until Look says so: a busy machine may take longer than it waits.
func looks(t *testing.T, what, address string, want notify.Surroundings, unknown ...string) {
	t.Helper()
	await(t, what, func() bool {
		s, not := notify.Look(t.Context(), address)
		return s == want && slices.Equal(not, unknown)
	})
}

// TestLook: what desktops say of themselves.
func TestLook(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	conn := b.connect(t)
	looks(t, "nothing there", b.address, notify.Surroundings{}, "do-not-disturb", "screen sharing")
	serve := func(name, path string, properties map[string]any, methods map[string]any, of string) {
		t.Helper()
		if methods == nil {
			methods = map[string]any{}
		}
		if properties != nil {
			get := map[string]any{"Get": func(of, name string) (dbus.Variant, *dbus.Error) {
				if v, ok := properties[of+"."+name]; ok {
					return dbus.MakeVariant(v), nil
				}
				return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", nil)
			}}
			if err := conn.ExportMethodTable(get, dbus.ObjectPath(path), "org.freedesktop.DBus.Properties"); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.ExportMethodTable(methods, dbus.ObjectPath(path), of); err != nil {
			t.Fatal(err)
		}
		if owner(conn, name) == "" {
			if _, err := conn.RequestName(name, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	serve("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", map[string]any{"org.kde.StatusNotifierWatcher.IsStatusNotifierHostRegistered": true}, nil, "x.y")
	kde := map[string]any{serviceName + ".Inhibited": true}
	serve(serviceName, servicePath, kde, nil, "x.y")
	kdeSays := notify.Surroundings{DoNotDisturb: true, TrayShown: true}
	looks(t, "KDE", b.address, kdeSays, "screen sharing")
	await(t, "what there is", func() bool {
		d := notify.Inspect(t.Context(), b.address)
		return d == notify.Desktop{TrayHost: true, Watcher: true, Terminals: d.Terminals, Quiet: notify.Yes, Shared: notify.NotKnown}
	})
	var nodes atomic.Value
	nodes.Store("<node></node>")
	serve("org.gnome.Mutter.ScreenCast", "/org/gnome/Mutter/ScreenCast/Session", nil,
		map[string]any{"Introspect": func() (string, *dbus.Error) { return nodes.Load().(string), nil }}, "org.freedesktop.DBus.Introspectable")
	looks(t, "GNOME, nothing shared", b.address, kdeSays)
	nodes.Store(`<node><node name="u1"/></node>`)
	looks(t, "GNOME, shared", b.address, notify.Surroundings{DoNotDisturb: true, TrayShown: true, ScreenShared: true})
	await(t, "that it is shared", func() bool {
		d := notify.Inspect(t.Context(), b.address)
		return d.Quiet == notify.Yes && d.Shared == notify.Yes
	})
	nodes.Store("<nothing")
	looks(t, "GNOME, nonsense", b.address, kdeSays, "screen sharing")
}

// TestXfceSettings: Xfce keeps do-not-disturb in its settings.
func TestXfceSettings(t *testing.T) {
	t.Parallel()
	const daemon = "/usr/lib/x86_64-linux-gnu/xfce4/xfconf/xfconfd"
	if _, err := os.Stat(daemon); err != nil {
		t.Skip("needs xfconfd (package xfconf)")
	}
	b := startBus(t)
	run(t, b.env, daemon)
	conn := b.connect(t)
	await(t, "xfconfd", func() bool { return owner(conn, "org.xfce.Xfconf") != "" })
	set := conn.Object("org.xfce.Xfconf", "/org/xfce/Xfconf")
	for _, want := range []bool{false, true, false} {
		looks(t, fmt.Sprintf("do-not-disturb %v", want), b.address, notify.Surroundings{DoNotDisturb: want}, "screen sharing")
		if err := set.Call("org.xfce.Xfconf.SetProperty", 0, "xfce4-notifyd", "/do-not-disturb", dbus.MakeVariant(!want)).Err; err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkShow measures from the call to the daemon's answer; with the real
// daemon of Xfce, whose answer comes once it has made the window.
func BenchmarkShow(b *testing.B) {
	s := startBus(b)
	s.screen(b)
	s.xfce(b)
	conn := s.connect(b)
	for deadline := time.Now().Add(patience); owner(conn, serviceName) == ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("no daemon")
		}
	}
	n := openFor(b, noTerminals(s.address))
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		notice := sample
		notice.ID = fmt.Sprintf("bench-%02d", i%4)
		begun := time.Now()
		if err := n.Show(b.Context(), notice); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
		if i%4 == 3 {
			for j := range 4 {
				if err := n.Withdraw(b.Context(), fmt.Sprintf("bench-%02d", j)); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}

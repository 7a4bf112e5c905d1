package tray_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// This file runs the real tray in a real desktop, which needs no screen: an X
// server, a session bus, a window manager and a panel, with a real agent beside
// it. Each test has its own.

// patience is how long something may take on a busy machine.
const patience = 60 * time.Second

// person is whose desktop it is where the tests are root's: nobody's. The agent
// shows a person what happened to them, and nothing of what else goes on here.
const person = 65534

// desktop is a session.
type desktop struct {
	t       *testing.T
	dir     string // short: sockets are in it
	home    string
	display string
	address string
	bus     *dbus.Conn
	tools   string // a folder of programs that go before the machine's
	browser string // none: one that opens nothing
}

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	for program, pkg := range map[string]string{"Xvfb": "xvfb", "dbus-daemon": "dbus", "openbox": "openbox", "xfce4-panel": "xfce4-panel",
		"xfconf-query": "xfconf", "xdotool": "xdotool", "import": "imagemagick"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (package %s)", program, pkg)
		}
	}
	dir, err := os.MkdirTemp("", "tray")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &desktop{t: t, dir: dir, home: filepath.Join(dir, "home")}
	d.own(dir)
	d.folder("home")
	d.folder("run")

	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x640x24", "-nolisten", "tcp", "-noreset")
	x.ExtraFiles = []*os.File{write}
	d.start("Xvfb", x)
	write.Close()
	d.display = ":" + d.line(read)

	read, write, err = os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(busConfig, filepath.Join(dir, "bus"))), 0o644); err != nil {
		t.Fatal(err)
	}
	bus := d.command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile", "--print-address=3")
	bus.ExtraFiles = []*os.File{write}
	d.start("dbus-daemon", bus)
	write.Close()
	d.address = d.line(read)
	if d.bus, err = dbus.Connect(d.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.bus.Close() })
	d.start("openbox", d.command("openbox", "--sm-disable"))
	return d
}

// busConfig is a session bus that the test, too, may connect to.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <standard_session_servicedirs/>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow eavesdrop="true"/>
    <allow send_destination="*" eavesdrop="true"/>
  </policy>
</busconfig>
`

// own gives a file to the person.
func (d *desktop) own(name string) {
	d.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Lchown(name, person, person); err != nil {
		d.t.Fatal(err)
	}
}

// folder makes a folder of the person's.
func (d *desktop) folder(name string) string {
	d.t.Helper()
	path := d.dir
	for _, part := range strings.Split(name, "/") {
		path = filepath.Join(path, part)
		if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
			d.t.Fatal(err)
		}
		d.own(path)
	}
	return path
}

// line reads the first line of a pipe.
func (d *desktop) line(r *os.File) string {
	d.t.Helper()
	defer r.Close()
	r.SetReadDeadline(time.Now().Add(patience))
	var line []byte
	for b := make([]byte, 64); !bytes.Contains(line, []byte("\n")); {
		n, err := r.Read(b)
		if err != nil {
			d.t.Fatalf("a server says nothing: %v (%q)", err, line)
		}
		line = append(line, b[:n]...)
	}
	return strings.TrimSpace(string(line))
}

// command is a program of the session.
func (d *desktop) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = d.home
	cmd.Env = []string{"HOME=" + d.home, "PATH=" + strings.TrimPrefix(d.tools+":"+os.Getenv("PATH"), ":"), "LANG=C.UTF-8", "DISPLAY=" + d.display, "DBUS_SESSION_BUS_ADDRESS=" + d.address,
		"XDG_RUNTIME_DIR=" + filepath.Join(d.dir, "run"), "XDG_CURRENT_DESKTOP=XFCE", "NO_AT_BRIDGE=1", "GTK_A11Y=none", "TMPDIR=" + d.dir,
		"BROWSER=" + cmp.Or(d.browser, "/bin/false")}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: person, Gid: person}}
	}
	return cmd
}

// buffer keeps what a program writes.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// program is one that was started.
type program struct {
	*exec.Cmd
	said  *buffer
	ended chan struct{}
	t     *testing.T
}

// start starts a program that is ended with the test at the latest.
func (d *desktop) start(name string, cmd *exec.Cmd) *program {
	d.t.Helper()
	p := &program{cmd, &buffer{}, make(chan struct{}), d.t}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	cmd.WaitDelay = time.Second // what it leaves behind may hold its output open
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("start %s: %v", name, err)
	}
	go func() { cmd.Wait(); close(p.ended) }() // ends with the program, which end waits for
	d.t.Cleanup(func() {
		p.end()
		if d.t.Failed() {
			d.t.Logf("%s said:\n%s", name, p.said)
		}
	})
	return p
}

// end ends the program and waits for it.
func (p *program) end() {
	p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.Process.Kill()
		<-p.ended
	}
}

// until polls ok; it fails the test when it is not so in time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
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

// panel starts the panel, the StatusNotifierItem host.
func (d *desktop) panel() {
	d.t.Helper()
	d.folder("home/.config/xfce4/xfconf/xfce-perchannel-xml")
	d.write(".config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml", panelConfig, 0o600)
	d.start("xfce4-panel", d.command("xfce4-panel", "--disable-wm-check", "--sm-client-disable"))
}

// shot takes a picture of the screen; it is kept if WORMBELL_SHOTS names a
// folder for that.
func (d *desktop) shot(name string) image.Image {
	d.t.Helper()
	dir := d.dir
	if keep := os.Getenv("WORMBELL_SHOTS"); keep != "" && name != "" {
		dir = keep
		if err := os.MkdirAll(dir, 0o755); err != nil {
			d.t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "tray-"+name+".png")
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "import", "-window", "root", file)
	cmd.Env = d.command("").Env
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("take a picture: %v\n%s", err, out)
	}
	f, err := os.Open(file)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

func (d *desktop) xdotool(args ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "xdotool", args...)
	cmd.Env = d.command("").Env
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("xdotool %q: %v\n%s", args, err, out)
	}
}

// find returns the middle of what has a colour in the panel.
func find(m image.Image, want color.NRGBA) (at image.Point, ok bool) {
	box := image.Rectangle{}
	for y := range 40 {
		for x := range m.Bounds().Dx() {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			if near := func(a, b uint8) bool { return max(a, b)-min(a, b) < 6 }; near(c.R, want.R) && near(c.G, want.G) && near(c.B, want.B) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box.Min.Add(box.Max).Div(2), box.Dx() >= 6 && box.Dy() >= 6
}

// changed is the box of what differs between two pictures below the panel.
func changed(a, b image.Image) (box image.Rectangle) {
	for y := 40; y < a.Bounds().Dy(); y++ {
		for x := range a.Bounds().Dx() {
			if a.At(x, y) != b.At(x, y) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// line of a menu, as it is told over D-Bus.
type row struct {
	id                int32
	label             string
	separator, hidden bool
	disabled          bool
	checked           bool
	rows              []row
}

// item returns the icon's name on the bus, its object and that of its menu.
func (d *desktop) item() (name string, path, menu dbus.ObjectPath, ok bool) {
	var v dbus.Variant
	if d.bus.Object("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher").Call("org.freedesktop.DBus.Properties.Get", 0,
		"org.kde.StatusNotifierWatcher", "RegisteredStatusNotifierItems").Store(&v) != nil {
		return "", "", "", false
	}
	items, _ := v.Value().([]string)
	for _, item := range items {
		if name, rest, cut := strings.Cut(item, "/"); cut {
			path = dbus.ObjectPath("/" + rest)
			if d.bus.Object(name, path).Call("org.freedesktop.DBus.Properties.Get", 0, "org.kde.StatusNotifierItem", "Menu").Store(&v) == nil {
				menu, _ = v.Value().(dbus.ObjectPath)
				return name, path, menu, true
			}
		}
	}
	return "", "", "", false
}

// menu reads the menu; nil while there is none.
func (d *desktop) menu() []row {
	name, _, menu, ok := d.item()
	if !ok {
		return nil
	}
	type layout struct {
		ID    int32
		Props map[string]dbus.Variant
		Items []dbus.Variant
	}
	var revision uint32
	var top layout
	if d.bus.Object(name, menu).Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &top) != nil {
		return nil
	}
	var rows func(items []dbus.Variant) []row
	rows = func(items []dbus.Variant) (out []row) {
		for _, v := range items {
			var l layout
			if dbus.Store([]any{v.Value()}, &l) != nil {
				continue
			}
			r := row{id: l.ID, rows: rows(l.Items)}
			r.label, _ = l.Props["label"].Value().(string)
			kind, _ := l.Props["type"].Value().(string)
			r.separator = kind == "separator"
			visible, told := l.Props["visible"].Value().(bool)
			r.hidden = told && !visible
			enabled, told := l.Props["enabled"].Value().(bool)
			r.disabled = told && !enabled
			state, _ := l.Props["toggle-state"].Value().(int32)
			r.checked = state == 1
			out = append(out, r)
		}
		return out
	}
	return rows(top.Items)
}

// seen are the rows that are shown.
func seen(rows []row) (out []row) {
	for _, r := range rows {
		if !r.hidden {
			out = append(out, r)
		}
	}
	return out
}

// row finds the shown row whose label has a text, in submenus too.
func rowOf(rows []row, text string) (row, bool) {
	for _, r := range seen(rows) {
		if strings.Contains(r.label, text) {
			return r, true
		}
		if found, ok := rowOf(r.rows, text); ok {
			return found, true
		}
	}
	return row{}, false
}

// says waits until a shown row has a text, and returns it.
func (d *desktop) says(text string) (found row) {
	d.t.Helper()
	var menu []row
	d.t.Cleanup(func() {
		if d.t.Failed() {
			d.t.Logf("the menu when %q was looked for: %+v", text, menu)
		}
	})
	until(d.t, fmt.Sprintf("the menu to say %q", text), func() (ok bool) { menu = d.menu(); found, ok = rowOf(menu, text); return ok })
	return found
}

// click clicks on a row as the panel does.
func (d *desktop) click(r row) {
	d.t.Helper()
	name, _, menu, _ := d.item()
	if err := d.bus.Object(name, menu).Call("com.canonical.dbusmenu.Event", 0, r.id, "clicked", dbus.MakeVariant(int32(0)), uint32(0)).Err; err != nil {
		d.t.Fatalf("click on %q: %v", r.label, err)
	}
}

// freezeWithTheMouse opens the menu at the icon with the mouse, goes into the
// alert's submenu with the keys, and clicks on Freeze where the keys show that
// it stands.
func (d *desktop) freezeWithTheMouse(shot func(string) string, at image.Point, top row, pid int) {
	d.t.Helper()
	const attempts = 5 // a panel that is just redrawing may miss a click
	for attempt := 1; ; attempt++ {
		d.tryFreeze(shot, at, top)
		stopped := false
		for deadline := time.Now().Add(patience / attempts); !stopped && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			stopped = state(pid) == "T"
		}
		if stopped {
			return
		}
		if attempt == attempts {
			d.t.Fatalf("process %d is in state %q after a click on Freeze", pid, state(pid))
		}
		d.xdotool("key", "Escape", "key", "Escape", "key", "Escape")
	}
}

// still waits until the screen shows the same twice, and something else than before.
func (d *desktop) still(before image.Image, name string) image.Image {
	d.t.Helper()
	last := d.shot("")
	for range 100 {
		next := d.shot("")
		if changed(last, next).Empty() && (before == nil || !changed(before, next).Empty()) {
			if name != "" {
				d.shot(name)
			}
			return next
		}
		last = next
	}
	return last
}

func (d *desktop) tryFreeze(shot func(string) string, at image.Point, top row) {
	d.t.Helper()
	closed := d.still(nil, "")
	d.xdotool("mousemove", fmt.Sprint(at.X), fmt.Sprint(at.Y), "click", "1")
	open := d.still(closed, shot("menu"))
	if changed(closed, open).Empty() {
		return // tried again
	}
	// The keys step over what cannot be chosen.
	steps := func(rows []row, id int32) (n int) {
		for _, r := range seen(rows) {
			if !r.separator && !r.disabled {
				n++
			}
			if r.id == id {
				break
			}
		}
		return n
	}
	for range steps(d.menu(), top.id) {
		d.xdotool("key", "Down")
	}
	entered := d.still(open, "")
	d.xdotool("key", "Right")
	before := d.still(entered, "")
	freeze, ok := rowOf(top.rows, "Freeze")
	if !ok {
		d.t.Fatalf("no Freeze in %+v", top)
	}
	// The first entry of a submenu is chosen already.
	for range steps(top.rows, freeze.id) - 1 {
		before = d.still(nil, "")
		d.xdotool("key", "Down")
	}
	after := d.still(before, shot("submenu"))
	// What changed are two neighbours: the one that was chosen, and Freeze.
	box := changed(before, after)
	d.xdotool("mousemove", fmt.Sprint(box.Min.X+box.Dx()/3), fmt.Sprint(box.Max.Y-box.Dy()/4), "click", "1")
}

package tray_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/godbus/dbus/v5"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/executable"
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
	cmd.Env = []string{"HOME=" + d.home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "DISPLAY=" + d.display, "DBUS_SESSION_BUS_ADDRESS=" + d.address,
		"XDG_RUNTIME_DIR=" + filepath.Join(d.dir, "run"), "XDG_CURRENT_DESKTOP=XFCE", "NO_AT_BRIDGE=1", "GTK_A11Y=none", "TMPDIR=" + d.dir,
		"BROWSER=/bin/false"}
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

// agent is the real one, in a scratch home.
type agent struct {
	d      *desktop
	bin    string
	socket string
	*program
}

// build builds the programs; tray is built as a release is, or with tags.
func build(t *testing.T, tags string) string {
	t.Helper()
	// Not below t.TempDir, whose parents may be closed to others: the agent
	// believes programs by who may change them.
	bin, err := os.MkdirTemp("", "traybin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(bin) })
	os.Chmod(bin, 0o755)
	run := func(cgo string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", bin + "/"}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	run("0", "wormbell/cmd/wormbell", "wormbell/cmd/wormbelld")
	if tags == "" {
		run("0", "wormbell/cmd/wormbell-tray")
	} else {
		run("1", "-tags", tags, "wormbell/cmd/wormbell-tray")
	}
	return bin
}

func (d *desktop) agent(bin string) *agent {
	d.t.Helper()
	if os.Getuid() != 0 {
		d.t.Skip("needs root: who reads a credential cannot be seen else")
	}
	a := &agent{d: d, bin: bin, socket: filepath.Join(bin, "agent", "s.sock")}
	if err := os.Mkdir(filepath.Dir(a.socket), 0o755); err != nil {
		d.t.Fatal(err)
	}
	d.write(".npmrc", "//registry.example.com/:_authToken=npm_decoy\n", 0o600)
	a.launch()
	return a
}

func (a *agent) launch() {
	a.d.t.Helper()
	cmd := exec.Command(filepath.Join(a.bin, "wormbelld"), "--state", filepath.Join(a.d.dir, "state"), "--socket", a.socket, "--home", a.d.home)
	cmd.Env = []string{"HOME=/root", "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
	a.program = a.d.start("wormbelld", cmd)
	until(a.d.t, "the agent to be ready", func() bool { return strings.Contains(a.said.String(), "msg=ready") })
}

func (a *agent) client() *client.Client {
	a.d.t.Helper()
	c, err := client.Dial(client.Config{Socket: a.socket})
	if err != nil {
		a.d.t.Fatal(err)
	}
	return c
}

// alert waits for an open alert for which ok is true.
func (a *agent) alert(what string, ok func(wormbell.Alert) bool) (found wormbell.Alert) {
	a.d.t.Helper()
	c := a.client()
	until(a.d.t, what, func() bool {
		alerts, err := c.Alerts(a.d.t.Context(), true)
		if err != nil {
			a.d.t.Fatal(err)
		}
		for _, x := range alerts {
			if ok(x) {
				found = x
				return true
			}
		}
		return false
	})
	return found
}

func (d *desktop) write(name, text string, mode os.FileMode) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.home, name), []byte(text), mode); err != nil {
		d.t.Fatal(err)
	}
	d.own(filepath.Join(d.home, name))
}

// thief starts a program that nobody vouches for, which starts another that
// reads the npm token, and stays. A person started the first in their terminal,
// which is where the tree ends; what they start themselves may read their files.
// its name holds the letter that menus eat.
func (d *desktop) thief() int {
	d.t.Helper()
	name := filepath.Join(d.home, "col_lect")
	if err := executable.Copy("/bin/dash", name); err != nil {
		d.t.Skipf("needs dash: %v", err)
	}
	d.write("start.sh", name+" "+d.home+"/steal.sh; exit\n", 0o644)
	d.write("steal.sh", "read x <\"$HOME/.npmrc\"; echo $$ >\"$HOME/pid\"; while :; do sleep 600; done\n", 0o644)
	shell := d.command("bash", "--norc", "--noprofile", "-i")
	credential := shell.SysProcAttr
	terminal, err := pty.StartWithAttrs(shell, nil, &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: credentialOf(credential)})
	if err != nil {
		d.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(io.Discard, terminal) }()
	d.t.Cleanup(func() {
		shell.Process.Kill()
		shell.Wait()
		terminal.Close()
		<-read
	})
	if _, err := io.WriteString(terminal, name+" "+filepath.Join(d.home, "start.sh")+"\n"); err != nil {
		d.t.Fatal(err)
	}
	pid := 0
	until(d.t, "the thief to read", func() bool {
		b, _ := os.ReadFile(filepath.Join(d.home, "pid"))
		return json.Unmarshal(bytes.TrimSpace(b), &pid) == nil
	})
	d.t.Cleanup(func() { // with what it started, stopped or not
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for _, child := range strings.Fields(string(children)) {
			var n int
			fmt.Sscan(child, &n)
			syscall.Kill(n, syscall.SIGKILL)
		}
		syscall.Kill(pid, syscall.SIGKILL)
	})
	return pid
}

func credentialOf(a *syscall.SysProcAttr) *syscall.Credential {
	if a == nil {
		return nil
	}
	return a.Credential
}

// state is the letter of a process's state, proc_pid_stat(5).
func state(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndexByte(b, ')'); i > 0 {
		return strings.Fields(string(b[i+1:]))[0]
	}
	return ""
}

// red is the colour of the bell that rings, in tray/icons/svg/alert.svg, and
// green that of the one that does not.
var (
	red   = color.NRGBA{0xe0, 0x30, 0x3c, 255}
	green = color.NRGBA{0x17, 0x93, 0x6c, 255}
)

func TestDesktop(t *testing.T) { session(t, "") }

// TestDesktopGetlantern runs the same with the library that Windows and macOS
// have.
func TestDesktopGetlantern(t *testing.T) {
	if exec.Command("pkg-config", "--exists", "ayatana-appindicator3-0.1").Run() != nil {
		t.Skip("needs gcc, pkg-config, libgtk-3-dev and libayatana-appindicator3-dev")
	}
	session(t, "getlantern")
}

func session(t *testing.T, tags string) {
	if testing.Short() {
		t.Skip("needs a minute")
	}
	t.Parallel()
	shot := func(name string) string { return strings.TrimPrefix(tags+"-"+name, "-") }
	d := newDesktop(t)
	bin := build(t, tags)
	a := d.agent(bin)

	// No panel yet: it goes on, and registers when there is one.
	tray := d.start("wormbell-tray", d.command(filepath.Join(bin, "wormbell-tray"), "--socket", a.socket))
	until(t, "the tray to say that nothing shows it", func() bool { return strings.Contains(tray.said.String(), "nothing in this session shows icons") })
	d.panel()
	until(t, "the icon to be registered", func() bool { _, _, _, ok := d.item(); return ok })
	d.says("No open alerts")
	if r, ok := rowOf(d.menu(), "Protect"); !ok || !r.disabled || r.checked || !strings.Contains(r.label, "only observes") {
		t.Errorf("protect: %+v; the agent says that it cannot", r)
	}

	// One tray a session.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	second := d.command(filepath.Join(bin, "wormbell-tray"), "--socket", a.socket)
	if out, err := exec.CommandContext(ctx, second.Path, second.Args[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), "no desktop session") {
		t.Errorf("without a session: %v %s", err, out)
	}
	if out, err := second.CombinedOutput(); err != nil || !strings.Contains(string(out), "already") {
		t.Errorf("a second tray: %v %s", err, out)
	}

	// A theft: the bell turns red, and the menu says who.
	pid := d.thief()
	alert := a.alert("the alert", func(x wormbell.Alert) bool {
		return x.User == fmt.Sprint(person) && x.Findings[0].Subject == "~/.npmrc"
	})
	top := d.says("col__lect")
	var at image.Point
	until(t, "the red bell", func() (ok bool) { at, ok = find(d.shot(shot("alert")), red); return ok })

	// The menu opens, and its entry freezes the thief.
	d.freezeWithTheMouse(shot, at, top, pid)
	frozen := a.alert("the freeze to be noted", func(x wormbell.Alert) bool { return x.ID == alert.ID && len(x.Actions) > 0 })
	if frozen.Actions[0].What != "freeze" {
		t.Errorf("done: %+v", frozen.Actions)
	}
	d.says("(frozen)")

	// What loosens the guard is the agent's to allow. Either it is done, or the
	// person is told why not; nothing happens in silence.
	d.loosen(tray, "Pause notifications", func() bool {
		s, err := a.client().Status(t.Context())
		return err == nil && s.PausedUntil != nil
	})
	if err := a.client().Pause(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	d.open(at) // reads anew, as no change is told but of alerts
	d.says("Notifications are paused until")
	if r, ok := rowOf(d.menu(), "End the pause"); !ok || r.disabled {
		t.Errorf("end of the pause: %+v", r)
	}
	if err := a.client().Pause(t.Context(), 0); err != nil {
		t.Fatal(err)
	}

	// The agent goes, and comes back.
	a.end()
	d.says("the agent is not running")
	if r, ok := rowOf(d.menu(), "col__lect"); ok {
		t.Errorf("without an agent there is an alert: %+v", r)
	}
	a.launch()
	d.says("col__lect")

	d.loosen(tray, "Close", func() bool {
		x, err := a.client().Alert(t.Context(), alert.ID)
		return err == nil && x.State == wormbell.Closed
	})
	if err := a.client().Close(t.Context(), alert.ID, "the end of the test"); err != nil {
		t.Fatal(err)
	}
	d.says("No open alerts")
	until(t, "the green bell", func() bool { _, ok := find(d.shot(shot("quiet")), green); return ok })

	d.click(d.says("Quit"))
	select {
	case <-tray.ended:
	case <-time.After(patience):
		t.Fatal("the tray does not quit")
	}
	if code := tray.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// loosen clicks on an entry until it is done, or refused with a reason. A click
// soon after the menu has changed does not count, so it is repeated.
func (d *desktop) loosen(tray *program, entry string, done func() bool) {
	d.t.Helper()
	was, last := strings.Count(tray.said.String(), "not done"), time.Time{}
	until(d.t, entry, func() bool {
		if done() || strings.Count(tray.said.String(), "not done") > was {
			return true
		}
		if r, ok := rowOf(d.menu(), entry); ok && time.Since(last) > 2*time.Second {
			d.click(r)
			last = time.Now()
		}
		return false
	})
}

// open opens the menu and closes it.
func (d *desktop) open(at image.Point) {
	d.t.Helper()
	closed := d.still(nil, "")
	d.xdotool("mousemove", fmt.Sprint(at.X), fmt.Sprint(at.Y), "click", "1")
	d.still(closed, "")
	d.xdotool("key", "Escape")
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

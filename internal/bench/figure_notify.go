package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/client"
)

// screenLimit is how long a notification may take before it counts as missing.
const screenLimit = 20 * time.Second

// openAlerts is how many alerts are open in the second look at an idle tray.
const openAlerts = 50

// measureNotify takes the time from the event that rings until a real
// notification daemon has mapped the window that tells of it, and what the tray
// takes while nothing happens. Every theft meets an agent and a tray that have
// just begun: a tray shows no more than some notices an hour, and it is the first
// that counts.
func measureNotify(ctx context.Context, b *bench) ([]row, error) {
	rounds, span := b.pick(40, 5), time.Duration(b.pick(90, 20))*time.Second
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	d, err := h.newDesktop(ctx)
	if err != nil {
		return nil, err
	}
	defer d.end()
	var told, fromRead, bare sample
	if _, err := d.bare(ctx, "warm up"); err != nil { // the daemon's own start is not measured
		return nil, err
	}
	for n := range rounds {
		alarm, read, err := d.theft(ctx, n)
		if err != nil {
			return nil, err
		}
		took, err := d.bare(ctx, fmt.Sprintf("a bare notification, number %d", n))
		if err != nil {
			return nil, err
		}
		told, fromRead, bare = append(told, millis(alarm)), append(fromRead, millis(read)), append(bare, millis(took))
	}
	note := fmt.Sprintf("%d thefts, each with an agent and a tray of its own: from the time of the event that rang, by the agent's clock, until xfce4-notifyd's window was mapped under Xvfb, without a window manager; %s ms. "+
		"From just before the open(): %.1f ms (p50), %.1f ms (p95). A bare call of Notify with a title alone, in the same run and in turn: %.1f ms (p50), %.1f ms (p95), %s ms",
		len(told), told.spread("%.1f"), fromRead.quantile(0.5), fromRead.quantile(0.95), bare.quantile(0.5), bare.quantile(0.95), bare.spread("%.1f"))
	p50, p95 := told.quantile(0.5), told.quantile(0.95)
	rows := []row{
		{What: "alert → notification on screen, p50", Reached: fmt.Sprintf("%.1f ms", p50), Note: note},
		{What: "alert → notification on screen, p95", Reach: "≤ 300 ms", Reached: fmt.Sprintf("%.1f ms", p95), Met: p95 <= 300},
		{What: "the same, relative to a bare notification, p50", Reached: fmt.Sprintf("×%.1f", p50/bare.quantile(0.5))},
	}
	for _, open := range []int{0, openAlerts} {
		share, rss, err := d.idleTray(ctx, open, span)
		if err != nil {
			return nil, err
		}
		with := fmt.Sprintf("with the agent connected and %d open alerts", open)
		rows = append(rows,
			row{What: "tray idle: processor time, " + with, Reach: "< 0.1 % of a core", Reached: fmt.Sprintf("%.4f %%", share), Met: share < 0.1,
				Note: fmt.Sprintf("over %.0f s, in the panel of Xfce", span.Seconds())},
			row{What: "tray idle: memory resident, " + with, Reach: "< 60 MB", Reached: fmt.Sprintf("%.1f MB", rss), Met: rss < 60})
	}
	return rows, nil
}

// desktop is a session with a screen that nobody sees: an X server, a bus, a
// panel and a notification daemon.
type desktop struct {
	home   *home
	env    []string
	bus    *dbus.Conn
	spy    *dbus.Conn // is told of every call of Notify and of what it returned
	screen net.Conn
	ends   []func()

	mu       sync.Mutex // guards what follows
	mapped   []time.Time
	calls    map[string]bool // calls of Notify that were not answered yet, by sender and serial
	answered []answered
}

// answered is a call of Notify that the daemon has answered.
type answered struct {
	number uint32 // of the notification
	taken  time.Time
}

// newDesktop starts one.
func (h *home) newDesktop(ctx context.Context) (*desktop, error) {
	d := &desktop{home: h, calls: map[string]bool{}}
	if err := d.open(ctx); err != nil {
		d.end()
		return nil, err
	}
	return d, nil
}

func (d *desktop) open(ctx context.Context) error {
	h := d.home
	daemons, _ := filepath.Glob("/usr/lib/*/xfce4/notifyd/xfce4-notifyd")
	if len(daemons) == 0 {
		return errors.New("find xfce4-notifyd: it is not installed")
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("prepare the screen: %w", err)
	}
	defer read.Close()
	x := h.command(ctx, "~", "Xvfb", "-displayfd", "3", "-screen", "0", "1024x640x24", "-nolisten", "tcp", "-noreset")
	x.ExtraFiles = []*os.File{write}
	err = d.begin(x)
	write.Close()
	if err != nil {
		return err
	}
	number := make([]byte, 16)
	n := 0
	for !strings.Contains(string(number[:n]), "\n") { // it comes in pieces
		more, err := read.Read(number[n:])
		if err != nil {
			return fmt.Errorf("ask the X server for its number: %w", err)
		}
		n += more
	}
	display := strings.TrimSpace(string(number[:n]))
	run := filepath.Join(h.dir, "session")
	if err := os.Mkdir(run, 0o700); err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	socket := filepath.Join(run, "bus")
	conf := filepath.Join(run, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	if err := h.write("~/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml", panelConfig); err != nil {
		return err
	}
	d.env = append(h.env(), "DISPLAY=:"+display, "DBUS_SESSION_BUS_ADDRESS=unix:path="+socket, "XDG_RUNTIME_DIR="+run, "XDG_CURRENT_DESKTOP=XFCE", "NO_AT_BRIDGE=1", "GTK_A11Y=none")
	if err := d.begin(d.command(ctx, "dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile")); err != nil {
		return err
	}
	if !until(ctx, screenLimit, func() bool { d.bus, err = dbus.Connect("unix:path=" + socket); return err == nil }) {
		return fmt.Errorf("connect to the session bus: %w", err)
	}
	for _, program := range [][]string{{daemons[0]}, {"xfce4-panel", "--disable-wm-check", "--sm-client-disable"}} {
		if err := d.begin(d.command(ctx, program...)); err != nil {
			return err
		}
	}
	for _, name := range []string{notifications, "org.kde.StatusNotifierWatcher"} {
		if !until(ctx, screenLimit, func() (ok bool) {
			return d.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&ok) == nil && ok
		}) {
			return fmt.Errorf("nobody takes the name %q", name)
		}
	}
	if err := d.listen("unix:path=" + socket); err != nil {
		return err
	}
	return d.watch("/tmp/.X11-unix/X" + display)
}

const notifications = "org.freedesktop.Notifications"

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><standard_session_servicedirs/>
<policy context="default"><allow user="*"/><allow own="*"/><allow eavesdrop="true"/><allow send_destination="*" eavesdrop="true"/></policy></busconfig>
`

// panelConfig is a panel that shows icons and nothing else.
const panelConfig = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=512;y=13"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="26"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>
`

// command is a program of the session.
func (d *desktop) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := d.home.command(ctx, "~", argv...)
	cmd.Env = d.env
	return cmd
}

// begin starts a program that lasts as long as the session.
func (d *desktop) begin(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the session: %w", err)
	}
	d.ends = append(d.ends, func() { cmd.Cancel(); cmd.Wait() }) // it is ended on purpose
	return nil
}

// end ends the session.
func (d *desktop) end() {
	for _, c := range []*dbus.Conn{d.bus, d.spy} {
		if c != nil {
			c.Close()
		}
	}
	if d.screen != nil {
		d.screen.Close()
	}
	for i := len(d.ends) - 1; i >= 0; i-- {
		d.ends[i]()
	}
}

// listen learns of every notification that the daemon has taken.
func (d *desktop) listen(address string) (err error) {
	if d.spy, err = dbus.Connect(address); err != nil {
		return fmt.Errorf("connect to the session bus: %w", err)
	}
	rules := []string{"type='method_call',interface='" + notifications + "',member='Notify'", "type='method_return'"}
	if err := d.spy.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, rules, uint32(0)).Err; err != nil {
		return fmt.Errorf("listen to notifications: %w", err)
	}
	messages := make(chan *dbus.Message, 1000)
	d.spy.Eavesdrop(messages) // from now on it gets no answers of its own any more
	go func() {               // ends with the connection
		for m := range messages {
			d.heard(m)
		}
	}()
	return nil
}

// heard takes in a message between two others.
func (d *desktop) heard(m *dbus.Message) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	from, _ := m.Headers[dbus.FieldSender].Value().(string)
	to, _ := m.Headers[dbus.FieldDestination].Value().(string)
	serial, _ := m.Headers[dbus.FieldReplySerial].Value().(uint32)
	switch asked := fmt.Sprint(to, serial); {
	case m.Type == dbus.TypeMethodCall:
		d.calls[fmt.Sprint(from, m.Serial())] = true
	case m.Type == dbus.TypeMethodReply && d.calls[asked] && len(m.Body) == 1:
		if number, ok := m.Body[0].(uint32); ok {
			d.answered = append(d.answered, answered{number, now})
		}
		delete(d.calls, asked)
	}
}

// watch asks the X server to tell when a window of the screen is mapped (X
// Window System Protocol, X11R7: "Connection Setup", ChangeWindowAttributes,
// MapNotify). It takes a few bytes, and no program between that would add its own
// delay.
func (d *desktop) watch(socket string) (err error) {
	if d.screen, err = net.Dial("unix", socket); err != nil {
		return fmt.Errorf("connect to the screen: %w", err)
	}
	le := binary.LittleEndian
	hello := make([]byte, 12)
	hello[0], hello[2] = 'l', 11 // little endian, protocol 11.0, no authorization
	head := make([]byte, 8)
	if _, err = d.screen.Write(hello); err == nil {
		_, err = io.ReadFull(d.screen, head)
	}
	if err != nil || head[0] != 1 {
		return fmt.Errorf("greet the X server: refused: %w", errors.Join(err))
	}
	setup := make([]byte, 4*int(le.Uint16(head[6:])))
	if _, err := io.ReadFull(d.screen, setup); err != nil {
		return fmt.Errorf("greet the X server: %w", err)
	}
	root := 32 + (int(le.Uint16(setup[16:]))+3)/4*4 + 8*int(setup[21])
	if root+4 > len(setup) {
		return errors.New("greet the X server: its answer is too short")
	}
	ask := make([]byte, 16)
	ask[0], ask[2] = 2, 4 // ChangeWindowAttributes, of four words
	copy(ask[4:], setup[root:root+4])
	le.PutUint32(ask[8:], 1<<11)  // the mask of events
	le.PutUint32(ask[12:], 1<<19) // SubstructureNotify
	if _, err := d.screen.Write(ask); err != nil {
		return fmt.Errorf("ask the X server for its windows: %w", err)
	}
	go func() { // ends with the connection
		event := make([]byte, 32)
		for {
			if _, err := io.ReadFull(d.screen, event); err != nil {
				return
			}
			const mapNotify = 19
			if now := time.Now(); event[0]&0x7f == mapNotify {
				d.mu.Lock()
				d.mapped = append(d.mapped, now)
				d.mu.Unlock()
			}
		}
	}()
	return nil
}

// forget begins a round.
func (d *desktop) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mapped, d.answered = nil, nil
}

// shown waits until a notification was taken and its window mapped, returns when
// it was the later of both, and takes it away.
func (d *desktop) shown(ctx context.Context) (at time.Time, err error) {
	var number uint32
	said := ""
	if !until(ctx, screenLimit, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		said = fmt.Sprintf("%d calls are not answered, %d are, %d windows were mapped", len(d.calls), len(d.answered), len(d.mapped))
		if len(d.answered) == 0 || len(d.mapped) == 0 {
			return false
		}
		first := d.answered[0]
		at, number = d.mapped[0], first.number
		if first.taken.After(at) {
			at = first.taken
		}
		return true
	}) {
		return at, fmt.Errorf("no notification came on the screen within %v: %s", screenLimit, said)
	}
	if err := d.bus.Object(notifications, "/org/freedesktop/Notifications").Call(notifications+".CloseNotification", 0, number).Err; err != nil {
		return at, fmt.Errorf("close a notification: %w", err)
	}
	pause(ctx, 300*time.Millisecond) // its window is gone, and nothing of it in the next round
	return at, ctx.Err()
}

// bare shows a notification as any program does.
func (d *desktop) bare(ctx context.Context, title string) (time.Duration, error) {
	d.forget()
	began := time.Now()
	call := d.bus.Object(notifications, "/org/freedesktop/Notifications").Call(notifications+".Notify", 0, "bench", uint32(0), "", title, "", []string{}, map[string]dbus.Variant{}, int32(-1))
	if call.Err != nil {
		return 0, fmt.Errorf("show a notification: %w", call.Err)
	}
	at, err := d.shown(ctx)
	return at.Sub(began), err
}

// tray starts the tray and returns when it knows the agent.
func (d *desktop) tray(ctx context.Context) (cmd *exec.Cmd, end func(), err error) {
	log := &agentLog{}
	cmd = d.command(ctx, filepath.Join(d.home.bench.bin, "wormbell-tray"), "--socket", d.home.socket)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the tray: %w", err)
	}
	end = func() { cmd.Cancel(); cmd.Wait() } // it is ended on purpose
	if !until(ctx, screenLimit, func() bool { return strings.Contains(log.String(), "the agent answers") }) {
		end()
		return nil, nil, fmt.Errorf("the tray does not find the agent: %s", tail(log.String()))
	}
	return cmd, end, nil
}

// theft lets a program read the npm token, and returns how long it took from the
// event, and from just before the read, until the notification was on the screen.
func (d *desktop) theft(ctx context.Context, n int) (alarm, read time.Duration, err error) {
	a, err := d.home.startAgent(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer a.stop()
	_, end, err := d.tray(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer end()
	pause(ctx, startUp)
	d.forget()
	reads := filepath.Join(d.home.path, "work", fmt.Sprintf("reads-%d", n))
	if err := d.home.run(ctx, "~", d.home.reader, "@read", d.home.path+"/.npmrc", reads); err != nil {
		return 0, 0, err
	}
	at, err := d.shown(ctx)
	if err != nil {
		return 0, 0, err
	}
	c, err := client.Dial(client.Config{Socket: d.home.socket})
	if err != nil {
		return 0, 0, err
	}
	defer c.Release()
	alerts, err := c.Alerts(ctx, false)
	if err != nil {
		return 0, 0, err
	}
	if len(alerts) != 1 {
		return 0, 0, fmt.Errorf("one theft made %d alerts", len(alerts))
	}
	text, err := os.ReadFile(reads)
	if err != nil {
		return 0, 0, fmt.Errorf("read what the reader wrote: %w", err)
	}
	_, opened, err := numberAndTime(string(text))
	return at.Sub(alerts[0].First), at.Sub(opened), err
}

// idleTray returns what the tray uses while nothing happens, in per cent of a
// core, and its memory, in megabytes.
func (d *desktop) idleTray(ctx context.Context, open int, span time.Duration) (share, rss float64, err error) {
	h := d.home
	if err := plantOpen(filepath.Join(h.dir, fmt.Sprintf("state-%d", h.agents+1)), open); err != nil {
		return 0, 0, err
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer a.stop()
	cmd, end, err := d.tray(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer end()
	pause(ctx, 5*time.Second) // what it does once after its start is not idling
	c, err := client.Dial(client.Config{Socket: h.socket})
	if err != nil {
		return 0, 0, err
	}
	defer c.Release()
	if s, err := c.Status(ctx); err != nil || s.Alerts != open {
		return 0, 0, fmt.Errorf("%d alerts are open and not %d: %w", s.Alerts, open, errors.Join(err))
	}
	before, err := processTime(cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	t0 := time.Now()
	pause(ctx, span)
	took := time.Since(t0)
	after, err := processTime(cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read the tray's memory: %w", err)
	}
	return 100 * float64(after-before) / float64(took), float64(field(string(status), "VmRSS:")) / 1024, ctx.Err()
}

// plantOpen makes a store with n open alerts, each of a tree of its own.
func plantOpen(dir string, n int) error {
	now := time.Now().Add(-time.Duration(n+60) * time.Minute)
	s, err := alert.Open(alert.Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		return fmt.Errorf("make the alerts: %w", err)
	}
	defer s.Close()
	shell := &wormbell.Process{PID: 50, Start: now, Exe: "/usr/bin/bash", Args: []string{"-bash"}, TTY: "/dev/pts/3", Leader: true, Signer: "deb:bash", User: "0"}
	for i := range n {
		now = now.Add(time.Minute)
		pkg := wormbell.Package{Ecosystem: "npm", Name: fmt.Sprintf("parcel-%d", i), Version: "1.0.0"}
		npm := &wormbell.Process{PID: 1000 + 3*i, Start: now, Exe: "/usr/bin/node", Script: "/usr/share/nodejs/npm/bin/npm-cli.js", Args: []string{"npm", "install"}, Signer: "deb:npm", TTY: shell.TTY, User: "0", Parent: shell}
		thief := &wormbell.Process{PID: 1001 + 3*i, Start: now, Exe: "/usr/bin/node", Script: "/work/node_modules/parcel/steal.js", Args: []string{"node", "steal.js"}, Lifecycle: "postinstall", Package: &pkg, User: "0", Parent: npm}
		f := wormbell.Finding{Detector: "credential-read", Subject: "~/.npmrc", Summary: "postinstall of " + pkg.String() + " read your npm tokens", Severity: wormbell.High, Process: thief, Time: now,
			Evidence: []wormbell.Event{{Time: now, Kind: wormbell.FileRead, Source: "fanotify", User: "0", Process: thief, Path: "~/.npmrc"}}}
		if _, err := s.Record(f, alert.Meta{Title: "A program reads your credentials"}); err != nil {
			return fmt.Errorf("make the alerts: %w", err)
		}
	}
	return nil
}

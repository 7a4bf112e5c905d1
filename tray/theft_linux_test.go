package tray_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/executable"

	"github.com/creack/pty"
)

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
	var bin string
	var err error
	if tags != "" {
		// One that loads libraries is believed where root alone can write, as a
		// package installs it.
		bin, err = os.MkdirTemp("/srv", "traybin")
	}
	if tags == "" || err != nil {
		bin, err = os.MkdirTemp("", "traybin")
	}
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

// agent makes a machine with an agent that does not run yet.
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
	return a
}

// orphan starts the tray so that nothing of the test is above it, as a desktop
// does that nobody here has started: it is init's child. The agent must start
// later: it would know who made it. The second function returns what it has
// written.
func (a *agent) orphan() (pid int, said func() string) {
	d := a.d
	d.t.Helper()
	log, err := os.Create(filepath.Join(d.dir, "tray.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	said = func() string {
		b, err := os.ReadFile(log.Name())
		if err != nil {
			d.t.Error(err)
		}
		return string(b)
	}
	cmd := d.command("setsid", "--fork", filepath.Join(a.bin, "wormbell-tray"), "--socket", a.socket)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		d.t.Fatal(err)
	}
	until(d.t, "the tray to have its name", func() bool {
		var n uint32
		err := d.bus.BusObject().Call("org.freedesktop.DBus.GetConnectionUnixProcessID", 0, "org.wormbell.Tray").Store(&n)
		pid = int(n)
		return err == nil && pid > 1
	})
	d.t.Cleanup(func() {
		if !gone(pid) {
			syscall.Kill(pid, syscall.SIGTERM)
		}
		until(d.t, "the tray to end", func() bool { return gone(pid) })
		if d.t.Failed() {
			d.t.Logf("the tray said:\n%s", said())
		}
	})
	if by := parent(pid); by != 1 {
		d.t.Skipf("needs orphans to be init's: the tray was adopted by process %d, and the agent asks who vouches for that one", by)
	}
	return pid, said
}

// gone reports whether a process has ended.
func gone(pid int) bool { s := state(pid); return s == "" || s == "Z" }

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

// status is what the agent tells the person.
func (a *agent) status() (s wormbell.Status) {
	a.d.t.Helper()
	ctx, cancel := context.WithTimeout(a.d.t.Context(), patience)
	defer cancel()
	cmd := a.d.command(filepath.Join(a.bin, "wormbell"), "--socket", a.socket, "--json", "status")
	run := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	run.Env, run.Dir, run.SysProcAttr = cmd.Env, cmd.Dir, cmd.SysProcAttr
	out, err := run.Output()
	if err != nil {
		a.d.t.Fatalf("status: %v", err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		a.d.t.Fatal(err)
	}
	return s
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
		syscall.Kill(pid, syscall.SIGKILL) // first: it would start another one
		for _, child := range strings.Fields(string(children)) {
			var n int
			fmt.Sscan(child, &n)
			syscall.Kill(n, syscall.SIGKILL)
		}
	})
	return pid
}

func credentialOf(a *syscall.SysProcAttr) *syscall.Credential {
	if a == nil {
		return nil
	}
	return a.Credential
}

// state is the letter of a process's state, "" if there is none.
func state(pid int) string { return stat(pid)[0] }

// parent is a process's parent.
func parent(pid int) (n int) { fmt.Sscan(stat(pid)[1], &n); return n }

// stat are the fields of proc_pid_stat(5) from the state on.
func stat(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])); len(f) > 1 {
		return f
	}
	return []string{"", ""}
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
	tray, said := a.orphan()
	until(t, "the tray to say that nothing shows it", func() bool { return strings.Contains(said(), "nothing in this session shows icons") })
	d.panel()
	until(t, "the icon to be registered", func() bool { _, _, _, ok := d.item(); return ok })
	d.says("Wormbell is not running")
	a.launch()
	d.says("No open alerts")
	if r, ok := rowOf(d.menu(), "Protect"); !ok || r.checked || strings.Contains(r.label, "not possible") {
		t.Errorf("protect: %+v; the agent can", r)
	}

	// One tray a session.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	second := d.command(filepath.Join(bin, "wormbell-tray"), "--socket", a.socket)
	if out, err := exec.CommandContext(ctx, second.Path, second.Args[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), "no desktop session") {
		t.Errorf("without a session: %v %s", err, out)
	}
	third := exec.CommandContext(ctx, second.Path, second.Args[1:]...)
	third.Env, third.Dir, third.SysProcAttr = second.Env, second.Dir, second.SysProcAttr
	if out, err := third.CombinedOutput(); err != nil || !strings.Contains(string(out), "already") {
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

	// A person pauses for themselves; root for everybody, and then they cannot
	// end it.
	d.choose("Pause notifications", func() bool { return a.status().PausedUntil != nil })
	if s := a.status(); s.PausedForAll || time.Until(*s.PausedUntil) > time.Hour {
		t.Errorf("paused until %v, for all: %v", s.PausedUntil, s.PausedForAll)
	}
	d.says("notifications paused until")
	if err := a.client().Pause(t.Context(), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	if r := d.says("Paused for everybody by an administrator"); !r.disabled {
		t.Errorf("end of root's pause: %+v", r)
	}
	if err := a.client().Pause(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	d.choose("End the pause", func() bool { return a.status().PausedUntil == nil })
	d.says("Pause notifications")

	// The agent goes, and comes back.
	a.end()
	d.says("Wormbell is not running")
	if r, ok := rowOf(d.menu(), "col__lect"); ok {
		t.Errorf("without an agent there is an alert: %+v", r)
	}
	a.launch()
	d.says("col__lect")

	// What loosens the guard is the agent's to allow: it knows the tray, and
	// that nobody but the desktop is behind it. An alert whose processes are frozen
	// is not closed by a click.
	d.says("Close…")
	d.choose("Let it go on", func() bool {
		x, err := a.client().Alert(t.Context(), alert.ID)
		return err == nil && !x.Frozen()
	})
	d.choose("Close: it is dealt with", func() bool {
		x, err := a.client().Alert(t.Context(), alert.ID)
		return err == nil && x.State == wormbell.Closed
	})
	closed := a.alert("the close to be noted", func(x wormbell.Alert) bool { return x.ID == alert.ID && len(x.Actions) > 2 })
	if last := closed.Actions[len(closed.Actions)-1]; last.What != "close" || last.By != fmt.Sprint(person) || !strings.Contains(last.Outcome, "closed in the tray") {
		t.Errorf("done: %+v", last)
	}
	d.says("No open alerts")
	until(t, "the green bell", func() bool { _, ok := find(d.shot(shot("quiet")), green); return ok })

	d.click(d.says("Quit"))
	until(t, "the tray to quit", func() bool { return gone(tray) })
	if strings.Contains(said(), "not done") {
		t.Error("something that was chosen was refused")
	}
}

// choose clicks on an entry until it is done. A click soon after the menu has
// changed does not count, so it is repeated.
func (d *desktop) choose(entry string, done func() bool) {
	d.t.Helper()
	last := time.Time{}
	until(d.t, entry+" to be done", func() bool {
		if done() {
			return true
		}
		if r, ok := rowOf(d.menu(), entry); ok && time.Since(last) > 2*time.Second {
			d.click(r)
			last = time.Now()
		}
		return false
	})
}

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openWithin opens a guarded file from a program of its own and says whether
// it came back in time.
func (m *machine) openWithin(file string, d time.Duration) bool {
	m.t.Helper()
	cmd := exec.Command("cat", m.path(file))
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(d):
		cmd.Process.Kill()
		<-done
		return false
	}
}

// answering returns the process that answers openers: the watchdog's child.
func (m *machine) answering() int {
	m.t.Helper()
	var pids []int
	m.until("the watchdog to have a child", 20*time.Second, func() bool { pids = children(m.agent.Process.Pid); return len(pids) == 1 })
	return pids[0]
}

// TestStoppedAgent: SIGSTOP to the process that answers holds openers for a
// second at the most, and the agent is back after it; also when nothing has
// happened for a while, and it shows only every few seconds that it lives.
func TestStoppedAgent(t *testing.T) {
	for name, idle := range map[string]time.Duration{"busy": 0, "at rest": 4 * time.Second} {
		t.Run(name, func(t *testing.T) { testStoppedAgent(t, idle) })
	}
}

func testStoppedAgent(t *testing.T, idle time.Duration) {
	needRoot(t)
	m := start(t, options{})
	<-time.After(idle)
	stopped := m.answering()
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The limit is one second; ten leave room for a busy machine and are still
	// far from the forever of an agent that nobody ends.
	if !m.openWithin("~/.npmrc", 10*time.Second) {
		t.Error("an opener was held by a stopped agent")
	}
	m.until("a new agent", 20*time.Second, func() bool {
		return strings.Count(m.log.String(), "msg=ready") == 2
	})
	if pid := m.answering(); pid == stopped {
		t.Error("the stopped process is still the one that answers")
	}
	m.t.Log("after the restart the guard works")
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.must("~", "node", "steal.js")
	m.rings("credential-read")
}

// TestLeased: the kernel cannot open for the agent what has a write lease
// (F_SETLEASE in fcntl(2)), which anybody may take on a file of his own. That is
// no reason to end an agent at rest, whose watchdog sees that somebody comes.
func TestLeased(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	file, err := os.Open(m.path("~/.npmrc"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	agent := m.answering()
	for range 2 {
		<-time.After(4 * time.Second) // it rests
		if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
			t.Fatal(err)
		}
		m.openWithin("~/.npmrc", 10*time.Second) // it may be turned away
		if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(2 * time.Second) // the watchdog would have ended it after one
	if pid := m.answering(); pid != agent {
		t.Errorf("the agent was ended:\n%s", m.log.String())
	}
}

// TestTerminalStops: Ctrl-Z and background reads do not stop the agent.
func TestTerminalStops(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	for _, s := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		for _, pid := range []int{m.agent.Process.Pid, m.answering()} {
			syscall.Kill(pid, s)
		}
	}
	if !m.openWithin("~/.npmrc", 10*time.Second) {
		t.Error("an opener was held")
	}
	m.status()
	if n := strings.Count(m.log.String(), "msg=ready"); n != 1 {
		t.Errorf("the agent was started %d times", n)
	}
}

// TestKilledAgent: kill -9 at any point loses nothing that was shown, leaves
// no file blocked, and the next start is clean.
func TestKilledAgent(t *testing.T) {
	needRoot(t)
	rounds := 3
	if *long {
		rounds = 15
	}
	o := options{home: scratch(t, "e2e-home"), state: filepath.Join(scratch(t, "e2e-state"), "s")}
	shown := map[string]bool{}
	for i := range rounds {
		m := start(t, o)
		m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
		for id := range shown {
			if _, code := m.wormbell("alert", "show", id); code != 0 {
				t.Errorf("round %d: alert %s was shown before the kill and is gone", i, id)
			}
		}
		m.must("~", "setsid", "node", "steal.js")
		alert, _ := m.rings("credential-read")
		shown[alert.ID] = true
		child := m.answering()
		m.agent.Process.Kill() // the watchdog first: its child must not outlive it
		<-m.ended
		m.until("the child to end with its watchdog", 20*time.Second, func() bool { return syscall.Kill(child, 0) != nil })
		if !m.openWithin("~/.npmrc", 10*time.Second) {
			t.Fatal("a guarded file is blocked after the kill")
		}
	}
}

// TestKilledChild: the same for the process that answers alone.
func TestKilledChild(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	syscall.Kill(m.answering(), syscall.SIGKILL)
	if !m.openWithin("~/.npmrc", 10*time.Second) {
		t.Fatal("a guarded file is blocked after the kill")
	}
	m.until("a new agent", 20*time.Second, func() bool { return strings.Count(m.log.String(), "msg=ready") == 2 })
}

// TestSecondAgent: two agents on one state is an error that says so.
func TestSecondAgent(t *testing.T) {
	m := start(t, options{})
	cmd := exec.Command(filepath.Join(bin, "wormbelld"), "--state", filepath.Join(m.dir, "state"), "--socket", m.socket+"2", "--home", m.home)
	cmd.Env = m.env()
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "another") {
		t.Errorf("second agent: exit %d\n%s\nwant 2 and a sentence about another agent", cmd.ProcessState.ExitCode(), out)
	}
	cmd = exec.Command(filepath.Join(bin, "wormbelld"), "--state", filepath.Join(m.dir, "state2"), "--socket", m.socket, "--home", m.home)
	cmd.Env = m.env()
	out, err = cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("second agent on the same socket: exit %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
	m.status() // the first one is none the worse
}

// TestCorruptStore: a broken database is put aside and said.
func TestCorruptStore(t *testing.T) {
	needRoot(t)
	state := filepath.Join(scratch(t, "e2e-state"), "s")
	m := start(t, options{state: state})
	m.stop()
	files, _ := filepath.Glob(filepath.Join(state, "*.db"))
	if len(files) != 1 {
		t.Fatalf("databases in the state folder: %v", files)
	}
	if err := os.WriteFile(files[0], []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	m = start(t, options{state: state})
	if s := m.status(); len(s.Problems) == 0 {
		t.Error("status names no problem after the database was found broken")
	}
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.must("~", "node", "steal.js")
	m.rings("credential-read")
}

// TestFullDisk: no room for the store: the agent goes on detecting, says so,
// and writes what it held once there is room.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	disk := scratch(t, "e2e-disk")
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	m := start(t, options{state: filepath.Join(disk, "s")})
	filler := filepath.Join(disk, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	f.Close()
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	for i := range 30 { // enough findings that they cannot fit into pages that exist
		m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc') // "+strings.Repeat("x", i))
		m.must("~", "setsid", "-f", "node", m.path("~/steal.js"))
	}
	m.until("the alerts", 20*time.Second, func() bool { return len(m.alerts()) > 0 && m.alerts()[0].Count > 0 })
	if s := m.status(); len(s.Problems) == 0 {
		t.Error("status names no problem on a full disk")
	}
	before := len(m.alerts())
	os.Remove(filler)
	m.until("the store to recover", time.Minute, func() bool { return len(m.status().Problems) == 0 })
	m.stop()
	m2 := start(t, options{state: filepath.Join(disk, "s"), home: m.home})
	if after := len(m2.alerts()); after < before {
		t.Errorf("%d alerts after the restart, %d before: some were lost on the full disk", after, before)
	}
}

// TestBadSettings: an unknown key names the nearest one.
func TestBadSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	os.WriteFile(file, []byte("refuse_backend = [\"fanotify\"]\n"), 0o600)
	out, err := exec.Command(filepath.Join(bin, "wormbelld"), "--config", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "refuse_backends") {
		t.Errorf("unknown key: %v, %s", err, out)
	}
}

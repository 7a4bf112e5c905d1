package watchers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/executable"
	"wormbell/watchers/internal/procs"
)

// procOut is an Out that keeps everything.
type procOut struct {
	mu     sync.Mutex
	events []wormbell.Event
	sees   []string
	armed  chan struct{}
	once   sync.Once
}

func newProcOut() *procOut { return &procOut{armed: make(chan struct{})} }

func (r *procOut) Emit(e wormbell.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *procOut) Sees(backend string, who bool, why string) {
	r.mu.Lock()
	r.sees = append(r.sees, fmt.Sprintf("%s %v %s", backend, who, why))
	r.mu.Unlock()
	r.once.Do(func() { close(r.armed) })
}

func (r *procOut) Guards([]wormbell.Guarded) {}

// find returns the first event that is ok.
func (r *procOut) find(ok func(wormbell.Event) bool) (wormbell.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.events, ok); i >= 0 {
		return r.events[i], true
	}
	return wormbell.Event{}, false
}

// eventually polls until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// procLineage returns a lineage; it skips the test where the kernel tells nothing.
func procLineage(t *testing.T, cfg LineageConfig) *Lineage {
	t.Helper()
	l := NewLineage(cfg)
	l.sums.patience = time.Minute // a busy machine is not a stuck disk
	t.Cleanup(l.Close)
	if l.from.kernel == nil && !slices.Contains(cfg.Refuse, "procconn") {
		t.Skip("nothing tells of processes here: ", l.from.why)
	}
	return l
}

// watchProcesses runs the processes watcher until the test ends.
func watchProcesses(t *testing.T, l *Lineage) *procOut {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, done := newProcOut(), make(chan error, 1)
	go func() { done <- processesWatcher.Run(ctx, Host{Lineage: l}, out) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the watcher ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the watcher does not end")
		}
	})
	<-out.armed
	return out
}

func putFile(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := executable.Write(name, content); err != nil {
		t.Fatal(err)
	}
	return name
}

// fifo makes a named pipe: a process that opens it is held until we do.
func fifo(t *testing.T, dir, name string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := syscall.Mkfifo(p, 0o666); err != nil {
		t.Fatal(err)
	}
	return p
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for programs that root vouches for and processes of others")
	}
}

func above(p *wormbell.Process, pid int) bool {
	for a := range p.Chain {
		if a.PID == pid {
			return true
		}
	}
	return false
}

func TestEveryShortProcessIsChained(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string][]string{"the best there is": nil, "without eBPF": {"ebpf"}} {
		t.Run(name, func(t *testing.T) { testShortProcesses(t, LineageConfig{Refuse: refuse}) })
	}
}

func testShortProcesses(t *testing.T, cfg LineageConfig) {
	l := procLineage(t, cfg)
	out := watchProcesses(t, l)
	// Half are forks of forks; all end at once, most before /proc can be read.
	cmd := exec.Command("/bin/sh", "-c", `i=0; while [ $i -lt 1000 ]; do /bin/true; (/bin/true; :); i=$((i+1)); done`)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	root := cmd.Process.Pid
	count := func() (n int, lost []string, args int) {
		out.mu.Lock()
		defer out.mu.Unlock()
		for _, e := range out.events {
			switch {
			case e.Kind == wormbell.Gap && strings.HasPrefix(e.Line, "command lines "):
				// On a busy machine one that ends, or executes, may hold us up for long.
			case e.Kind == wormbell.Gap:
				lost = append(lost, fmt.Sprintf("%d %s", e.Count, e.Line))
			case e.Kind == wormbell.ProcessStart && e.Process.PID != root && above(e.Process, root):
				n++
				if len(e.Process.Args) > 0 {
					args++
				}
			}
		}
		return n, lost, args
	}
	eventually(t, "2,000 starts", func() bool { n, _, _ := count(); return n >= 2000 })
	n, lost, args := count()
	if n != 2000 || len(lost) > 0 {
		t.Errorf("%d of 2000 starts lead to their shell, gaps %q", n, lost)
	}
	if l.from.name == "ebpf" && args != 2000 {
		t.Errorf("command lines of %d of 2000 were seen, although the kernel says them", args)
	}
	t.Logf("command lines of %d were seen", args)
}

func TestOrphanLeadsToItsAncestor(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} { // with and without somebody who drains meanwhile
		l := procLineage(t, LineageConfig{})
		if told {
			watchProcesses(t, l)
		}
		dir := t.TempDir()
		gate, pidFile := fifo(t, dir, "gate"), filepath.Join(dir, "pid")
		// A double fork with its own session and a scrubbed environment.
		cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`(setsid env -i /bin/sh -c 'echo $$ > %s.new; mv %s.new %s; read x < %s' & ) ; exit 0`, pidFile, pidFile, pidFile, gate))
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		var pid int
		eventually(t, "the orphan", func() bool {
			b, _ := os.ReadFile(pidFile)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
			return pid > 0
		})
		p := l.At(pid)
		if p == nil || !above(p, cmd.Process.Pid) || !above(p, os.Getpid()) {
			t.Fatalf("told %v: the orphan's ancestors are %v", told, slices.Collect(p.Chain))
		}
		shell := p.Ancestor(func(a *wormbell.Process) bool { return a.PID == cmd.Process.Pid })
		if l.Alive(shell.ID()) {
			t.Error("the shell that ended is alive")
		}
		if living := l.Living(shell.ID()); !slices.Contains(living, p.ID()) || slices.Contains(living, shell.ID()) {
			t.Errorf("below the ended shell live %v, not %v", living, p.ID())
		}
		if !l.Alive(p.ID()) {
			t.Error("the orphan is not alive")
		}
		if again := l.At(pid); again.ID() != p.ID() {
			t.Errorf("its identity changed from %v to %v", p.ID(), again.ID())
		}
		if err := os.WriteFile(gate, []byte("x\n"), 0); err != nil {
			t.Fatal(err)
		}
		eventually(t, "its end", func() bool { return !l.Alive(p.ID()) })
		if living := l.Living(shell.ID()); len(living) > 0 {
			t.Errorf("%v live still", living)
		}
	}
}

func TestExecKeepsTheParentThatStarted(t *testing.T) {
	t.Parallel()
	l := procLineage(t, LineageConfig{})
	dir := t.TempDir()
	first, gate := fifo(t, dir, "first"), fifo(t, dir, "gate")
	// The shell starts a child, then becomes sleep.
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`read x < %s; /bin/sh -c 'read x < %s' & echo $!; exec sleep 1000`, first, gate))
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	// What it was can be told only if it was looked at while it was that.
	eventually(t, "the shell", func() bool { p := l.At(cmd.Process.Pid); return p != nil && len(p.Args) > 0 })
	if err := os.WriteFile(first, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 20)
	n, _ := stdout.Read(line)
	child, _ := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	eventually(t, "sleep", func() bool {
		p := l.At(cmd.Process.Pid)
		return p != nil && filepath.Base(p.Exe) == "sleep"
	})
	p := l.At(child)
	if p == nil || p.Parent == nil || p.Parent.PID != cmd.Process.Pid {
		t.Fatalf("no parent: %+v", p)
	}
	if name := filepath.Base(p.Parent.Exe); name == "sleep" {
		t.Errorf("the parent is what it became: %s", name)
	}
	if err := os.WriteFile(gate, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
}

func TestProcessFields(t *testing.T) {
	t.Parallel()
	needRoot(t)
	l := procLineage(t, LineageConfig{})
	out := watchProcesses(t, l)
	dir, err := os.MkdirTemp("", "wormbell-fields-") // nobody may enter those of t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	gate := fifo(t, dir, "gate")
	secret := "npm_" + strings.Repeat("x", 30) + "000000"
	script := putFile(t, filepath.Join(dir, "x.sh"), "read x < "+gate+"\n")
	cmd := exec.Command("/bin/sh", "x.sh", "--token="+secret)
	cmd.Dir = dir
	cmd.Env = []string{"SECRET=" + secret, "npm_config_dry_run=true"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var e wormbell.Event
	eventually(t, "its start", func() (ok bool) {
		e, ok = out.find(func(e wormbell.Event) bool {
			return e.Kind == wormbell.ProcessStart && e.Process.PID == cmd.Process.Pid
		})
		return ok
	})
	p := e.Process
	if e.Source != "ebpf" && e.Source != "procconn" || e.User != "65534" || p.User != "65534" || e.Path != "" {
		t.Errorf("source %q, user %q and %q, path %q", e.Source, e.User, p.User, e.Path)
	}
	if p.Script != script || p.Cwd != dir || !p.DryRun || p.Signer != "" || p.Foreground || p.Leader {
		t.Errorf("%+v", p)
	}
	if strings.Contains(fmt.Sprint(p.Args), secret) || len(p.Args) != 3 {
		t.Error("the arguments hold a secret, or are not three")
	}
	st, err := procs.NewReader().Stat(p.PID)
	if boot, _ := procs.BootTime(); err != nil || !p.Start.Equal(boot.Add(time.Duration(st.Start)*10*time.Millisecond)) {
		t.Errorf("start %v of %+v", p.Start, st)
	}
	if since := time.Since(p.Start); since < -2*time.Second || since > 30*time.Second {
		t.Errorf("it started %v ago", since)
	}
	if err := os.WriteFile(gate, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, "its exit", func() bool {
		_, ok := out.find(func(e wormbell.Event) bool { return e.Kind == wormbell.ProcessExit && e.Process.ID() == p.ID() })
		return ok
	})
}

func TestSelfIsKnownButNotTold(t *testing.T) {
	t.Parallel()
	l := procLineage(t, LineageConfig{Self: []int{os.Getpid()}})
	me := l.At(os.Getpid())
	if me == nil || me.Parent == nil || !l.Alive(me.ID()) {
		t.Fatalf("the agent itself is %+v", me)
	}
	if l.At(1<<22+1) != nil {
		t.Error("a process that cannot be is known")
	}
	if !l.tab.nodes[os.Getpid()].self || l.tab.nodes[os.Getppid()].self {
		t.Error("the wrong processes are taken for the agent")
	}
}

func TestPolling(t *testing.T) {
	t.Parallel()
	l := procLineage(t, LineageConfig{Refuse: []string{"ebpf", "procconn"}})
	out := watchProcesses(t, l)
	if got := out.sees[0]; !strings.HasPrefix(got, "poll true ") || !strings.Contains(got, "shorter than 100 ms are not seen") {
		t.Errorf("it says %q", got)
	}
	dir := t.TempDir()
	gate := fifo(t, dir, "gate")
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`/bin/sh -c 'read x < %s; exec sleep 60' ; :`, gate))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child *wormbell.Process
	eventually(t, "the child's start", func() bool {
		e, ok := out.find(func(e wormbell.Event) bool {
			return e.Kind == wormbell.ProcessStart && e.Process.PID != cmd.Process.Pid && above(e.Process, cmd.Process.Pid)
		})
		child = e.Process
		return ok && e.Source == "poll"
	})
	if p := l.At(child.PID); p == nil || p.ID() != child.ID() || p.Parent.PID != cmd.Process.Pid {
		t.Errorf("asked for, it is %+v", p)
	}
	if living := l.Living(l.At(cmd.Process.Pid).ID()); len(living) != 2 || living[0].PID != cmd.Process.Pid {
		t.Errorf("below the shell live %v", living)
	}
	if err := os.WriteFile(gate, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the exec without a fork", func() bool {
		_, ok := out.find(func(e wormbell.Event) bool {
			return e.Kind == wormbell.ProcessStart && e.Process.PID == child.PID && filepath.Base(e.Process.Exe) == "sleep"
		})
		return ok
	})
	if err := syscall.Kill(child.PID, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	eventually(t, "its exit", func() bool {
		_, ok := out.find(func(e wormbell.Event) bool { return e.Kind == wormbell.ProcessExit && e.Process.ID() == child.ID() })
		return ok
	})
}

func TestLossIsTold(t *testing.T) {
	t.Parallel()
	t.Run("proc connector", func(t *testing.T) {
		testLoss(t, LineageConfig{queue: 2048, Refuse: []string{"ebpf"}}, `(:)`)
	})
	t.Run("eBPF", func(t *testing.T) {
		testLoss(t, LineageConfig{}, "/bin/true "+strings.Repeat("x", 9000)) // more than the ring holds of that
	})
}

func testLoss(t *testing.T, cfg LineageConfig, command string) {
	l := procLineage(t, cfg)
	dir := t.TempDir()
	gate := fifo(t, dir, "gate")
	// Nobody drains while thousands start; the last one stays.
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`i=0; while [ $i -lt 500 ]; do %s; i=$((i+1)); done; read x < %s`, command, gate))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held := holdFifo(t, gate)
	out := watchProcesses(t, l)
	eventually(t, "a gap", func() bool {
		_, ok := out.find(func(e wormbell.Event) bool { return e.Kind == wormbell.Gap })
		return ok
	})
	p := l.At(cmd.Process.Pid)
	if p == nil || len(p.Args) != 3 || !above(p, os.Getpid()) {
		t.Errorf("after the loss the shell is %+v", p)
	}
	if _, ok := out.find(func(e wormbell.Event) bool {
		return e.Kind == wormbell.ProcessStart && e.Process.PID == cmd.Process.Pid
	}); !ok {
		t.Error("its start was not told")
	}
	held.Close()
	cmd.Wait()
}

// holdFifo waits until somebody reads from a pipe, and keeps it reading until
// the file that it returns is closed.
func holdFifo(t *testing.T, name string) *os.File {
	t.Helper()
	var fd int
	eventually(t, "a reader of the pipe", func() bool {
		var err error // as long as nobody reads, this fails instead of waiting
		fd, err = syscall.Open(name, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		return err == nil
	})
	return os.NewFile(uintptr(fd), name)
}

// TestLossesWithoutTheKernelsWord: where the command lines are read from /proc,
// every one that was gone by then is counted.
func TestLossesWithoutTheKernelsWord(t *testing.T) {
	t.Parallel()
	l := procLineage(t, LineageConfig{Refuse: []string{"ebpf"}})
	out := watchProcesses(t, l)
	cmd := exec.Command("/bin/sh", "-c", `i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done`)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	starts, args := 0, 0
	eventually(t, "300 starts", func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		starts, args = 0, 0
		for _, e := range out.events {
			if e.Kind == wormbell.ProcessStart && e.Process.PID != cmd.Process.Pid && above(e.Process, cmd.Process.Pid) {
				starts++
				if len(e.Process.Args) > 0 {
					args++
				}
			}
		}
		return starts >= 300
	})
	l.mu.Lock()
	counted := l.tab.unread + l.tab.stalled
	l.mu.Unlock()
	out.mu.Lock()
	defer out.mu.Unlock()
	for _, e := range out.events {
		if e.Kind == wormbell.Gap && strings.HasPrefix(e.Line, "command lines of processes that ") {
			counted += e.Count
		}
	}
	if lost := starts - args; counted < lost {
		t.Errorf("%d of %d command lines are not known, and %d are counted", lost, starts, counted)
	}
	if want := []string{"procconn true eBPF is refused by the configuration; the command lines of processes that live for a moment are missed"}; os.Getuid() == 0 && !slices.Equal(out.sees, want) {
		t.Errorf("the sensor says %q", out.sees)
	}
	t.Logf("%d of %d command lines were read", args, starts)
}

package freeze_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/freeze"
)

// firstThread keeps what TestMain does on the first thread of the process, for
// the role that ends it.
var firstThread = func() bool {
	if os.Getenv("WORMBELL_TEST_ROLE") == "headless" {
		runtime.LockOSThread()
	}
	return true
}()

// TestMain lets the test binary be the trees that are frozen. All end by
// themselves.
func TestMain(m *testing.M) {
	switch role := os.Getenv("WORMBELL_TEST_ROLE"); {
	case role == "":
		os.Exit(m.Run())
	case role == "headless":
		go func() { // on another thread, for this one ends
			for {
				time.Sleep(time.Millisecond)
			}
		}()
		time.AfterFunc(time.Minute, func() { os.Exit(0) })
		syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0) // of the thread alone, exit(2)
	case role == "sleep":
		time.Sleep(30 * time.Second)
	case strings.HasPrefix(role, "bomb "):
		bomb(strings.TrimPrefix(role, "bomb "))
	case strings.HasPrefix(role, "orphan"):
		start("sleep") // re-parented as this one ends
	}
	os.Exit(0)
}

func start(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "WORMBELL_TEST_ROLE="+role)
	cmd.Start()
	return cmd
}

// bomb forks as fast as it can, two children each, at most 150 processes in all
// by the count of files in dir, for at most a minute.
func bomb(dir string) {
	go func() { time.Sleep(time.Minute); os.Exit(0) }()
	for range 2 {
		names, _ := os.ReadDir(dir)
		if len(names) >= 120 {
			break
		}
		cmd := start("bomb " + dir)
		if cmd.Process != nil {
			os.WriteFile(filepath.Join(dir, strconv.Itoa(cmd.Process.Pid)), nil, 0o666)
		}
	}
	for { // alive and busy, so that being stopped shows
		os.WriteFile(filepath.Join(dir, "beat"), []byte(fmt.Sprint(os.Getpid())), 0o666)
		time.Sleep(time.Millisecond)
	}
}

// lineage is a small one of our own: it remembers who descended from whom.
type lineage struct {
	t     *testing.T
	above map[wormbell.ProcessID]wormbell.ProcessID
}

func newLineage(t *testing.T) *lineage {
	return &lineage{t, map[wormbell.ProcessID]wormbell.ProcessID{}}
}

func statOf(pid int) (ppid int, state string, start time.Time, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", time.Time{}, false
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	ppid, _ = strconv.Atoi(f[1])
	ticks, _ := strconv.ParseInt(f[19], 10, 64)
	return ppid, f[0], time.Unix(0, ticks*1e7), true
}

func (l *lineage) at(pid int) *wormbell.Process {
	ppid, _, start, ok := statOf(pid)
	if !ok {
		return nil
	}
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	p := &wormbell.Process{PID: pid, Start: start, Exe: exe}
	if ppid > 0 {
		p.Parent = l.at(ppid)
	}
	if _, known := l.above[p.ID()]; !known && p.Parent != nil {
		l.above[p.ID()] = p.Parent.ID()
	}
	return p
}

func (l *lineage) living(root wormbell.ProcessID) (out []wormbell.ProcessID) {
	names, _ := os.ReadDir("/proc")
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		p := l.at(pid)
		if p == nil {
			continue
		}
		for id, n := p.ID(), 0; n < 100; n++ {
			if id == root {
				out = append(out, p.ID())
				break
			}
			next, ok := l.above[id]
			if !ok {
				break
			}
			id = next
		}
	}
	return out
}

func (l *lineage) config(root wormbell.ProcessID) freeze.Config {
	return freeze.Config{Roots: []wormbell.ProcessID{root}, Living: l.living, Process: l.at,
		Limit: 30 * time.Second} // a busy machine is no fault
}

func (l *lineage) run(c freeze.Config, a freeze.Action) freeze.Report {
	l.t.Helper()
	r, err := freeze.Tree(l.t.Context(), c, a)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// begin starts a process of the test's and ends it with the test.
func begin(t *testing.T, role string, as int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "WORMBELL_TEST_ROLE="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if as > 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as), Gid: uint32(as)}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func state(pid int) string {
	_, s, _, _ := statOf(pid)
	return s
}

func pids(ts []freeze.Target) []int {
	var out []int
	for _, t := range ts {
		out = append(out, t.PID)
	}
	return out
}

// A tree that forks as fast as it can is stopped entirely, continued, and ended.
func TestForkBomb(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o777)
	cmd := begin(t, "bomb "+dir, 0)
	l := newLineage(t)
	root := l.at(cmd.Process.Pid).ID()
	until(t, "it forks", func() bool { n, _ := os.ReadDir(dir); return len(n) > 10 })

	r := l.run(l.config(root), freeze.Stop)
	if len(r.Left) > 0 || len(r.Done) < 10 {
		t.Fatalf("stopped %d, left %v", len(r.Done), r.Left)
	}
	for _, id := range l.living(root) {
		if s := state(id.PID); s != "T" && s != "Z" {
			t.Errorf("%d is in state %s", id.PID, s)
		}
	}
	os.Remove(filepath.Join(dir, "beat"))
	n1, _ := os.ReadDir(dir)
	time.Sleep(50 * time.Millisecond) // nothing may happen in it
	n2, _ := os.ReadDir(dir)
	if len(n1) != len(n2) {
		t.Errorf("a stopped tree went on: %d files, then %d", len(n1), len(n2))
	}

	r = l.run(l.config(root), freeze.Continue)
	if len(r.Left) > 0 {
		t.Errorf("continued, but left %v", r.Left)
	}
	until(t, "it goes on", func() bool { _, err := os.Stat(filepath.Join(dir, "beat")); return err == nil })

	r = l.run(l.config(root), freeze.Kill)
	if len(r.Left) > 0 {
		t.Errorf("ended, but left %v", r.Left)
	}
	for _, id := range l.living(root) {
		if s := state(id.PID); s != "Z" && s != "" {
			t.Errorf("%d lives on in state %s", id.PID, s)
		}
	}
}

// The descendants of a dead root still count.
func TestDeadRoot(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	cmd := exec.Command("/bin/sh", "-c", "sleep 30 & echo $!; read wait")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	child, _ := strconv.Atoi(strings.TrimSpace(line))
	root := l.at(cmd.Process.Pid).ID()
	c := l.at(child)
	in.Close()
	cmd.Wait()
	t.Cleanup(func() {
		if now := l.at(child); now != nil && now.ID() == c.ID() {
			syscall.Kill(child, syscall.SIGKILL)
		}
	})
	r := l.run(l.config(root), freeze.Stop)
	if !slices.Equal(pids(r.Done), []int{child}) || state(child) != "T" {
		t.Errorf("stopped %v (state %s), want the orphan %d", r.Done, state(child), child)
	}
	l.run(l.config(root), freeze.Kill)
	if s := state(child); s != "Z" && s != "" {
		t.Errorf("the orphan lives on in state %s", s)
	}
}

// What has ended was neither stopped nor left alone, also while its parent has
// not asked how it ended.
func TestEnded(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	cmd := begin(t, "ends at once", 0)
	pid := cmd.Process.Pid
	p := l.at(pid)
	until(t, "it ends", func() bool { return state(pid) == "Z" })
	for a, want := range map[freeze.Action]string{freeze.Stop: "no process was stopped: all of the tree has ended",
		freeze.Continue: "no process was continued: all of the tree has ended", freeze.Kill: "no process was ended: all of the tree has ended"} {
		c := l.config(p.ID())
		c.Caller = 65533 // nor is it another user's
		if r := l.run(c, a); r.String() != want || len(r.Done)+len(r.Left) > 0 {
			t.Errorf("%s: %s (%v, %v)", a, r, r.Done, r.Left)
		}
	}
}

// What ends while it is being stopped was not stopped.
func TestEndsMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	pid := begin(t, "sleep", 0).Process.Pid
	root := l.at(pid).ID()
	c := l.config(root)
	c.Living = func(root wormbell.ProcessID) []wormbell.ProcessID { // asked again once it is stopped
		if state(pid) == "T" {
			syscall.Kill(pid, syscall.SIGKILL)
			until(t, "it ends", func() bool { return state(pid) == "Z" })
		}
		return l.living(root)
	}
	if r := l.run(c, freeze.Stop); len(r.Done)+len(r.Left) > 0 {
		t.Errorf("%s", r)
	}
}

// What runs anyway is not said to have been continued.
func TestNothingToContinue(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	r := l.run(l.config(l.at(begin(t, "sleep", 0).Process.Pid).ID()), freeze.Continue)
	if r.String() != "no process was continued: none of the tree was stopped" || len(r.Done)+len(r.Left) > 0 {
		t.Errorf("%s (%v, %v)", r, r.Done, r.Left)
	}
}

// A process whose first thread has ended looks like one that has ended itself,
// and runs on.
func TestFirstThreadEnded(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	pid := begin(t, "headless", 0).Process.Pid
	until(t, "its first thread ends", func() bool { return state(pid) == "Z" })
	threads := func() (states string) {
		names, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, n := range names {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, n.Name()))
			if f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])); len(f) > 0 {
				states += f[0]
			}
		}
		return strings.Trim(states, "Z")
	}
	if threads() == "" {
		t.Fatal("nothing of it runs")
	}
	c := l.config(l.at(pid).ID())
	if r := l.run(c, freeze.Stop); len(r.Done) != 1 || strings.Trim(threads(), "T") != "" || threads() == "" {
		t.Errorf("%s; its threads are %s", r, threads())
	}
	if r := l.run(c, freeze.Continue); len(r.Done) != 1 || strings.Contains(threads(), "T") {
		t.Errorf("%s; its threads are %s", r, threads())
	}
	if r := l.run(c, freeze.Kill); len(r.Done) != 1 || threads() != "" {
		t.Errorf("%s; its threads are %s", r, threads())
	}
}

func TestLeftAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		with func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config)
		want string // in the reason; "" when it must not be listed at all
	}{
		{"recycled PID", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) {
			old := wormbell.ProcessID{PID: p.PID, Start: p.Start.Add(-time.Hour)}
			c.Roots = []wormbell.ProcessID{old}
			c.Living = func(wormbell.ProcessID) []wormbell.ProcessID { return []wormbell.ProcessID{old} }
		}, ""},
		{"unknown to the lineage", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) {
			c.Process = func(pid int) *wormbell.Process { return nil }
		}, ""},
		{"the caller", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) { c.CallerPID = p.PID }, "asks"},
		{"the watchdog", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) { c.Spare = []int{p.PID} }, "the agent"},
		{"another user's", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) { c.Caller = 65533 }, "another user"},
		{"a shell somebody types at", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) {
			at := c.Process
			c.Roots = []wormbell.ProcessID{l.at(os.Getpid()).ID()}
			c.Living = func(wormbell.ProcessID) []wormbell.ProcessID { return []wormbell.ProcessID{p.ID()} }
			c.Process = func(pid int) *wormbell.Process {
				q := at(pid)
				if q != nil && pid == p.PID {
					q.Exe, q.Signer, q.TTY, q.Leader = "/bin/bash", "deb:bash", "/dev/pts/9", true
				}
				return q
			}
		}, "shell"},
		{"a root that other work hangs below", func(t *testing.T, l *lineage, p *wormbell.Process, c *freeze.Config) {
			at := c.Process
			c.Process = func(pid int) *wormbell.Process {
				q := at(pid)
				if q != nil && pid == p.PID {
					q.Exe, q.Signer = "/usr/bin/tmux", "deb:tmux"
				}
				return q
			}
		}, "hangs below"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLineage(t)
			p := l.at(begin(t, "sleep", 0).Process.Pid)
			for _, a := range []freeze.Action{freeze.Stop, freeze.Kill} {
				c := l.config(p.ID())
				tt.with(t, l, p, &c)
				r := l.run(c, a)
				if s := state(p.PID); s != "S" && s != "R" {
					t.Errorf("%s: it is in state %s", a, s)
				}
				if len(r.Done) > 0 {
					t.Errorf("%s: done %v", a, r.Done)
				}
				why := ""
				for _, x := range r.Left {
					if x.PID == p.PID {
						why = x.Why
					}
				}
				if (why == "") != (tt.want == "") || !strings.Contains(why, tt.want) {
					t.Errorf("%s: left alone because %q, want %q; report: %s", a, why, tt.want, r)
				}
			}
		})
	}
}

// Asked for the tree that it is itself in, it stops neither itself nor what
// stands above who asks.
func TestNeverItself(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	child := begin(t, "sleep", 0).Process.Pid
	me := l.at(os.Getpid())
	c := l.config(me.Parent.ID())
	c.Living = func(wormbell.ProcessID) []wormbell.ProcessID {
		return []wormbell.ProcessID{l.at(1).ID(), me.Parent.ID(), me.ID(), l.at(child).ID()}
	}
	c.CallerPID = child
	r := l.run(c, freeze.Stop)
	if len(r.Done) > 0 || len(r.Left) != 4 {
		t.Errorf("done %v, left %v", r.Done, r.Left)
	}
}

func TestOwnProcessesOfACaller(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to start a process of another user")
	}
	l := newLineage(t)
	theirs, ours := begin(t, "sleep", 65534).Process.Pid, begin(t, "sleep", 0).Process.Pid
	until(t, "it runs", func() bool { return state(theirs) == "S" })
	c := l.config(l.at(theirs).ID())
	c.Living = func(wormbell.ProcessID) []wormbell.ProcessID {
		return []wormbell.ProcessID{l.at(theirs).ID(), l.at(ours).ID()}
	}
	c.Caller = 65534
	r := l.run(c, freeze.Stop)
	if !slices.Equal(pids(r.Done), []int{theirs}) || !slices.Equal(pids(r.Left), []int{ours}) {
		t.Errorf("done %v, left %v", r.Done, r.Left)
	}
}

// Somebody who keeps continuing the tree is noticed and outlasted, or told of.
func TestSomebodySendsSIGCONT(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	pid := begin(t, "sleep", 0).Process.Pid
	root := l.at(pid).ID()
	c, n := l.config(root), 0
	c.Living = func(root wormbell.ProcessID) []wormbell.ProcessID { // asked again and again
		if n < 3 && state(pid) == "T" {
			syscall.Kill(pid, syscall.SIGCONT)
			n++
		}
		return l.living(root)
	}
	r := l.run(c, freeze.Stop)
	if n != 3 || r.Resumed == 0 || !strings.Contains(r.String(), "continued stopped processes") {
		t.Errorf("not noticed: %s", r)
	}
	if s := state(pid); s != "T" {
		t.Errorf("it is in state %s", s)
	}
}

// When the time is over before the tree has come to rest, the report says so.
func TestTimeIsOver(t *testing.T) {
	t.Parallel()
	l := newLineage(t)
	c := l.config(l.at(begin(t, "sleep", 0).Process.Pid).ID())
	c.Limit = time.Nanosecond
	if r := l.run(c, freeze.Stop); !r.Hurried || !strings.Contains(r.String(), "more may run") {
		t.Errorf("%s", r)
	}
}

func TestUnknownAction(t *testing.T) {
	t.Parallel()
	if _, err := freeze.Tree(t.Context(), freeze.Config{}, "melt"); err == nil {
		t.Error("accepted")
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// agent is a running wormbelld: the watchdog and, as its child, the agent itself.
type agent struct {
	home  *home
	cmd   *exec.Cmd
	log   *agentLog
	began time.Time
	ended chan struct{}
}

// startAgent starts wormbelld on the home with fresh state and returns when it
// says that it is ready. It fails when the agent would not see who reads: the
// figures are of the agent as a service.
func (h *home) startAgent(ctx context.Context, args ...string) (*agent, error) {
	if os.Geteuid() != 0 {
		return nil, errRoot
	}
	h.agents++
	a := &agent{home: h, log: &agentLog{}, ended: make(chan struct{})}
	a.cmd = h.command(context.WithoutCancel(ctx), "~", append([]string{filepath.Join(h.bench.bin, "wormbelld"),
		"--state", filepath.Join(h.dir, fmt.Sprintf("state-%d", h.agents)), "--socket", h.socket, "--home", h.path}, args...)...)
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	manager, err := h.manager()
	if err != nil {
		return nil, err
	}
	a.cmd.Env = append(a.cmd.Env, "NOTIFY_SOCKET="+manager.LocalAddr().String())
	a.began = time.Now()
	if err := a.cmd.Start(); err != nil {
		manager.Close()
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	go func() { a.cmd.Wait(); manager.Close(); close(a.ended) }() // its exit status is nobody's concern: the log says why
	over := false
	ready := until(ctx, 30*time.Second, func() bool {
		select {
		case <-a.ended:
			over = true
		default:
		}
		return over || !a.log.readyAt().IsZero()
	})
	if !ready || over {
		a.stop()
		return nil, fmt.Errorf("the agent did not become ready: %s", tail(a.log.String()))
	}
	return a, nil
}

// manager stands in for the service manager, to which a service says about once a
// second that it lives: that costs it something, too. It ends when it is closed.
func (h *home) manager() (*net.UnixConn, error) {
	name := filepath.Join(h.dir, fmt.Sprintf("notify-%d", h.agents))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen as the service manager: %w", err)
	}
	go io.Copy(io.Discard, conn) // ends with conn
	return conn, nil
}

// toReady is how long the agent took from its start to saying that it is ready.
func (a *agent) toReady() time.Duration { return a.log.readyAt().Sub(a.began) }

// stop ends the agent and waits for it.
func (a *agent) stop() {
	a.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended already
	select {
	case <-a.ended:
	case <-time.After(10 * time.Second):
		fmt.Fprintln(os.Stderr, "bench: the agent did not end within 10 s of SIGTERM; it is killed")
		a.cmd.Cancel()
		<-a.ended
	}
}

// processes returns the agent's processes, the watchdog first.
func (a *agent) processes() []int {
	pids := []int{a.cmd.Process.Pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …; the name may hold anything
		rest := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(rest) > 1 && rest[1] == strconv.Itoa(pids[0]) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cpu is the processor time that the agent's processes have used.
func (a *agent) cpu() (sum time.Duration, err error) {
	for _, pid := range a.processes() {
		t, err := processTime(pid)
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

// startUp is what an agent that has just said it is ready is given before it is
// timed: what a service does once after its start is not what is measured.
const startUp = 300 * time.Millisecond

// calm waits until the agent has nothing left to do: 200 ms in a row with less
// than 1 % of a core. It gives up after five seconds: then it is other work on
// this machine that keeps the agent busy.
func (a *agent) calm(ctx context.Context) error {
	last, err := a.cpu()
	if err != nil {
		return err
	}
	quiet := 0
	for deadline := time.Now().Add(5 * time.Second); quiet < 4 && time.Now().Before(deadline) && ctx.Err() == nil; {
		pause(ctx, 50*time.Millisecond)
		now, err := a.cpu()
		if err != nil {
			return err
		}
		if quiet++; now-last > 500*time.Microsecond {
			quiet = 0
		}
		last = now
	}
	return ctx.Err()
}

// agentLog keeps what the agent says and when it first said that it is ready.
type agentLog struct {
	mu    sync.Mutex // guards the rest
	text  []byte
	ready time.Time
}

// Write implements [io.Writer]. What was said at the start and most recently is kept.
func (l *agentLog) Write(b []byte) (int, error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text = append(l.text, b...); l.ready.IsZero() && bytes.Contains(l.text, []byte("msg=ready")) {
		l.ready = now
	}
	if len(l.text) > 1<<20 {
		l.text = append(l.text[:0], l.text[len(l.text)-1<<16:]...)
	}
	return len(b), nil
}

func (l *agentLog) readyAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ready
}

func (l *agentLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

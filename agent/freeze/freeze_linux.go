package freeze

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/internal/ancestry"
)

const (
	maxProcesses = 8192                   // of one tree; a fork bomb is stopped long before
	pollEvery    = 2 * time.Millisecond   // while waiting for a signal to take effect
	settleTime   = 100 * time.Millisecond // how long a stopped tree is watched for somebody continuing it
	againAfter   = 20 * time.Millisecond  // how long a stop signal may take before it is sent again
	maxResumed   = 10                     // after so many the report says it does not hold
)

// work is one run of Tree.
type work struct {
	Config
	action Action
	spared map[int]string            // PID → why it is left alone
	done   map[int]*wormbell.Process // those signalled; never nil values
	left   map[int]Target
	ended  map[int]bool
	idle   map[int]bool      // living ones that were not stopped when they were told to go on
	seen   map[int]bool      // stopped ones seen in state T
	sent   map[int]time.Time // when each was last told to stop
	report Report
}

func tree(ctx context.Context, c Config, action Action) (Report, error) {
	if fd, err := unix.PidfdOpen(os.Getpid(), 0); err != nil { // Linux 5.3, pidfd_open(2)
		return Report{}, fmt.Errorf("%w: %w", ErrNotAvailable, err)
	} else {
		unix.Close(fd)
	}
	w := &work{Config: c, action: action, spared: map[int]string{}, done: map[int]*wormbell.Process{},
		left: map[int]Target{}, ended: map[int]bool{}, idle: map[int]bool{}, seen: map[int]bool{}, sent: map[int]time.Time{}}
	w.spare()
	switch action {
	case Continue:
		w.signalAll(unix.SIGCONT)
		w.await(ctx, func(state byte) bool { return state != 'T' }, false)
	case Stop:
		if w.Held {
			w.stopHeld(ctx)
			break
		}
		w.stop(ctx)
		w.settle(ctx)
	case Kill:
		w.stop(ctx)
		w.kill(ctx)
	}
	for pid, p := range w.done {
		if w.idle[pid] {
			w.report.Idle++
		} else if _, bad := w.left[pid]; !bad && (action != Stop || w.lives(p)) {
			w.report.Done = append(w.report.Done, Target{PID: pid, Name: p.Name()})
		}
	}
	w.report.Left = slices.Collect(maps.Values(w.left))
	for _, list := range [][]Target{w.report.Done, w.report.Left} {
		slices.SortFunc(list, func(a, b Target) int { return cmp.Compare(a.PID, b.PID) })
	}
	return w.report, nil
}

// spare lists who is never touched.
func (w *work) spare() {
	w.spared[1] = "it is init"
	const why = "it is what asks for this, or above it"
	if w.CallerPID > 0 {
		for p := range w.Process(w.CallerPID).Chain {
			w.spared[p.PID] = why
		}
	}
	for pid, n := w.CallerPID, 0; pid > 1 && n < 1000; n++ { // as the kernel has it now
		w.spared[pid] = why
		st, err := stat(pid)
		if err != nil {
			break
		}
		pid = st.ppid
	}
	for _, pid := range append([]int{os.Getpid(), os.Getppid()}, w.Spare...) {
		w.spared[pid] = "it is the agent"
	}
}

// members returns the identities of the living tree, as the lineage knows it,
// and the children that the kernel shows below what was already signalled.
func (w *work) members() []wormbell.ProcessID {
	var out []wormbell.ProcessID
	known := map[int]bool{}
	for _, root := range w.Roots {
		if p := w.Process(root.PID); p != nil && same(p.ID(), root) && hosts(p) {
			// Its tree is not the worm's but everything that hangs below it.
			w.left[p.PID] = Target{PID: p.PID, Name: p.Name(), Why: "other work hangs below it", Spared: true}
			continue
		}
		for _, id := range w.Living(root) {
			if !known[id.PID] && len(out) < maxProcesses {
				known[id.PID] = true
				out = append(out, id)
			}
		}
	}
	if w.action == Continue {
		return out
	}
	parents := map[int]bool{}
	for pid, p := range w.done {
		parents[pid] = w.still(p) // else the PID may be that of another's parent
	}
	for pid, ppid := range processes() {
		if known[pid] || len(out) >= maxProcesses || !parents[ppid] && w.Also == nil {
			continue
		}
		p := w.Process(pid)
		if !parents[ppid] && (p == nil || !w.Also(p)) {
			continue
		}
		if p != nil {
			out = append(out, p.ID())
		} else {
			out = append(out, wormbell.ProcessID{PID: pid}) // too young for the lineage; its parent is ours
		}
	}
	return out
}

// signalAll sends sig to every member that has not had it, and returns how many
// those were.
func (w *work) signalAll(sig unix.Signal) (fresh int) {
	for _, id := range w.members() {
		if p := w.done[id.PID]; p != nil && same(p.ID(), id) || w.left[id.PID].Why != "" {
			continue
		}
		if w.signal(id, sig) {
			fresh++
		}
	}
	return fresh
}

// signal sends sig to the process with this identity if it may be touched.
func (w *work) signal(id wormbell.ProcessID, sig unix.Signal) bool {
	// The descriptor first, then the question who it is: were the PID given to
	// another process in between, the descriptor would name the dead one.
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		if !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EINVAL) { // EINVAL: a thread, so the PID was recycled
			w.leave(id.PID, "a process", err.Error())
		}
		return false
	}
	defer unix.Close(fd)
	p := w.Process(id.PID)
	if p == nil && id.Start.IsZero() {
		st, err := stat(id.PID)
		if err != nil || w.done[st.ppid] == nil || !w.still(w.done[st.ppid]) {
			return false
		}
		p = &wormbell.Process{PID: id.PID, Args: []string{st.name}, Parent: w.done[st.ppid]}
	} else if p == nil || !same(p.ID(), id) {
		return false // it has ended, and its PID may be somebody else's
	}
	now, err := stat(id.PID)
	if errors.Is(err, os.ErrNotExist) || err == nil && dead(now.state) {
		return false // it has ended, and waits at most for its parent to ask how; a signal would reach it and do nothing
	}
	if why, spared := w.untouchable(p); why != "" {
		w.left[p.PID] = Target{PID: p.PID, Name: p.Name(), Why: why, Spared: spared}
		return false
	}
	switch err := unix.PidfdSendSignal(fd, sig, nil, 0); {
	case err == nil:
		w.done[id.PID], w.sent[id.PID] = p, time.Now()
		w.idle[id.PID] = sig == unix.SIGCONT && !stopped(now.state)
		delete(w.ended, id.PID) // it may be another than the one that was ended
		return true
	case !errors.Is(err, unix.ESRCH):
		w.leave(p.PID, p.Name(), err.Error())
	}
	return false
}

// untouchable says why p must be left alone, "" if it need not, and whether it
// is spared: then it is none of what is to be stopped.
func (w *work) untouchable(p *wormbell.Process) (why string, spared bool) {
	if why := w.spared[p.PID]; why != "" {
		return why, true
	}
	if w.Shows != nil && w.Shows(p) {
		return "it shows the page on which this was asked for", true
	}
	st, err := stat(p.PID)
	switch {
	case err != nil:
		return "it cannot be looked at", false
	case st.kernel:
		return "it belongs to the kernel", true
	case hosts(p):
		return "it is a shell, a terminal, an editor or a service manager", true
	case w.Caller != 0 && realUID(p.PID) != w.Caller:
		return "it runs as another user", false
	}
	return "", false
}

// hosts reports whether other work than the tree's hangs below p. Below a
// dependency's script nothing does: a shell that it types at is its own.
func hosts(p *wormbell.Process) bool { return p.Package == nil && ancestry.Boundary(p) }

func (w *work) leave(pid int, name, why string) { w.left[pid] = Target{PID: pid, Name: name, Why: why} }

// stop stops until nothing new appears and all are stopped or gone.
func (w *work) stop(ctx context.Context) {
	for stable := 0; stable < 2; {
		if ctx.Err() != nil {
			w.report.Hurried = true
			return
		}
		fresh := w.signalAll(unix.SIGSTOP)
		// A process that is not stopped yet may still fork, so looking again
		// proves nothing before all are.
		w.await(ctx, stopped, true)
		if stable++; fresh > 0 {
			stable = 0
		}
	}
}

func stopped(state byte) bool { return state == 'T' || state == 't' }

// await waits until every signalled process is in a state that is ok, or gone,
// and notes those that are not in time. With hold it stops again what somebody
// continued.
func (w *work) await(ctx context.Context, ok func(state byte) bool, hold bool) {
	for {
		var late []*wormbell.Process
		for pid, p := range w.done {
			st, err := stat(pid)
			if err != nil || dead(st.state) || ok(st.state) {
				if err == nil && stopped(st.state) {
					w.seen[pid] = true
				}
				continue
			}
			if !w.still(p) {
				continue // the PID is somebody else's by now
			}
			// A signal wakes a sleeper, so one that sleeps a while after it was
			// continued before we saw it stopped. A runner may only be waiting.
			slow := time.Since(w.sent[pid]) > againAfter
			if hold && (w.seen[pid] || slow) && w.report.Resumed < maxResumed && w.again(p) {
				if w.seen[pid] || st.state == 'S' {
					w.report.Resumed++
				}
				w.seen[pid], w.sent[pid] = false, time.Now()
			}
			late = append(late, p)
		}
		if len(late) == 0 {
			return
		}
		if !sleep(ctx, pollEvery) {
			for _, p := range late {
				why := "it has not stopped in time"
				if w.action == Continue {
					why = "it has not gone on in time"
				} else if w.report.Resumed >= maxResumed {
					why = "something keeps continuing it"
				}
				w.leave(p.PID, p.Name(), why)
			}
			return
		}
	}
}

// still reports whether p has its PID yet.
func (w *work) still(p *wormbell.Process) bool {
	now := w.Process(p.PID)
	if p.Start.IsZero() { // the lineage did not know it; what it knows now came later
		return now == nil
	}
	return now != nil && same(now.ID(), p.ID())
}

// lives reports whether p has not ended.
func (w *work) lives(p *wormbell.Process) bool {
	st, err := stat(p.PID)
	return err == nil && !dead(st.state) && w.still(p)
}

// again sends SIGSTOP once more.
func (w *work) again(p *wormbell.Process) bool {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return w.still(p) && unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0) == nil
}

// settle watches a stopped tree for a while: a helper outside of it may send
// SIGCONT.
func (w *work) settle(ctx context.Context) {
	for end := time.Now().Add(settleTime); time.Now().Before(end); {
		if !sleep(ctx, 10*pollEvery) {
			return
		}
		before := w.report.Resumed
		w.stop(ctx)
		if w.report.Resumed > before {
			end = time.Now().Add(settleTime)
		}
	}
}

// kill ends what is stopped. New processes can no longer appear, but for what
// somebody continues; so it looks once more.
func (w *work) kill(ctx context.Context) {
	for round := 0; round < 20; round++ {
		for pid, p := range w.done {
			if w.ended[pid] {
				continue
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				w.ended[pid] = true
				continue
			}
			if w.still(p) {
				if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
					w.leave(pid, p.Name(), err.Error())
				} else {
					delete(w.left, pid) // whatever hindered stopping it
				}
			}
			w.ended[pid] = true
			unix.Close(fd)
		}
		w.await(ctx, dead, false)
		if w.signalAll(unix.SIGSTOP) == 0 {
			return
		}
		w.stop(ctx)
	}
}

func dead(state byte) bool { return state == 'Z' || state == 'X' || state == 'x' }

// same compares identities whatever location their times carry.
func same(a, b wormbell.ProcessID) bool { return a.PID == b.PID && a.Start.Equal(b.Start) }

// sleep waits and reports whether there is time left.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// status is what /proc/PID/stat says, proc_pid_stat(5).
type status struct {
	name   string
	state  byte
	ppid   int
	kernel bool
}

func stat(pid int) (status, error) {
	b, err := read(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return status{}, err
	}
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')') // the name may hold both
	if open < 0 || end < open {
		return status{}, errors.New("not a stat line")
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 18 || len(f[0]) != 1 {
		return status{}, errors.New("not a stat line")
	}
	ppid, err := strconv.Atoi(string(f[1]))
	if err != nil {
		return status{}, err
	}
	flags, err := strconv.ParseUint(string(f[6]), 10, 64)
	const kthread = 0x00200000 // PF_KTHREAD, linux/sched.h
	st := status{name: string(b[open+1 : end]), state: f[0][0], ppid: ppid, kernel: flags&kthread != 0}
	if threads, err := strconv.Atoi(string(f[17])); err == nil && threads > 1 && dead(st.state) {
		st.state = others(fmt.Sprintf("/proc/%d/task", pid), threads, st.state)
	}
	return st, err
}

// others returns the state of a process whose first thread has ended, which is
// what its stat tells of: it lives for as long as any other thread does. Only
// if all of those are stopped is it. task lists its threads, of which there are
// this many; while it starts some and ends others not all are listed, and then
// one that is not runs.
func others(task string, threads int, first byte) byte {
	dir, err := os.Open(task)
	if err != nil {
		return first
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	seen := 0
	for _, name := range names {
		b, err := read(task + "/" + name + "/stat")
		_, rest, ok := cutLast(b, ')')
		f := bytes.Fields(rest)
		if err != nil || !ok || len(f) == 0 {
			continue
		}
		seen++
		if state := f[0][0]; !dead(state) {
			if first = state; !stopped(state) {
				return state
			}
		}
	}
	if seen < threads {
		return 'R'
	}
	return first
}

func cutLast(b []byte, sep byte) (before, after []byte, ok bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}

// realUID returns the real uid of pid, -1 if it cannot be told.
func realUID(pid int) int {
	b, err := read(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1
	}
	_, rest, ok := bytes.Cut(b, []byte("\nUid:"))
	if f := bytes.Fields(rest); ok && len(f) > 0 {
		if uid, err := strconv.Atoi(string(f[0])); err == nil {
			return uid
		}
	}
	return -1
}

// processes returns the parent of every process there is.
func processes() map[int]int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	out := make(map[int]int, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if st, err := stat(pid); err == nil && !dead(st.state) {
				out[pid] = st.ppid
			}
		}
	}
	return out
}

// read reads a file of /proc, which is short.
func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 16<<10))
}

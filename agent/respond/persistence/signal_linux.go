package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A machine that answers an alarm may be busy, and a process that is not
	// stopped may act: there is time.
	stopLimit = 15 * time.Second
	killLimit = 15 * time.Second
	// hangUpLimit is for a service manager to have read all its units.
	hangUpLimit = 15 * time.Second
	pollEvery   = 5 * time.Millisecond
	// settleTime is how long a service manager must have slept to have nothing
	// more to do of what it was told.
	settleTime = 500 * time.Millisecond
)

// stop stops the processes and everything below them until nothing new
// appears. Who has a terminal below one that has none is somebody at work.
func (d *disabling) stop(ctx context.Context, live []*process) []*process {
	if len(live) == 0 {
		return nil
	}
	if d.Root != "" {
		d.leave("%s: processes below another root are not ours to stop", count(len(live), "process"))
		return nil
	}
	have := map[int]*process{}
	terminal := false
	for _, p := range live {
		terminal = terminal || p.tty
		d.freeze(have, p)
	}
	for end, quiet := time.Now().Add(stopLimit), 0; quiet < 2; {
		if time.Now().After(end) || ctx.Err() != nil {
			d.leave("its processes did not come to rest, so that some may run")
			break
		}
		list, _ := listProcesses(ctx, d.scan)
		fresh := false
		for _, p := range list {
			parent := have[p.ppid]
			if have[p.pid] == nil && parent != nil && p.spared == "" && (terminal || !p.tty) {
				fresh = d.freeze(have, p) || fresh
			}
		}
		if quiet++; fresh || !allStopped(have) {
			quiet = 0
		}
		wait(ctx, pollEvery)
	}
	var out []*process
	for _, p := range have {
		out = append(out, p)
	}
	return out
}

// freeze stops one, and notes it.
func (d *disabling) freeze(have map[int]*process, p *process) bool {
	if p.spared != "" || p.pid <= 1 || p.pid == os.Getpid() {
		d.leave("process %d: %s", p.pid, p.spared)
		return false
	}
	err := send(p, unix.SIGSTOP, d.UID)
	if err == nil {
		have[p.pid] = p
		d.did("stopped %s (pid %d)", p.name, p.pid)
	} else if !errors.Is(err, unix.ESRCH) {
		d.leave("process %d: %v", p.pid, err)
	}
	return err == nil
}

// send sends a signal to p and to nobody else: the descriptor first, then the
// question whose it is. Were the PID given away in between, the descriptor
// would name the dead one.
func send(p *process, sig unix.Signal, uid int) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	dir := "/proc/" + strconv.Itoa(p.pid)
	var now process
	if !now.readStat(slurp(dir+"/stat")) || now.start != p.start {
		return unix.ESRCH
	}
	if realUID(slurp(dir+"/status")) != uid {
		return errors.New("it runs as another user")
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// hangUp sends SIGHUP to the user's service manager and waits until it has been
// done. The manager takes its signals one after another from a descriptor, and
// until it has, /proc shows this one as pending; what it then does it does at
// once, however long that takes, and then it sleeps.
func hangUp(ctx context.Context, p *process, limit time.Duration) error {
	if err := send(p, unix.SIGHUP, os.Getuid()); err != nil {
		return err
	}
	const mask = 1 << (uint(unix.SIGHUP) - 1)
	for end := time.Now().Add(limit); pending(p.pid)&mask != 0; wait(ctx, pollEvery) {
		if time.Now().After(end) {
			return errors.New("it does not answer")
		}
	}
	return settle(ctx, p, limit)
}

// settle waits until p has slept for a while without a break, and none of its
// helpers is there for which it may sleep: a manager that reads its units waits
// for generators of them, systemd.generator(7).
func settle(ctx context.Context, p *process, limit time.Duration) error {
	var last string
	begun := time.Now()
	for end := begun.Add(limit); ; wait(ctx, pollEvery) {
		now := time.Now()
		did, asleep := activity(p.pid)
		if did == "" {
			return nil // it has ended
		}
		if !asleep || did != last {
			last, begun = did, now
		}
		if now.Sub(begun) >= settleTime {
			if !helped(p.pid) {
				return nil
			}
			begun = now
		}
		if now.After(end) {
			return errors.New("it does not come to rest")
		}
	}
}

// activity is how often a process has run, in words that only equal when it has
// not run in between, and whether it sleeps, proc_pid_status(5); "" if it is
// not there.
func activity(pid int) (did string, asleep bool) {
	for line := range strings.Lines(string(slurp("/proc/" + strconv.Itoa(pid) + "/status"))) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "State":
			value = strings.TrimSpace(value)
			if strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X") {
				return "", false
			}
			asleep = strings.HasPrefix(value, "S")
		case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
			did += value
		}
	}
	return did, asleep
}

// helped reports whether a service manager has helpers at work, which it calls
// "(sd-…)". One of that name is there all the time.
func helped(manager int) bool {
	d, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer d.Close()
	numbers, _, _ := processNumbers(d, maxProcesses)
	for _, pid := range numbers {
		var p process
		if p.readStat(slurp("/proc/"+strconv.Itoa(pid)+"/stat")) && p.ppid == manager && strings.HasPrefix(p.name, "(sd-") && p.name != "(sd-pam)" {
			return true
		}
	}
	return false
}

// pending are the signals that wait for a process, proc_pid_status(5).
func pending(pid int) (set uint64) {
	for line := range strings.Lines(string(slurp("/proc/" + strconv.Itoa(pid) + "/status"))) {
		name, bits, _ := strings.Cut(line, ":")
		if name == "SigPnd" || name == "ShdPnd" {
			n, _ := strconv.ParseUint(strings.TrimSpace(bits), 16, 64)
			set |= n
		}
	}
	return set
}

// allStopped reports whether none of them runs any more. Who forks as vfork(2)
// does, as shells do, cannot stop before the child has gone on to another
// program: if the child is stopped, its parent rests in the kernel, and would
// stop before it came back from there.
func allStopped(have map[int]*process) bool {
	stopped, held := map[int]bool{}, map[int]bool{}
	for _, p := range have {
		st, ok := state(p)
		stopped[p.pid] = !ok || st == 'T' || st == 't'
		if ok && stopped[p.pid] {
			held[p.ppid] = true
		}
	}
	for _, p := range have {
		if stopped[p.pid] {
			continue
		}
		if st, ok := state(p); ok && (st != 'D' || !held[p.pid]) {
			return false
		}
	}
	return true
}

// state is what p does, false if it has ended.
func state(p *process) (byte, bool) {
	b := slurp("/proc/" + strconv.Itoa(p.pid) + "/stat")
	var now process
	if !now.readStat(b) || now.start != p.start {
		return 0, false
	}
	return b[bytes.LastIndexByte(b, ')')+2], true
}

// end kills what is stopped, if nothing would take its place, and looks
// whether something does.
func (d *disabling) end(ctx context.Context, stopped []*process, sure bool) {
	if len(stopped) == 0 {
		return
	}
	if !sure {
		d.leave("%s: what starts it could not be taken away, so it stays stopped, and was not ended", count(len(stopped), "process"))
		return
	}
	for _, p := range stopped {
		if err := send(p, unix.SIGKILL, d.UID); err != nil && !errors.Is(err, unix.ESRCH) {
			d.leave("process %d: %v", p.pid, err)
		}
	}
	for end := time.Now().Add(killLimit); ; {
		alive := 0
		for _, p := range stopped {
			if _, ok := state(p); ok {
				alive++
			}
		}
		if alive == 0 {
			break
		}
		if time.Now().After(end) {
			d.leave("%s would not end", count(alive, "process"))
			return
		}
		wait(ctx, pollEvery)
	}
	d.did("ended %s", count(len(stopped), "process"))
	d.again(ctx)
}

// again looks whether something has started it once more.
func (d *disabling) again(ctx context.Context) {
	wait(ctx, 20*pollEvery)
	list, _ := listProcesses(ctx, d.scan)
	for _, p := range list {
		if p.spared != "" {
			continue
		}
		runs, inline, _ := d.ofProcess(p)
		if !d.belongs(p, d.trap.entry, runs, inline) {
			continue
		}
		why := "it was stopped"
		if err := send(p, unix.SIGSTOP, d.UID); err != nil {
			why = fmt.Sprintf("it runs: %v", err)
		}
		d.leave("process %d: something has started it again; %s: look again", p.pid, why)
	}
}

// wait waits, also when ctx has ended: what was begun must be brought to an end
// that is safe, and these are milliseconds.
func wait(ctx context.Context, t time.Duration) {
	select {
	case <-ctx.Done():
		time.Sleep(pollEvery)
	case <-time.After(t):
	}
}

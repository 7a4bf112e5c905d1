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
	stopLimit = 3 * time.Second
	killLimit = 3 * time.Second
	pollEvery = 5 * time.Millisecond
	// reloadTime is for a service manager to read its units: far more than it
	// takes, and a process is stopped meanwhile.
	reloadTime = 500 * time.Millisecond
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
	now, mine := readProcess("/proc/"+strconv.Itoa(p.pid), p.pid, uid, time.Time{})
	if now == nil || now.start != p.start {
		return unix.ESRCH
	}
	if !mine {
		return errors.New("it runs as another user")
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// hangUp sends SIGHUP to the user's service manager and waits until it has been
// heard. The manager takes its signals one after another from a descriptor, and
// until it has, /proc shows this one as pending; what it then does takes some
// milliseconds more, of which nothing tells.
func hangUp(ctx context.Context, p *process) error {
	if err := send(p, unix.SIGHUP, os.Getuid()); err != nil {
		return err
	}
	const mask = 1 << (uint(unix.SIGHUP) - 1)
	for end := time.Now().Add(stopLimit); pending(p.pid)&mask != 0; wait(ctx, pollEvery) {
		if time.Now().After(end) {
			return errors.New("it does not answer")
		}
	}
	wait(ctx, reloadTime)
	return nil
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

func allStopped(have map[int]*process) bool {
	for _, p := range have {
		if st, ok := state(p); ok && st != 'T' && st != 't' {
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
		runs, inline := d.ofProcess(p)
		if !d.belongs(p, d.finding.entry, runs, inline) {
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

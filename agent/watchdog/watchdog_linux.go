// Package watchdog keeps a stalled agent from holding anybody up.
//
// The process that answers openers is the child of one that holds no marks
// and does nothing but listen for its heartbeat. When the heart stops (SIGSTOP,
// a deadlock), the parent kills the child, the kernel lets every held open() go
// on, and a new child is started. It must not know what the agent does.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	// Silence is how long the child's heart may stand still. Openers must go
	// on within one second of a stall; a beat is due every 400 ms, so this bears
	// with one that is lost and leaves room for the kill itself. A child that rests
	// has this long from when somebody comes.
	Silence = 850 * time.Millisecond
	// idleSilence is the same for a child that holds nobody up: it rests, or
	// nothing of it answers openers. It gives a sign every five seconds.
	idleSilence = 20 * time.Second
	// starting is how long a child may take to give the first sign. It searches
	// every home before it is ready, but not before it answers openers.
	starting = 2 * time.Minute
	// grace is added once before the verdict: on a machine that stood still
	// (sleep, a stopped virtual machine) both processes wake at once and the
	// beat may be a moment behind.
	grace = 50 * time.Millisecond
	// aliveEvery is how often the parent says that it lives itself. The service
	// manager is told to end it after three seconds of silence (WatchdogSec of
	// wormbelld.service); more than twice in that time is what sd_watchdog_enabled(3)
	// advises, and each costs an idle machine a wake-up.
	aliveEvery = 1200 * time.Millisecond
	// aliveWith is how much earlier it says so if a beat has just woken it, so
	// that it need not wake up for that alone.
	aliveWith = 200 * time.Millisecond
	// stopTime is how long a child may take to end after SIGTERM.
	stopTime = 5 * time.Second
)

// What a child writes to its heartbeat pipe, a byte each.
const (
	beat  = 'b' // the path that answers openers has gone round
	rest  = 'q' // it has, nobody waits, and the parent sees it when somebody does
	idle  = 'i' // there is no such path, and the rest lives
	stuck = 's' // it is of no use any more
	ready = 'r' // everything is armed and the API is served
)

// The child's descriptors: where it writes beats, what ends with the parent, and
// where it shows its openers.
const (
	beatFD    = 3
	parentFD  = 4
	openersFD = 5
)

// openersVariable is the variable of a child's environment that says that there is
// openersFD. A program that was replaced while it runs may be of another version
// than its child.
const openersVariable = "WORMBELL_OPENERS_SHOW"

// againVariable is the variable of a child's environment that holds Again.
const againVariable = "WORMBELL_STARTED_AGAIN"

// Config says what to keep alive.
type Config struct {
	Program string   // the executable of the child
	Args    []string // its arguments
	Log     *slog.Logger
	Ready   func()           // called each time a child says that it is ready; may be nil
	Alive   func()           // called about once a second, but not while a child is silent for too long; nil if nobody wants to know. Two goroutines may call it at a time
	Again   func(why string) // called when a child is to be started again; may be nil
}

// Fatal is the exit status by which a child says that starting it again is of
// no use: wrong settings, another agent on the same state. It is EX_CONFIG of
// sysexits.h, and not 2: that is how Go ends a program that panics.
const Fatal = 78

// Anew is the exit status by which a child asks to be started again: EX_TEMPFAIL
// of sysexits.h.
const Anew = 75

// ErrFatal is returned when the child ended with Fatal.
var ErrFatal = errors.New("the agent cannot run")

// errAnew says that the child ended with Anew.
var errAnew = errors.New("the agent asked to be started again")

// stalled says that a child was ended because it did not live any more, and how
// that showed.
type stalled string

func (s stalled) Error() string { return string(s) }

// Why a child was ended or ended by itself, as Again has it.
const (
	whySilent = stalled("it gave no sign of life while openers waited")
	whyIdle   = stalled("it gave no sign of life")
	whySlow   = stalled("it did not get ready")
	whyStuck  = stalled("its engine stood still")
	whyMemory = "it ran out of memory"
	whyKilled = "it was killed"
	whyCrash  = "it crashed"
	whyError  = "it ended with an error"
)

// Run starts the child and starts it again whenever it ends or stalls, until
// ctx is done or the child says that it cannot run.
func Run(ctx context.Context, c Config) error {
	// The kernel ends the child with the thread that started it (Pdeathsig),
	// so that must be one which lasts as long as Run; prctl(2).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	delay, again := time.Duration(0), ""
	for {
		began, killed := time.Now(), memoryKills()
		err := c.once(ctx, again)
		if ctx.Err() != nil || errors.Is(err, ErrFatal) {
			return err
		}
		if errors.Is(err, errAnew) {
			again = ""
			c.Log.Info("agent is started again, as it asked")
			if time.Since(began) > time.Second {
				continue
			}
		} else {
			again = why(err, memoryKills() > killed)
			c.Log.Error("agent ended, starting it again", "err", err, "why", again, "after", delay)
			if c.Again != nil {
				c.Again(again)
			}
		}
		// The first new start is immediate: guarded files are unwatched until
		// then. Only a child that keeps failing waits longer each time.
		if time.Since(began) > time.Minute {
			delay = 0
		}
		if !c.rest(ctx, delay) {
			return nil
		}
		delay = min(30*time.Second, max(2*delay, 500*time.Millisecond))
	}
}

// rest waits, and reports whether ctx is not done. It says that the parent lives.
func (c Config) rest(ctx context.Context, d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		c.alive()
		left := time.Until(end)
		if left <= 0 {
			return ctx.Err() == nil
		}
		select {
		case <-time.After(min(left, aliveEvery)):
		case <-ctx.Done():
			return false
		}
	}
}

func (c Config) alive() {
	if c.Alive != nil {
		c.Alive()
	}
}

// why says in a few words how a child ended; memory says that the kernel has ended
// a process of our control group meanwhile because there was no memory left.
func why(err error, memory bool) string {
	var exit *exec.ExitError
	var s stalled
	switch {
	case errors.As(err, &s):
		return string(s)
	case !errors.As(err, &exit):
		return whyError
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	switch {
	case memory && ok && status.Signaled() && status.Signal() == syscall.SIGKILL: // else it was another in our group
		return whyMemory
	case ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM):
		return whyKilled
	case ok && status.Signaled(), exit.ExitCode() == 2: // how Go ends a program that panics
		return whyCrash
	}
	return whyError
}

// once runs one child to its end.
func (c Config) once(ctx context.Context, again string) error {
	hear, child, err := newEar()
	if err != nil {
		return err
	}
	defer hear.release()
	aliveChild, alive, err := os.Pipe() // its end tells the child that the parent is gone
	if err != nil {
		child[0].Close()
		child[1].Close()
		return fmt.Errorf("make heartbeat pipe: %w", err)
	}
	defer alive.Close()
	cmd := exec.Command(c.Program, c.Args...)
	cmd.Env = append(os.Environ(), againVariable+"="+again, openersVariable+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{child[0], aliveChild, child[1]} // beatFD, parentFD, openersFD
	// A session of its own, so that a terminal's Ctrl-Z or a SIGSTOP to the
	// parent's group does not stop both, and that its share of the processors is
	// not that of a terminal's programs (sched(7), autogroup).
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("start agent: %w", err)
	}
	ended := make(chan error, 1) // holds the one result of Wait
	go func() { ended <- cmd.Wait() }()
	gone := make(chan stalled, 1) // holds the one verdict
	listening := make(chan struct{})
	go func() { defer close(listening); c.listen(hear, gone) }()
	defer func() { hear.close(); <-listening }()

	select {
	case err = <-ended:
	case s := <-gone:
		cmd.Process.Kill() // also ends a stopped process; Wait tells the rest
		<-ended
		// Only now: whoever reads the log may have stopped as well.
		c.Log.Error("agent was ended so that openers go on and it can begin again", "why", string(s))
		return s
	case <-ctx.Done():
		cmd.Process.Signal(syscall.SIGTERM)
		var over bool
		if err, over = c.await(ended, stopTime); !over {
			cmd.Process.Kill()
			err = <-ended
		}
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == Fatal:
		return ErrFatal
	case errors.As(err, &exit) && exit.ExitCode() == Anew:
		return errAnew
	}
	return err
}

// await waits for the end of a child that was told to end, and reports whether it
// came in time. A child that ends has no heartbeat any more, and the service
// manager goes on listening for its parent: it would kill both.
func (c Config) await(ended <-chan error, within time.Duration) (err error, over bool) {
	for end := time.Now().Add(within); ; {
		c.alive()
		select {
		case err := <-ended:
			return err, true
		case <-time.After(min(aliveEvery, time.Until(end))):
		}
		if !time.Now().Before(end) {
			return nil, false
		}
	}
}

// listen reads the heartbeat and says so on gone when it falls silent.
func (c Config) listen(hear *ear, gone chan<- stalled) {
	buf := make([]byte, 64)
	// Before the first beat the child holds no marks, so nobody waits for it.
	patience, verdict, last := starting, whySlow, time.Now()
	late := false
	called := false    // by an opener that waits for a child at rest, which has said nothing since
	var told time.Time // when the parent last said that it lives
	woken := false     // by a beat
	for {
		end := last.Add(patience)
		now := time.Now()
		every := aliveEvery
		if woken {
			every -= aliveWith
		}
		if c.Alive != nil && !late && now.Before(end) && now.Sub(told) >= every {
			c.alive()
			told = now
		}
		until := end
		if c.Alive != nil && !late {
			until = earlier(end, told.Add(aliveEvery))
		}
		n, opener, err := hear.wait(until, buf)
		woken = n > 0
		if opener && patience != Silence { // first: what the child has said is later
			patience, verdict, called = Silence, whySilent, true
			late, last = false, time.Now()
		}
		switch {
		case err == nil && n == 0:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && !late:
			late = true
			last = time.Now().Add(grace - patience)
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && called && !hear.waiting():
			// Nobody waits any more. The child beats before it takes an opener, so
			// either that is there to be read, or the opener was killed.
			if n, err = hear.said(buf); err != nil {
				return
			} else if n == 0 {
				patience, verdict, called = idleSilence, whyIdle, false
				late, last = false, time.Now()
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			gone <- verdict
			return
		case err != nil:
			return // the child has ended, or once has
		}
		if n > 0 {
			late, called, last = false, false, time.Now()
		}
		for _, b := range buf[:n] {
			switch b {
			case ready:
				if c.Ready != nil {
					c.Ready()
				}
			case beat:
				patience, verdict = Silence, whySilent
			case idle, rest:
				patience, verdict = idleSilence, whyIdle
			case stuck:
				gone <- whyStuck
				return
			}
		}
		if patience == idleSilence {
			if err := hear.listen(); err != nil { // cannot happen; then nobody would see an opener
				gone <- stalled("its openers could not be seen: " + err.Error())
				return
			}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

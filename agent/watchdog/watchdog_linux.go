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
	// on within one second of a stall; a beat is due every 400 ms (each
	// costs an idle machine a wake-up), so this bears with one that is lost and
	// leaves room for the kill itself.
	Silence = 850 * time.Millisecond
	// grace is added once before the verdict: on a machine that stood still
	// (sleep, a stopped virtual machine) both processes wake at once and the
	// beat may be a moment behind.
	grace = 50 * time.Millisecond
	// stopTime is how long a child may take to end after SIGTERM.
	stopTime = 5 * time.Second
)

// What a child writes to its heartbeat pipe, a byte each.
const (
	beat  = 'b' // the path that answers openers has gone round
	ready = 'r' // everything is armed and the API is served
)

// The child's descriptors: where it writes beats, and what ends with the parent.
const (
	beatFD   = 3
	parentFD = 4
)

// Config says what to keep alive.
type Config struct {
	Program string   // the executable of the child
	Args    []string // its arguments
	Log     *slog.Logger
	Ready   func() // called each time a child says that it is ready; may be nil
	Beat    func() // called on each beat; may be nil
}

// Fatal is the exit status by which a child says that starting it again is of
// no use: wrong settings, another agent on the same state. It is EX_CONFIG of
// sysexits.h, and not 2: that is how Go ends a program that panics.
const Fatal = 78

// ErrFatal is returned when the child ended with Fatal.
var ErrFatal = errors.New("the agent cannot run")

// Run starts the child and starts it again whenever it ends or stalls, until
// ctx is done or the child says that it cannot run.
func Run(ctx context.Context, c Config) error {
	// The kernel ends the child with the thread that started it (Pdeathsig),
	// so that must be one which lasts as long as Run; prctl(2).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	delay := time.Duration(0)
	for {
		began := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil || errors.Is(err, ErrFatal) {
			return err
		}
		// The first new start is immediate: guarded files are unwatched until
		// then. Only a child that keeps failing waits longer each time.
		if time.Since(began) > time.Minute {
			delay = 0
		}
		c.Log.Error("agent ended, starting it again", "err", err, "after", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
		delay = min(30*time.Second, max(2*delay, 500*time.Millisecond))
	}
}

// once runs one child to its end.
func (c Config) once(ctx context.Context) error {
	beats, beatsChild, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make heartbeat pipe: %w", err)
	}
	defer beats.Close()
	aliveChild, alive, err := os.Pipe() // its end tells the child that the parent is gone
	if err != nil {
		beatsChild.Close()
		return fmt.Errorf("make heartbeat pipe: %w", err)
	}
	defer alive.Close()
	cmd := exec.Command(c.Program, c.Args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{beatsChild, aliveChild} // beatFD, parentFD
	// A process group of its own, so that a terminal's Ctrl-Z or a SIGSTOP to
	// the parent's group does not stop both.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	beatsChild.Close()
	aliveChild.Close()
	if err != nil {
		return fmt.Errorf("start agent: %w", err)
	}
	ended := make(chan error, 1) // holds the one result of Wait
	go func() { ended <- cmd.Wait() }()
	stalled := make(chan struct{})
	listening := make(chan struct{})
	go func() { defer close(listening); c.listen(beats, stalled) }()
	defer func() { beats.Close(); <-listening }()

	select {
	case err = <-ended:
	case <-stalled:
		cmd.Process.Kill() // also ends a stopped process; Wait tells the rest
		<-ended
		// Only now: whoever reads the log may have stopped as well.
		c.Log.Error("agent gave no sign of life and was ended so that openers go on", "silence", Silence)
		return errors.New("stalled")
	case <-ctx.Done():
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-ended:
		case <-time.After(stopTime):
			cmd.Process.Kill()
			err = <-ended
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == Fatal {
		return ErrFatal
	}
	return err
}

// listen reads the heartbeat and closes stalled when it falls silent. Before
// the first beat the child holds no marks, so there is nothing to time.
func (c Config) listen(beats *os.File, stalled chan<- struct{}) {
	buf := make([]byte, 64)
	began, late := false, false
	for {
		if began {
			wait := Silence
			if late {
				wait = grace
			}
			beats.SetReadDeadline(time.Now().Add(wait))
		}
		n, err := beats.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !late:
			late = true
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			close(stalled)
			return
		case err != nil:
			return // the child has ended, or once has
		}
		late = false
		for _, b := range buf[:n] {
			switch {
			case b == ready && c.Ready != nil:
				c.Ready()
			case b == beat:
				began = true
			}
		}
		if c.Beat != nil && began {
			c.Beat()
		}
	}
}

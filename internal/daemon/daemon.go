// Package daemon runs the agent's program, wormbelld, as a child of this one:
// for `wormbell run` and for the demonstration.
//
// It knows where the program is and how to end it, and nothing of what it
// does; whoever starts it asks it over its socket.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Daemon is an agent that we started. Its methods are for one goroutine.
type Daemon struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed when it has ended
}

// Find returns the wormbelld that belongs to this program: the one beside it,
// else one in PATH.
func Find() (string, error) {
	name := "wormbelld"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if self, err = filepath.EvalSymlinks(self); err == nil {
			beside := filepath.Join(filepath.Dir(self), name)
			if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
				return beside, nil
			}
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no %s beside this program or in PATH", name)
	}
	return found, nil
}

// Start runs program with args, as the user we are, writing its log to the
// new file at log. It ends with us, at the latest.
func Start(program, log string, args ...string) (*Daemon, error) {
	d := &Daemon{ended: make(chan struct{})}
	var err error
	if d.log, err = os.OpenFile(log, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600); err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	d.cmd = exec.Command(program, args...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	apart(d.cmd)
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %q: %w", program, err), d.log.Close())
	}
	go func() { // waits for the agent, so that its end is noticed
		defer close(d.ended)
		_ = d.cmd.Wait() // how it ended is told by its log
	}()
	return d, nil
}

// Ended is closed when the agent has ended.
func (d *Daemon) Ended() <-chan struct{} { return d.ended }

// ready is how long an agent may take until it answers. It looks for files to
// guard first, and 30 projects took it less than two seconds.
const ready = 30 * time.Second

// Await calls ask until it succeeds: the agent serves its socket only once
// everything is armed.
func (d *Daemon) Await(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-d.ended:
			return fmt.Errorf("the agent ended at once: %s", d.LastWords())
		case <-ctx.Done():
			return fmt.Errorf("the agent does not answer (%w): %s", err, d.LastWords())
		}
	}
}

// LastWords is the last line of the agent's log. It comes from outside: make
// it safe before it is printed.
func (d *Daemon) LastWords() string {
	const most = 4 << 10
	st, err := d.log.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, min(most, st.Size()))
	n, err := d.log.ReadAt(b, st.Size()-int64(len(b)))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	text := strings.TrimSpace(string(b[:n]))
	return text[strings.LastIndex(text, "\n")+1:]
}

// ending is how long the agent may take to store what it knows.
const ending = 5 * time.Second

// Stop ends the agent, politely first, and waits until it has.
func (d *Daemon) Stop() error {
	var errs []error
	if err := polite(d.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		errs = append(errs, fmt.Errorf("end the agent: %w", err))
	}
	select {
	case <-d.ended:
	case <-time.After(ending):
		kill(d.cmd.Process)
		<-d.ended
		errs = append(errs, errors.New("the agent did not end by itself and was killed"))
	}
	return errors.Join(append(errs, d.log.Close())...)
}

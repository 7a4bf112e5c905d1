package installer

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell/internal/plain"
)

// toolTime is how long a program of the system may take: a manager that hangs
// must not hang us for ever.
const toolTime = time.Minute

// toolError is what a program of the system said against it.
type toolError struct {
	name   string
	said   string // first line of what it wrote to its error output
	exited bool   // it ran, and ended with a status that is not 0
	err    error
}

func (e *toolError) Error() string {
	if e.exited && e.said != "" {
		return e.name + ": " + e.said
	}
	return e.name + ": " + e.err.Error()
}
func (e *toolError) Unwrap() error { return e.err }

// ErrNoTool is wrapped by errors that say that this system has not the program with
// which it would be asked.
var ErrNoTool = errors.New("it is not on this system")

// lookup finds a program of the system. PATH is not asked: it may be a person's
// own, kept through sudo.
func lookup(name string) (string, error) {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrNoTool)
}

// command prepares a program of the system; cancel lets go of its time.
func command(ctx context.Context, name string, args ...string) (cmd *exec.Cmd, cancel context.CancelFunc, err error) {
	path, err := lookup(name)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel = context.WithTimeout(ctx, toolTime)
	cmd = exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	return cmd, cancel, nil
}

// tool runs a program of the system and returns what it wrote.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	cmd, cancel, err := command(ctx, name, args...)
	if err != nil {
		return "", err
	}
	defer cancel()
	return output(cmd)
}

// maxOutput is how much of what a program writes is kept, in bytes.
const maxOutput = 8 << 20

// some keeps the beginning of what is written to it.
type some struct {
	kept []byte
	more bool // than is kept
}

func (s *some) Write(b []byte) (int, error) {
	room := min(len(b), maxOutput-len(s.kept))
	s.more = s.more || room < len(b)
	s.kept = append(s.kept, b[:room]...)
	return len(b), nil
}

func (s *some) String() string { return string(s.kept) }

// output runs cmd. What it writes comes from outside, and may have no end.
func output(cmd *exec.Cmd) (string, error) {
	var out, errs some
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		var exit *exec.ExitError
		exited := errors.As(err, &exit) && exit.Exited()
		if !exited && time.Since(begun) >= toolTime {
			err = fmt.Errorf("it did not end within %v", toolTime)
		}
		return out.String(), &toolError{name: filepath.Base(cmd.Path), said: plain.Text(said), exited: exited, err: err}
	}
	if out.more {
		return "", &toolError{name: filepath.Base(cmd.Path), err: fmt.Errorf("it wrote more than %d MB", maxOutput>>20)}
	}
	return out.String(), nil
}

// properties parses lines of name=value.
func properties(text string) map[string]string {
	p := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok {
			p[name] = value
		}
	}
	return p
}

// parseShow reads what "systemctl show" says of the agent's unit. zero is when the
// monotonic clock began.
func parseShow(text string, zero time.Time) State {
	p := properties(text)
	s := State{
		Installed: p["LoadState"] == "loaded" || p["LoadState"] == "masked",
		Masked:    p["LoadState"] == "masked" || strings.HasPrefix(p["UnitFileState"], "masked"),
		Enabled:   p["UnitFileState"] == "enabled",
		Active:    p["ActiveState"],
		Result:    p["Result"],
		File:      p["FragmentPath"],
	}
	s.Restarts, _ = strconv.Atoi(p["NRestarts"]) // 0 where systemd is too old to tell
	s.Status, _ = strconv.Atoi(p["ExecMainStatus"])
	since := p["StateChangeTimestampMonotonic"]
	if s.Failing() { // its state changes with every try; it is since it last ran that it fails
		since = p["ActiveExitTimestampMonotonic"]
	}
	if us, err := strconv.ParseInt(since, 10, 64); err == nil && us > 0 {
		s.Since = zero.Add(time.Duration(us) * time.Microsecond)
	}
	return s
}

// routine begins what systemd says of every start and end, which explains nothing.
var routine = []string{"Starting ", "Started ", "Stopping ", "Stopped ", "Failed to start ", ServiceName + ".service: Scheduled restart", ServiceName + ".service: Main process exited",
	ServiceName + ".service: Failed with result", ServiceName + ".service: Deactivated", ServiceName + ".service: Succeeded", ServiceName + ".service: Consumed"}

// lastWords returns the last lines of a log that may explain why the agent ended,
// each once.
func lastWords(log string) (lines []string) {
	for l := range strings.Lines(log) {
		l = strings.TrimSpace(l)
		if l == "" || slices.Contains(lines, l) || slices.ContainsFunc(routine, func(r string) bool { return strings.HasPrefix(l, r) }) {
			continue
		}
		lines = append(lines, l)
	}
	return lines[max(0, len(lines)-mostWords):]
}

// mostWords is how many such lines are shown.
const mostWords = 5

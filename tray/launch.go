package tray

import (
	"cmp"
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

	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// Programs starts what the tray leaves to others: the dashboard and terminal
// windows. What it starts goes on when the tray ends: a person may be in the
// middle of a response.
type Programs struct {
	Wormbell string // path of the wormbell program
	Self     string // path of this program
	Socket   string // of the agent; "" for the one that is found by itself

	// Wait is how long a program is given to say that it cannot; 0 for what is
	// right for each.
	Wait time.Duration
}

// InTerminal is the first argument with which this program is started in a
// terminal window: it then runs wormbell with the others and waits for Enter, so
// that a person can read what it printed before the window closes.
const InTerminal = "in-terminal"

// Beside returns the path of the program name that lies beside self, else of
// the one in PATH.
func Beside(self, name string) (string, error) {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	beside := filepath.Join(filepath.Dir(self), name)
	if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
		return beside, nil
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no %s beside this program or in PATH", name)
	}
	return found, nil
}

// startTime is how long a program is given to say that it cannot: the dashboard
// answers within a second, and then serves or ends well.
const startTime = 5 * time.Second

// Dashboard opens a page of the dashboard: it starts `wormbell dashboard`, which
// serves it unless one does already, and returns once that is so.
func (p Programs) Dashboard(ctx context.Context, page string) error {
	return start(ctx, cmp.Or(p.Wait, startTime), p.Wormbell, p.args("dashboard", "--open", page)...)
}

// Terminal runs wormbell with args in a terminal window.
func (p Programs) Terminal(ctx context.Context, args ...string) error {
	program, before := terminal(exec.LookPath)
	if program == "" {
		return errors.New("no program was found that opens a terminal window")
	}
	const soon = time.Second // one that cannot open its window says so at once
	return start(ctx, cmp.Or(p.Wait, soon), program, append(append(before, p.Self, InTerminal), p.args(args...)...)...)
}

func (p Programs) args(args ...string) []string {
	if p.Socket == "" {
		return args
	}
	return append([]string{"--socket", p.Socket}, args...)
}

// HasTerminal reports whether a terminal window can be opened.
func HasTerminal(lookPath func(string) (string, error)) bool {
	program, _ := terminal(lookPath)
	return program != ""
}

// terminal finds a program that opens a terminal window, and its arguments
// before the command.
func terminal(lookPath func(string) (string, error)) (program string, before []string) {
	for _, t := range terminals {
		if found, err := lookPath(t[0]); err == nil {
			return found, append([]string(nil), t[1:]...)
		}
	}
	return "", nil
}

// saidMost bounds what is read of what a program said against it.
const saidMost = 4096

// start starts a program and returns nil once it has ended well or has run for a
// while, else what it said last. What it writes goes to a file that has no name
// any more, not to a pipe: that would break when the tray ends.
func start(ctx context.Context, wait time.Duration, program string, args ...string) error {
	said, err := os.CreateTemp("", "wormbell-tray-")
	if err != nil {
		return fmt.Errorf("make a file for errors: %w", err)
	}
	defer said.Close()
	defer os.Remove(said.Name()) // where an open file cannot be removed, it stays in the temporary folder
	if runtime.GOOS != "windows" {
		os.Remove(said.Name())
	}
	cmd := exec.Command(program, args...) // not ended with ctx, see Programs
	cmd.Stderr = said
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %q: %w", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // reaps it; ends with it or with us
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case err = <-ended:
	case <-t.C:
		return nil
	case <-ctx.Done():
		return nil
	}
	if err == nil {
		return nil
	}
	text, _ := io.ReadAll(io.NewSectionReader(said, 0, saidMost))
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if first == "" {
		first = err.Error()
	}
	return fmt.Errorf("%s: %s", filepath.Base(program), plain.Cut(first, 200))
}

// RunInTerminal is what this program does when it was started in a terminal
// window: see [InTerminal]. It returns the status to end with.
func RunInTerminal(ctx context.Context, wormbell string, args []string, w *words.Words) int {
	cmd := exec.CommandContext(ctx, wormbell, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	status := 0
	if err := cmd.Run(); err != nil {
		status = 1
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			status = exit.ExitCode()
		} else {
			fmt.Fprintln(os.Stderr, w.Say(words.TrayProgramFailed, "wormbell", err.Error()))
		}
	}
	fmt.Fprintf(os.Stdout, "\n%s ", w.Say(words.TrayEnterToClose))
	one := make([]byte, 1)
	for {
		if n, err := os.Stdin.Read(one); n == 0 || err != nil || one[0] == '\n' || one[0] == '\r' {
			return status
		}
	}
}

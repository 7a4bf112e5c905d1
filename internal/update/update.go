// Package update says whether a newer Wormbell is to be had where this machine
// gets its programs from: it asks the package manager for what it already
// knows. It asks no network, changes nothing, and never takes "could not tell"
// for "up to date".
//
// It starts programs, so it is for the command line, which runs as the user.
// The agent must not know it.
package update

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// State is an answer.
type State string

// The answers.
const (
	Current   State = "current"   // the newest that the package manager knows of is installed
	Newer     State = "newer"     // it knows of a newer one, and would install it
	Held      State = "held"      // it knows of a newer one, and was told to keep this one; Why says by what
	Unknown   State = "unknown"   // it could not tell; Why says what was in the way
	Unmanaged State = "unmanaged" // no package manager installed it: none updates it
)

// Result is what there is to say about updates.
type Result struct {
	State     State  `json:"state"`
	Manager   string `json:"manager,omitempty"`   // "apt", "dnf" or "pacman"
	Installed string `json:"installed,omitempty"` // the package's version
	Available string `json:"available,omitempty"` // the newest that it knows of
	Command   string `json:"command,omitempty"`   // what installs it
	Why       string `json:"why,omitempty"`       // of Unknown, Unmanaged and Held
}

// name is the package that holds the command line and the agent.
const name = "wormbell"

const (
	// patience is for all questions together: who asks how the guard stands must not wait for a package manager.
	patience = 2 * time.Second
	// maxAnswer bounds what a program's answer may hold, in bytes: it is a few lines.
	maxAnswer = 64 << 10
)

// Config says where to look. Its zero value is this machine.
type Config struct {
	Program string // the file that runs; "": this program's own
	Bin     string // where the package managers are, and where packages put our programs; "": /usr/bin
}

// Look asks the package manager that installed this program. It takes two
// seconds at the most.
func Look(ctx context.Context, c Config) Result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if c.Bin == "" {
		c.Bin = "/usr/bin"
	}
	if c.Program == "" {
		self, err := os.Executable()
		if err != nil {
			return Result{State: Unknown, Why: err.Error()}
		}
		c.Program = self
	}
	if filepath.Dir(c.Program) != c.Bin {
		return Result{State: Unmanaged, Why: "it was not installed as a package: no package manager updates it"}
	}
	asked, unclear := 0, ""
	for _, m := range managers {
		if _, err := os.Stat(filepath.Join(c.Bin, m.tool)); err != nil {
			continue
		}
		asked++
		answer, err := c.ask(ctx, m.installed[0], m.installed[1:]...)
		switch {
		case err != nil && ctx.Err() != nil:
			return Result{State: Unknown, Manager: m.name, Why: m.name + " did not answer in time"}
		case err != nil && !ended(err, 1):
			unclear = err.Error() // 1 is how all of them say that they have no such package
		}
		if err != nil {
			continue
		}
		has := m.has(answer)
		if has.version == "" {
			continue // it is not one of its own any more
		}
		r := Result{State: Unknown, Manager: m.name, Installed: has.version}
		m.look(ctx, c, has, &r)
		if ctx.Err() != nil && r.State == Unknown {
			r.Why = m.name + " did not answer in time"
		}
		if r.State == Newer {
			r.Command = m.command
		}
		return r
	}
	switch {
	case asked == 0:
		return Result{State: Unknown, Why: "no package manager that Wormbell knows is here"}
	case unclear != "":
		return Result{State: Unknown, Why: unclear}
	}
	return Result{State: Unmanaged, Why: "no package holds it: no package manager updates it"}
}

// ended reports whether err says that a program ended with this status.
func ended(err error, status int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == status
}

// ask runs a program of c.Bin and returns what it wrote.
func (c Config) ask(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, program), args...)
	// Nothing of the caller's environment but the home: it could name other lists,
	// or code to load. A home has settings of package managers, too, which may run
	// programs, so root, who may have kept a user's through sudo, gets its own.
	home := os.Getenv("HOME")
	if os.Geteuid() == 0 {
		home = "/root"
	}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "LANGUAGE=C", "HOME=" + home}
	cmd.Dir = "/"
	cmd.WaitDelay = 100 * time.Millisecond // for what a program left running with our pipe in hand
	var out limited
	cmd.Stdout = &out
	err := cmd.Run()
	if out.full {
		return "", fmt.Errorf("ask %s: its answer is longer than %d bytes", program, maxAnswer)
	}
	if err != nil {
		return out.kept.String(), fmt.Errorf("ask %s: %w", program, err)
	}
	return out.kept.String(), nil
}

// limited keeps the first maxAnswer bytes, and refuses more. The buffer is no
// embedded one: io.Copy would find its ReadFrom, and no limit.
type limited struct {
	kept bytes.Buffer
	full bool
}

func (l *limited) Write(b []byte) (int, error) {
	if l.kept.Len()+len(b) > maxAnswer {
		l.full = true
		return 0, io.ErrShortWrite // which ends the program that writes on
	}
	return l.kept.Write(b)
}

// String says it in a sentence.
func (r Result) String() string {
	switch r.State {
	case Newer:
		return fmt.Sprintf("version %s can be had (installed: %s): %s", r.Available, r.Installed, r.Command)
	case Held:
		return fmt.Sprintf("version %s can be had, but not here (installed: %s): %s", r.Available, r.Installed, r.Why)
	case Current:
		return fmt.Sprintf("up to date, as far as %s knows (%s)", r.Manager, r.Installed)
	case Unmanaged:
		return "not updated: " + r.Why
	}
	return "could not tell whether there is a newer version: " + r.Why
}

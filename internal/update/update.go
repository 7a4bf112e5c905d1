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
	"strings"
	"time"
)

// State is an answer.
type State string

// The answers.
const (
	Current   State = "current"   // the newest that the package manager knows of is installed
	Newer     State = "newer"     // it knows of a newer one
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
	Why       string `json:"why,omitempty"`       // of Unknown and Unmanaged
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
	asked := 0
	for _, m := range managers {
		if _, err := os.Stat(filepath.Join(c.Bin, m.tool)); err != nil {
			continue
		}
		asked++
		installed, err := c.ask(ctx, m.installed[0], m.installed[1:]...)
		if err != nil {
			if ctx.Err() != nil {
				return Result{State: Unknown, Manager: m.name, Why: m.name + " did not answer in time"}
			}
			continue // the package is not one of its own
		}
		r := Result{State: Unknown, Manager: m.name, Installed: m.version(installed)}
		if r.Installed == "" {
			continue
		}
		m.look(ctx, c, &r)
		if ctx.Err() != nil && r.State == Unknown {
			r.Why = m.name + " did not answer in time"
		}
		if r.State == Newer {
			r.Command = m.command
		}
		return r
	}
	if asked == 0 {
		return Result{State: Unknown, Why: "no package manager that Wormbell knows is here"}
	}
	return Result{State: Unmanaged, Why: "no package holds it: no package manager updates it"}
}

// manager is a package manager: how it says what is installed, and what there is.
type manager struct {
	name, tool string
	installed  []string
	version    func(answer string) string
	look       func(ctx context.Context, c Config, r *Result)
	command    string // that updates
}

var managers = []manager{
	{
		name: "apt", tool: "apt-cache", installed: []string{"dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", name},
		version: func(s string) string { // a removed package has a version, too, and another state
			v, ok := strings.CutPrefix(s, "ii ")
			if !ok {
				return ""
			}
			return strings.TrimSpace(v)
		},
		look: lookApt, command: "sudo apt update && sudo apt upgrade",
	},
	{
		name: "dnf", tool: "dnf", installed: []string{"rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}", name},
		version: strings.TrimSpace,
		look:    lookDNF, command: "sudo dnf upgrade wormbell wormbell-tray",
	},
	{
		name: "pacman", tool: "pacman", installed: []string{"pacman", "-Q", name},
		version: func(s string) string { _, v, _ := strings.Cut(strings.TrimSpace(s), " "); return v },
		look:    lookPacman, command: "sudo pacman -Syu",
	},
}

// lookApt reads `apt-cache policy`, which knows what the last update told.
func lookApt(ctx context.Context, c Config, r *Result) {
	answer, err := c.ask(ctx, "apt-cache", "policy", name)
	if err != nil {
		r.Why = err.Error()
		return
	}
	var candidate string
	offered := false
	for _, line := range strings.Split(answer, "\n") {
		t := strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(t, "Candidate: "); ok {
			candidate = v
		}
		// "        500 https://… stable/main amd64 Packages"; the system's own list of what is installed is no offer.
		if f := strings.Fields(t); len(f) >= 3 && strings.HasSuffix(t, " Packages") {
			offered = true
		}
	}
	switch {
	case !offered || candidate == "" || candidate == "(none)":
		r.Why = "no repository that apt knows offers it, so apt cannot update it"
	case candidate == r.Installed:
		r.State = Current
	default:
		// A candidate is never older, unless an administrator pinned it so.
		if _, err := c.ask(ctx, "dpkg", "--compare-versions", candidate, "gt", r.Installed); err != nil {
			r.State, r.Why = Current, "what the repositories offer is not newer"
			return
		}
		r.State, r.Available = Newer, candidate
	}
}

// lookDNF asks dnf for what it has in its caches (-C).
func lookDNF(ctx context.Context, c Config, r *Result) {
	answer, err := c.ask(ctx, "dnf", "-C", "-q", "repoquery", "--available", "--latest-limit=1", "--qf", "%{version}-%{release}", name)
	if err != nil {
		r.Why = "dnf has no lists of its repositories to look into: " + err.Error()
		return
	}
	newest := strings.TrimSpace(answer)
	if newest == "" {
		r.Why = "no repository that dnf knows offers it, so dnf cannot update it"
		return
	}
	if newest == r.Installed {
		r.State = Current
		return
	}
	upgrade, err := c.ask(ctx, "dnf", "-C", "-q", "repoquery", "--upgrades", "--latest-limit=1", "--qf", "%{version}-%{release}", name)
	if err != nil {
		r.Why = err.Error()
		return
	}
	if v := strings.TrimSpace(upgrade); v != "" {
		r.State, r.Available = Newer, v
		return
	}
	r.State, r.Why = Current, "what the repositories offer is not newer"
}

// lookPacman asks pacman, whose -Qu says nothing both of what is the newest
// and of what no repository has.
func lookPacman(ctx context.Context, c Config, r *Result) {
	if _, err := c.ask(ctx, "pacman", "-Si", name); err != nil {
		r.Why = "no repository that pacman knows offers it, so pacman cannot update it"
		return
	}
	answer, err := c.ask(ctx, "pacman", "-Qu", name)
	if _, v, ok := strings.Cut(strings.TrimSpace(answer), " -> "); ok {
		r.State, r.Available = Newer, strings.TrimSuffix(v, " [ignored]")
		return
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == 1 && strings.TrimSpace(answer) == "" {
		r.State = Current
		return
	}
	r.Why = "pacman did not say"
}

// ask runs a program of c.Bin and returns what it wrote.
func (c Config) ask(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, program), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=C")
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
	case Current:
		return fmt.Sprintf("up to date, as far as %s knows (%s)", r.Manager, r.Installed)
	case Unmanaged:
		return "not updated: " + r.Why
	}
	return "could not tell whether there is a newer version: " + r.Why
}

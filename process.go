package wormbell

import (
	"encoding/json"
	"fmt"
	"path"
	"time"
)

// Process is one run of a program. It never changes once shared: a watcher
// that learns more makes a new value.
type Process struct {
	PID        int       `json:"pid"`                   // reused by the OS: compare ID, not PID
	Start      time.Time `json:"start"`                 // with PID, the identity
	User       string    `json:"user,omitempty"`        // real uid or SID
	Exe        string    `json:"exe"`                   // the file that runs, absolute
	Script     string    `json:"script"`                // for an interpreter, the file it interprets, absolute (npm is a script of node)
	ArgsLate   bool      `json:"args_late,omitempty"`   // Args were read some time after it began, and may be what it wrote over them
	ScriptFile string    `json:"script_file,omitempty"` // what Script led to when it began, if that is another path and nothing on the way changed since; "" if that is not certain
	Args       []string  `json:"args"`                  // command line as of exec, secrets masked
	Cwd        string    `json:"cwd"`                   // working directory as of exec, absolute
	TTY        string    `json:"tty"`                   // controlling terminal, "/dev/pts/3"; "" for none
	Leader     bool      `json:"leader,omitempty"`      // it leads the session of its terminal
	Foreground bool      `json:"foreground,omitempty"`  // its group is the one in the foreground of its terminal
	Signer     string    `json:"signer"`                // who vouches for Exe and Script: "deb:nodejs", "rpm:nodejs", "root", "first-use:~/.nvm/…"; "" for no one
	DryRun     bool      `json:"dry_run,omitempty"`     // npm_config_dry_run was set to a true value in its environment
	Secrets    []string  `json:"secrets,omitempty"`     // names of variables in its environment as of exec that seem to hold a secret, "NPM_TOKEN", sorted; never a value
	Tool       string    `json:"tool,omitempty"`        // the registry tool that it is, "tool:~/app/node_modules/lerna": nobody but its package manager has changed that folder. Nobody vouches for what it loads from others
	Replaced   string    `json:"replaced,omitempty"`    // the first that nobody vouches for of what the same process ran before it executed this: "/home/me/x.py"; "" for nothing, or nothing that was seen
	Foreign    bool      `json:"foreign,omitempty"`     // its environment or its flags make it load code that nobody vouches for (NODE_OPTIONS, LD_PRELOAD), or could not be read
	Unjudged   bool      `json:"unjudged,omitempty"`    // it was gone before it could be looked at: what it ran is known, and not who vouches for that
	Lifecycle  string    `json:"lifecycle"`             // lifecycle script of the outermost dependency script above or at it: "postinstall"
	Package    *Package  `json:"package"`               // the dependency whose script that is; nil if there is none
	Parent     *Process  `json:"parent"`                // as it was at start; nil if not known
}

// ProcessID identifies a process for as long as the machine is up.
type ProcessID struct {
	PID   int
	Start time.Time
}

// ID returns p's identity; the zero ProcessID for nil.
func (p *Process) ID() ProcessID {
	if p == nil {
		return ProcessID{}
	}
	return ProcessID{p.PID, p.Start}
}

// Name is what a person would call p: the script of an interpreter, else the program.
func (p *Process) Name() string {
	switch {
	case p == nil:
		return "an unknown process"
	case p.Script != "":
		return path.Base(p.Script)
	case p.Exe != "":
		return path.Base(p.Exe)
	case len(p.Args) > 0:
		return path.Base(p.Args[0])
	}
	return "an unnamed process"
}

// String names p and its PID.
func (p *Process) String() string {
	if p == nil {
		return p.Name()
	}
	return fmt.Sprintf("%s (pid %d)", p.Name(), p.PID)
}

// Chain yields p, its parent, that one's parent and so on, at most 64 long.
func (p *Process) Chain(yield func(*Process) bool) {
	for n := 0; p != nil && n < 64; n++ {
		if !yield(p) {
			return
		}
		p = p.Parent
	}
}

// Ancestor returns the nearest ancestor of p, not p itself, that is ok, or nil.
func (p *Process) Ancestor(ok func(*Process) bool) *Process {
	if p == nil {
		return nil
	}
	for a := range p.Parent.Chain {
		if ok(a) {
			return a
		}
	}
	return nil
}

// Within reports whether p is id or has it among its ancestors.
func (p *Process) Within(id ProcessID) bool {
	for a := range p.Chain {
		if a.ID() == id {
			return true
		}
	}
	return false
}

// MarshalJSON writes p with args arrays that are never null.
func (p *Process) MarshalJSON() ([]byte, error) {
	// The whole ancestry at once, without this method on the parents: each
	// level's result would be copied and checked again by the one above.
	type plain Process
	type link struct {
		plain
		Args   []string `json:"args"`
		Parent *link    `json:"parent"`
	}
	var first *link
	next := &first
	for n := 0; p != nil && n < 64; p, n = p.Parent, n+1 {
		l := &link{plain: plain(*p), Args: p.Args}
		if l.Args == nil {
			l.Args = []string{}
		}
		*next, next = l, &l.Parent
	}
	return json.Marshal(first)
}

// Package freeze stops, continues and ends process trees.
//
// It knows processes by identity, never by PID alone, and asks its caller who
// descends from whom. It must not know of alerts or of the API. What it never
// touches: init, kernel threads, the agent, whatever a tree of work hangs below
// (shells, terminals, IDEs, service managers), and the ancestors of who asks.
package freeze

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"wormbell"
)

// Action is what to do with a tree.
type Action string

// The actions.
const (
	Stop     Action = "freeze" // SIGSTOP: nothing is lost, everything can go on
	Continue Action = "resume" // SIGCONT
	Kill     Action = "kill"   // stopped first, so that nothing forks away, then SIGKILL
)

// ErrNotAvailable is returned where the system has no way to do this that is
// safe against recycled PIDs, or none was written yet.
var ErrNotAvailable = errors.New("freezing processes is not available on this system yet")

// Config says which tree, and on whose behalf.
type Config struct {
	Roots   []wormbell.ProcessID                               // dead ones count: their descendants may live
	Living  func(root wormbell.ProcessID) []wormbell.ProcessID // root and every living descendant, also re-parented ones
	Process func(pid int) *wormbell.Process                    // the process that has pid now; nil if that cannot be told
	Caller  int                                                // uid of who asks; unless 0, only processes whose real uid this is are touched
	// CallerPID is the process that asks; it and its ancestors are left alone. 0 for none.
	CallerPID int
	Spare     []int // further PIDs to leave alone: the agent's watchdog
	// Shows reports whether p shows a person what the caller does, and is left alone
	// like it: the browser that our dashboard opened. nil if nothing does.
	Shows func(p *wormbell.Process) bool
	Limit time.Duration // for everything; 5 seconds if 0
	// Also reports whether p, which descends from none of the Roots, is to be
	// stopped with them. nil: nothing is.
	Also func(p *wormbell.Process) bool
	// Held says that the kernel may hold some of them in a call, by the caller's
	// doing. For Stop only: each thread is told to stop, and one that waits in the
	// kernel and cannot be interrupted counts as stopped, for when it comes out the
	// signal is the first that it meets. What was stopped is not watched for
	// somebody who continues it.
	Held bool
}

// Report says what was done.
type Report struct {
	Action  Action   `json:"action"`
	Done    []Target `json:"done"`    // stopped, continued or ended
	Left    []Target `json:"left"`    // left alone or not reached, and why
	Hurried bool     `json:"hurried"` // the time was over before the tree had come to rest: more of it may run
	Idle    int      `json:"idle"`    // living processes that were not stopped when they were to go on
	Resumed int      `json:"resumed"` // times somebody else continued a stopped process meanwhile
}

// Target is one process of the tree.
type Target struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	Why  string `json:"why,omitempty"` // for those left alone
	// Spared says that it was left alone because it is none of the alert's: what
	// asks for this, the agent, a shell, a service manager. What it could not be
	// done to is not spared.
	Spared bool `json:"spared,omitempty"`
}

// Missed is how many processes it should have been done to and was not.
func (r Report) Missed() int {
	n := 0
	for _, t := range r.Left {
		if !t.Spared {
			n++
		}
	}
	return n
}

// String is the report in one sentence.
func (r Report) String() string {
	verb := map[Action]string{Stop: "stopped", Continue: "continued", Kill: "ended"}[r.Action]
	var b strings.Builder
	switch n := len(r.Done); n {
	case 0:
		fmt.Fprintf(&b, "no process was %s", verb)
		switch {
		case len(r.Left) > 0:
		case r.Idle > 0:
			b.WriteString(": none of the tree was stopped")
		default:
			b.WriteString(": all of the tree has ended")
		}
	case 1:
		fmt.Fprintf(&b, "%s %s", verb, r.Done[0])
	default:
		fmt.Fprintf(&b, "%s %d processes", verb, n)
	}
	for i, t := range r.Left {
		if i == 3 {
			fmt.Fprintf(&b, "; left alone %d more", len(r.Left)-i)
			break
		}
		fmt.Fprintf(&b, "; left alone %s: %s", t, t.Why)
	}
	if r.Hurried {
		b.WriteString("; the time was over before nothing new appeared, so more may run")
	}
	if r.Resumed > 0 {
		fmt.Fprintf(&b, "; something continued stopped processes %d times meanwhile", r.Resumed)
	}
	return b.String()
}

// String names the process and its PID.
func (t Target) String() string { return fmt.Sprintf("%s (pid %d)", t.Name, t.PID) }

// Tree does action to the trees of c.Roots and reports what came of it. Stopping
// and ending go on until nothing new appears and everything is stopped or gone,
// or the time is over, which the report then tells of. The error is not nil
// only if nothing could be tried.
func Tree(ctx context.Context, c Config, action Action) (Report, error) {
	switch action {
	case Stop, Continue, Kill:
	default:
		return Report{}, fmt.Errorf("no action %q", action)
	}
	if c.Limit <= 0 {
		c.Limit = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	r, err := tree(ctx, c, action)
	r.Action = action
	if r.Done == nil {
		r.Done = []Target{}
	}
	if r.Left == nil {
		r.Left = []Target{}
	}
	return r, err
}

// Package installer puts Wormbell on a machine and takes it off again: the
// programs, the service, the tray's autostart, folders, completions. It first
// spells out what it would do, does it when told, and puts everything back if a
// step fails.
//
// It must not know how a person is asked, nor what the agent watches. What it
// does to a machine it does below [Machine.Root] and through the functions of
// [Machine], so that every plan can be tried on a folder.
package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"wormbell"
)

// The service and its files are called the same everywhere (see docs/service.md).
const (
	ServiceName   = "wormbelld"              // systemd's unit without .service, and the Windows service
	LaunchdLabel  = "org.wormbell.wormbelld" // of the daemon
	trayUnit      = "wormbell-tray.service"  // systemd user unit
	launchdTray   = "org.wormbell.tray"      // of the LaunchAgent
	runKeyValue   = "Wormbell"               // in HKLM\Software\Microsoft\Windows\CurrentVersion\Run
	manifestName  = "installed.json"         // in the state folder
	previousName  = "previous"               // folder in the state folder
	unitPath      = "/etc/systemd/system/wormbelld.service"
	trayUnitPath  = "/etc/systemd/user/wormbell-tray.service"
	autostartPath = "/etc/xdg/autostart/org.wormbell.Tray.desktop"
)

// Plan is what an installation or a removal would do.
type Plan struct {
	wormbell.Plan          // empty Steps: there is nothing to do, and Do does nothing
	There         []string // what is there already, in sentences
	Notes         []string // what the person should know, in sentences
	// Program is where the command line lies afterwards, "" if it is nowhere.
	Program string
}

// Nothing reports whether the machine is already as it is asked to be.
func (p *Plan) Nothing() bool { return len(p.Steps) == 0 }

// Machine is a machine as the installer sees it. Every func field must be set
// but where it says that it may be nil.
type Machine struct {
	OS   string // as runtime.GOOS
	Root string // folder in which the machine's paths lie; "" for the machine itself
	// Manager says that a service manager that we know has started this machine:
	// systemd, launchd or the service control manager.
	Manager bool
	// State is the folder of the agent's state, absolute.
	State string
	// Owner names the system's package that owns path, such as "deb:wormbell"; "" if
	// none does. An error says that it could not be told.
	Owner   func(ctx context.Context, path string) (string, error)
	Service Service
	// Build reads what the linker wrote into a program; nil: as Go's does.
	Build func(program []byte) (*debug.BuildInfo, error)
	// Agent asks the machine's agent for its version and process. An error says that
	// none answers. nil: it cannot be asked on this system yet, and the manager is
	// believed.
	Agent func(ctx context.Context) (version string, pid int, err error)
	// Log returns the last lines of the agent's log since then, the oldest first. It
	// may be nil.
	Log func(ctx context.Context, since time.Time) []string
	// Sessions lists those who are logged in with a desktop.
	Sessions func(ctx context.Context) ([]Session, error)
	// Vaults lists the users who have tokens in a vault.
	Vaults func(ctx context.Context) ([]Vault, error)
	Now    func() time.Time
	// Patience is how long a started agent may take until it answers, Settle how
	// long it must then go on without being started again. 0: 30 s and 2 s.
	Patience, Settle time.Duration
}

// Service acts on the machine's service manager. Its functions return when it is
// done, or with an error that says what the manager said.
type Service struct {
	Look    func(ctx context.Context) (State, error)
	Reload  func(ctx context.Context) error                 // the manager reads its files anew; nil where it does so by itself
	Create  func(ctx context.Context, program string) error // where a service is no file; else nil
	Delete  func(ctx context.Context) error                 // undoes Create; else nil
	Enable  func(ctx context.Context) error                 // start at boot; nil where the file alone does it
	Disable func(ctx context.Context) error
	Start   func(ctx context.Context) error // begins to start it and need not wait
	Stop    func(ctx context.Context) error // and waits until it has ended
	// AutostartTray makes desktops start the tray (program) at login, or not any
	// more ("").  nil where files alone do it.
	AutostartTray func(ctx context.Context, program string) error
	TrayStarts    func(ctx context.Context) bool // whether they do; nil as above
}

// State is what the service manager knows of the agent.
type State struct {
	Installed bool
	Masked    bool      // an administrator has forbidden to start it
	Enabled   bool      // it starts at boot
	Active    string    // systemd's word for it: "active", "activating", "inactive", "failed", …
	Since     time.Time // since when it is so; zero if that is not known
	Result    string    // how the last run ended, systemd's word: "success", "exit-code", "watchdog", …
	Status    int       // exit status of the last run
	Restarts  int       // times the manager has started it again
	File      string    // where its unit is
}

// Running reports whether the agent runs as far as the manager knows.
func (s State) Running() bool { return s.Active == "active" }

// alive reports whether the manager has it running, or is about to.
func (s State) alive() bool { return s.Active != "" && s.Active != "inactive" && s.Active != "failed" }

// Failing reports whether the manager has given up on it, or starts it again and
// again.
func (s State) Failing() bool {
	return s.Active == "failed" || s.Active == "activating" && s.Restarts > 0
}

// Session is somebody who is logged in with a desktop.
type Session struct {
	User string
	// Start starts the tray in it, or starts it anew; Stop ends it; Runs reports
	// whether it runs.
	Start, Stop func(ctx context.Context) error
	Runs        func(ctx context.Context) bool
}

// Vault is one user's vault with something in it.
type Vault struct {
	User   string
	Tokens int    // 0 if it could not be told
	File   string // the list of what is in it; "" if that is not known
	Broken error  // why it could not be told what is in it; nil: Tokens are
}

const (
	patience = 30 * time.Second
	settle   = 2 * time.Second
	// undoTime is how long putting everything back may take.
	undoTime = 2 * time.Minute
	// failures is how often an agent may be started again before it counts as failing.
	failures = 3
)

// path returns where the machine's absolute path p is.
func (m *Machine) path(p string) string {
	if m.Root == "" {
		return filepath.FromSlash(p)
	}
	return filepath.Join(m.Root, filepath.FromSlash(strings.TrimPrefix(p, filepath.VolumeName(p))))
}

// job is one thing to do. A job without text is not shown.
type job struct {
	text string
	do   func(ctx context.Context) (undo func(context.Context) error, err error)
}

// FailedError says that a step failed, and what became of those before it.
type FailedError struct {
	Step string   // the sentence of the plan
	Err  error    // why
	Undo error    // what could not be put back; nil: everything is as it was
	Log  []string // last lines of the agent's log, if it was the agent that failed
}

func (e *FailedError) Error() string {
	s := e.Err.Error() + "; everything was put back as it was"
	if e.Undo != nil {
		s = e.Err.Error() + "; and not everything could be put back: " + e.Undo.Error()
	}
	return s
}

// Unwrap returns why the step failed.
func (e *FailedError) Unwrap() error { return e.Err }

// agentError is that of an agent that does not come up.
type agentError struct {
	err error
	log []string
}

func (e *agentError) Error() string { return e.err.Error() }
func (e *agentError) Unwrap() error { return e.err }

// run does jobs in order. If one fails, or ctx ends, those before it are undone,
// the last first.
func run(ctx context.Context, jobs []job) error {
	var undo []func(context.Context) error
	for _, j := range jobs {
		err := ctx.Err()
		var back func(context.Context) error
		if err == nil {
			back, err = j.do(ctx)
		}
		if back != nil {
			undo = append(undo, back) // also of a job that failed half way
		}
		if err == nil {
			continue
		}
		failed := &FailedError{Step: j.text, Err: err}
		var agent *agentError
		if errors.As(err, &agent) {
			failed.Log = agent.log
		}
		// Whoever gave up wants the machine as it was, not half way.
		back2, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		for i := len(undo) - 1; i >= 0; i-- {
			failed.Undo = errors.Join(failed.Undo, undo[i](back2))
		}
		return failed
	}
	return nil
}

// ErrBusy says that another installation or removal is going on.
var ErrBusy = errors.New("another installation is going on")

// planned makes a plan of jobs.
func (m *Machine) planned(jobs []job) wormbell.Plan {
	// What only prepares others is not done without them.
	if !slices.ContainsFunc(jobs, func(j job) bool { return j.text != "" }) {
		jobs = nil
	}
	p := wormbell.Plan{Steps: []string{}, Do: func(ctx context.Context) error {
		if len(jobs) == 0 {
			return nil
		}
		unlock, err := m.lock()
		if err != nil {
			return err
		}
		defer unlock()
		return run(ctx, jobs)
	}}
	for _, j := range jobs {
		if j.text != "" {
			p.Steps = append(p.Steps, j.text)
		}
	}
	return p
}

// await waits until the agent answers, with that version if it is known, and
// goes on for a while without being started again.
func (m *Machine) await(ctx context.Context, version string) error {
	most, calm := m.Patience, m.Settle
	if most == 0 {
		most, calm = patience, settle
	}
	givenUp := ctx.Err
	ctx, cancel := context.WithTimeout(ctx, most+calm)
	defer cancel()
	tick := time.NewTicker(min(100*time.Millisecond, calm/4+time.Millisecond))
	defer tick.Stop()
	// The manager counts from the unit's first start after it was loaded.
	start := time.Now()
	before, _ := m.Service.Look(ctx) // of a unit that cannot be looked at nothing is known; the answer decides
	var well time.Time               // since when it answers, zero while it does not
	answering, restarts := 0, before.Restarts
	last := before // as its last run ended; while it is started again nothing is known
	for {
		got, pid, err := m.ask(ctx)
		state, lookErr := m.Service.Look(ctx)
		now := time.Now()
		if lookErr == nil && state.Result != "success" {
			last = state
		}
		switch {
		case givenUp() != nil:
			return givenUp()
		case lookErr == nil && state.Active == "failed":
			return m.agentFailed(fmt.Errorf("the agent does not start: it ended with %q, status %d", state.Result, state.Status), start)
		case lookErr == nil && state.Restarts >= before.Restarts+failures:
			return m.agentFailed(fmt.Errorf("the agent keeps failing: it was started again %d times, and last ended with %q, status %d", state.Restarts-before.Restarts, last.Result, last.Status), start)
		case err != nil, lookErr != nil:
			well = time.Time{}
		case version != "" && got != "" && got != version:
			err = fmt.Errorf("one of version %s answers, not of %s", got, version)
			well = time.Time{}
		case !state.Running():
			err = fmt.Errorf("the service is %q", state.Active)
			well = time.Time{}
		case well.IsZero() || pid != answering || state.Restarts != restarts:
			well, answering, restarts = now, pid, state.Restarts
		case now.Sub(well) >= calm:
			return nil
		}
		if well.IsZero() && now.Sub(start) >= most || ctx.Err() != nil {
			if err == nil {
				err = errors.Join(lookErr, ctx.Err())
			}
			return m.agentFailed(fmt.Errorf("the agent does not answer within %v: %w", most, err), start)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// ask asks the agent, where it can be asked, for its version and process.
func (m *Machine) ask(ctx context.Context) (version string, pid int, err error) {
	if m.Agent == nil {
		return "", 0, nil
	}
	return m.Agent(ctx)
}

// agentFailed adds the end of the agent's log to err. It is asked for now: the
// next agent would write over it.
func (m *Machine) agentFailed(err error, since time.Time) error {
	e := &agentError{err: err}
	if m.Log != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // the caller's has perhaps run out
		defer cancel()
		e.log = m.Log(ctx, since)
	}
	return e
}

// exists reports whether there is anything at path, of whatever kind.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Package persistence looks for what a worm left behind to start again, or to
// watch the token that it stole and wipe the home folder once that token is
// refused, and takes it out of service.
//
// It judges by behaviour, never by name: names change with every wave. What
// starts by itself, or runs already, is followed to the code that runs, and
// that is weighed: where it lies, how young it is, whom it asks, what it does
// with the answer. [Look] changes nothing and runs nothing that it finds.
// [Trap.Disable] moves things into a folder, from where [Restore] puts them
// back; whether it may is for its caller to ask.
//
// It runs as the user and must not know of alerts, tokens or services, beyond
// the hosts that it is given.
package persistence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"wormbell/internal/autostart"
)

// Config says where to look and how.
type Config struct {
	Home  string // of the user, absolute
	State string // folder of ours; what Disable takes away goes to quarantine/ in it

	// Since is when the incident may have begun: the alert's first finding
	// less a margin. What changed after it is young, which weighs. Zero means
	// that nobody knows: then age speaks neither for nor against anything.
	Since time.Time

	Projects []string // folders, with ~ or absolute, whose hooks and tasks are looked at too
	Sites    []string // hosts of token services besides the public ones: the user's registries

	// Judge is how long judging may take, after the look: what was found before
	// the time was over is judged all the same. 0 is for a minute.
	Judge time.Duration

	// Announced says that the agent knows that the files of [Guarded] are about
	// to be read; else they are left closed, and the report says so.
	Announced bool

	// Own is the folder of our own programs, which hold all the words that a
	// trap holds, and without which nobody guards; "" for that of this program.
	// Whoever can replace them there can replace this one.
	Own string

	Root   string // put before paths outside of the home, for tests: "/proc", "/etc", "/tmp"
	System string // a GOOS, to read another system's files in tests; "" for this one
	UID    int    // whose processes; 0 or less for the caller's

	// Run runs a program of the system's, such as crontab, and returns what it
	// prints; nil for the real thing, which has time limits and no shell, and
	// takes programs from the system's folders only.
	Run func(ctx context.Context, stdin []byte, name string, args ...string) ([]byte, error)
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged

	only func(pid int) bool // whether a process is looked at, for tests; nil: all are
	most int                // how many processes are looked at, for tests; 0 is maxProcesses
}

// Weight is what a trap means for revoking.
type Weight string

// What a trap can weigh.
const (
	// Note: a person should know of it.
	Note Weight = "note"
	// Blocks: a token must not be revoked while it is there.
	Blocks Weight = "blocks"
)

// What a trap can be.
const (
	Unit       = autostart.Unit
	Autostart  = autostart.Autostart
	Activation = autostart.Activation
	Cron       = autostart.Cron
	AtJob      = autostart.AtJob
	Shell      = autostart.Shell
	Session    = autostart.Session
	SSH        = autostart.SSH
	GitHook    = autostart.GitHook
	EditorTask = autostart.EditorTask
	AIHook     = autostart.AIHook
	Runner     = autostart.Runner
	NPMSetting = "npm setting"
	Startup    = "interpreter start-up file"
	Agent      = autostart.Agent
	Task       = autostart.Task
	RunKey     = autostart.RunKey
	Running    = "running process"
	Linger     = autostart.Linger
)

// Trap is one thing that starts by itself or runs and may be a trap, and why it
// is told of.
type Trap struct {
	ID      string   `json:"id"`                // eight characters that can be typed; the same as long as it stays what it is
	What    string   `json:"what"`              // one of the words above
	Path    string   `json:"path"`              // of the entry, with ~
	Entry   string   `json:"entry,omitempty"`   // which part of the file: "line 12", "hooks SessionStart"
	Program string   `json:"program,omitempty"` // what it runs, secrets masked
	Why     []string `json:"why"`               // reasons in words; those that speak for it come last
	Weight  Weight   `json:"weight"`
	Live    bool     `json:"live"`      // it runs now
	PIDs    []int    `json:"processes"` // of it
	Changed string   `json:"changed,omitempty"`
	// Ruins says that it starts by itself and then deletes the home folder, turns
	// the machine off, or holds the threats of worms, whatever it weighs.
	Ruins bool `json:"-"`

	entry *entry // what Look knows; a Trap read from JSON has none
}

// Report is what a look brought up.
type Report struct {
	Traps     []Trap   `json:"traps"`      // those that block first
	Looked    int      `json:"looked"`     // entries and processes that were judged
	NotLooked []string `json:"not_looked"` // what could not be looked at, and why: it may hide anything
}

// Blocking returns the traps for which revoking must wait.
func (r Report) Blocking() []Trap {
	n := slices.IndexFunc(r.Traps, func(f Trap) bool { return f.Weight != Blocks })
	if n < 0 {
		n = len(r.Traps)
	}
	return r.Traps[:n:n]
}

// Summary is the report in lines for a plan, the verdict first.
func (r Report) Summary() []string {
	var out []string
	blocking, live := r.Blocking(), 0
	for _, f := range blocking {
		if f.Live {
			live++
		}
	}
	switch n := len(blocking); {
	case n == 0:
		out = append(out, fmt.Sprintf("no monitor or young autostart was found among %d entries and processes", r.Looked))
	case live > 0:
		out = append(out, fmt.Sprintf("%s must be disabled before a token is revoked; %d of them running", count(n, "thing"), live))
	default:
		out = append(out, fmt.Sprintf("%s must be disabled before a token is revoked", count(n, "thing")))
	}
	for _, f := range r.Traps {
		out = append(out, f.String())
	}
	for _, s := range r.NotLooked {
		out = append(out, "not looked at: "+s)
	}
	return out
}

// String is the trap in one line.
func (f Trap) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s %s", f.Weight, f.ID, f.What, f.Path)
	if f.Entry != "" {
		b.WriteString(", " + f.Entry)
	}
	if f.Live {
		fmt.Fprintf(&b, " (running, pid %s)", pids(f.PIDs))
	}
	if len(f.Why) > 0 {
		b.WriteString(": " + strings.Join(f.Why, "; "))
	}
	return b.String()
}

// maxLook bounds a look: a person who answers an alarm must not wait for ever.
const maxLook = 2 * time.Minute

// maxJudge bounds what comes then, if nobody says.
const maxJudge = time.Minute

// Look finds what starts by itself or runs and judges it. The error is not nil
// only if the look as a whole failed: nothing could be looked at, or the time
// was over. Then the report holds what was found until then, which does not say
// that nothing else is there. What was left out otherwise is in Report.NotLooked.
func Look(ctx context.Context, c Config) (Report, error) {
	nothing := Report{Traps: []Trap{}, NotLooked: []string{}}
	c, err := c.complete()
	if err != nil {
		return nothing, err
	}
	s := newScan(c)
	err = s.look(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nothing, fmt.Errorf("look for persistence: %w", ctx.Err()) // nobody waits for it any more
	}
	s.matchProcesses()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(c.Judge, maxJudge))
	defer cancel()
	r, late := s.report(ctx)
	if err = cmp.Or(err, late); err != nil {
		err = fmt.Errorf("look for persistence: %w", err)
	}
	return r, err
}

func newScan(c Config) *scan {
	return &scan{Config: c, files: newFiles(c), programs: map[string]*program{}, memories: newMemories()}
}

// look goes through the sources, until the time is over.
func (s *scan) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxLook)
	defer cancel()
	var late []string // sources that the time was not enough for
	for _, source := range sources {
		if source.on != nil && !slices.Contains(source.on, s.System) {
			continue
		}
		if ctx.Err() == nil {
			source.look(ctx, s)
		}
		if ctx.Err() != nil {
			late = append(late, source.name)
		}
	}
	if len(late) > 0 {
		s.notLooked = append(s.notLooked, "the time was over: "+strings.Join(late, ", "))
	}
	return ctx.Err()
}

// complete fills in what a zero value stands for.
func (c Config) complete() (Config, error) {
	if c.Home == "" {
		return c, errors.New("look for persistence: no home folder was given")
	}
	if c.System == "" {
		c.System = runtime.GOOS
	}
	if c.UID <= 0 {
		c.UID = os.Getuid()
	}
	if c.Own == "" {
		if exe, err := os.Executable(); err == nil {
			if exe, err = filepath.EvalSymlinks(exe); err == nil {
				c.Own = filepath.Dir(exe)
			}
		}
	}
	if c.Run == nil {
		c.Run = runSystem
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// source is one place where things are made to start by themselves.
type source struct {
	name string
	on   []string // systems that have it; nil: all
	look func(context.Context, *scan)
}

var unixes = []string{"linux", "darwin", "freebsd", "openbsd", "netbsd"}

// sources are all of them. Processes come last: those that belong to an entry
// are told of there.
var sources = []source{
	{"systemd", []string{"linux"}, lookSystemd},
	{"autostart", []string{"linux", "freebsd"}, lookDesktop},
	{"cron", unixes, lookCron},
	{"at", unixes, lookAt},
	{"launchd", []string{"darwin"}, lookLaunchd},
	{"tasks", []string{"windows"}, lookTasks},
	{"run keys", []string{"windows"}, lookRunKeys},
	{"startup folder", []string{"windows"}, lookStartupFolder},
	{"shell", nil, lookShell},
	{"session", unixes, lookSession},
	{"ssh", nil, lookSSH},
	{"git", nil, lookGit},
	{"editors", nil, lookEditors},
	{"ai tools", nil, lookAITools},
	{"runners", nil, lookRunners},
	{"interpreters", nil, lookInterpreters},
	{"processes", nil, lookProcesses},
}

// scan is one look.
type scan struct {
	Config
	files     *files
	programs  map[string]*program // by resolved path, each read once
	entries   []*entry
	processes []*process
	folders   []string // projects, once they are known
	memories  *memories
	notLooked []string
}

// entry is one thing that starts by itself.
type entry struct {
	what    string
	path    string    // of its file, as on this machine; for processes, of the program
	part    string    // which part of the file
	text    string    // what a person should see of it: its command
	changed time.Time // when it last was; zero if the system does not tell

	inline   []string // code that stands in the entry itself
	runs     []string // files that it runs, as on this machine
	repeats  string   // how it makes itself run again and again; "" if only once
	starts   bool     // it starts by itself, as things are; else somebody must start it
	unit     []string // names of its systemd units, to know its processes by
	file     bool     // changed is that of the whole file, which has other contents
	extra    evidence // what its kind says besides
	tell     string   // why a person should know of it when it is young, whatever it does; ""
	live     []*process
	untold   string    // why nobody can tell which code the process runs, ""
	memories *memories // what the look has read processes with
	steps    []step    // what disabling it takes
	byHand   string    // why Disable cannot, ""
}

func (s *scan) add(e *entry) {
	e.memories = s.memories
	s.entries = append(s.entries, e)
}

// skip says what could not be looked at.
func (s *scan) skip(format string, args ...any) {
	line := clean(fmt.Sprintf(format, args...))
	switch {
	case slices.Contains(s.notLooked, line):
	case len(s.notLooked) < maxSkipped:
		s.notLooked = append(s.notLooked, line)
	case len(s.notLooked) == maxSkipped:
		s.notLooked = append(s.notLooked, "and more")
	}
}

// maxSkipped is how many things are listed that could not be looked at.
const maxSkipped = 50

// report judges everything that was found. The error says that the time was not
// enough.
func (s *scan) report(ctx context.Context) (Report, error) {
	r := Report{Traps: []Trap{}, Looked: len(s.entries), NotLooked: s.notLooked}
	var late error
	for i, e := range s.entries {
		if late = ctx.Err(); late != nil {
			r.NotLooked = append(r.NotLooked, fmt.Sprintf("the time was over: of %d entries and processes, %d", len(s.entries), len(s.entries)-i))
			break
		}
		v := s.judge(e)
		if v.weight == "" {
			continue
		}
		f := Trap{What: e.what, Path: clean(s.files.tilde(e.path)), Entry: command(e.part), Program: command(e.text), Why: v.why,
			Weight: v.weight, Live: len(e.live) > 0, PIDs: []int{}, Ruins: v.ruins, entry: e}
		for _, p := range e.live {
			f.PIDs = append(f.PIDs, p.pid)
		}
		if !e.changed.IsZero() {
			f.Changed = e.changed.UTC().Format(time.RFC3339)
		}
		sum := sha256.Sum256([]byte(strings.Join([]string{e.what, e.path, e.part, e.text}, "\x00")))
		f.ID = strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
		r.Traps = append(r.Traps, f)
	}
	rank := map[Weight]int{Blocks: 0, Note: 1}
	slices.SortStableFunc(r.Traps, func(a, b Trap) int {
		return cmp.Or(cmp.Compare(rank[a.Weight], rank[b.Weight]), cmp.Compare(a.Path, b.Path))
	})
	if r.NotLooked == nil {
		r.NotLooked = []string{}
	}
	return r, late
}

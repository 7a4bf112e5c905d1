// Package agent runs the watchers and carries their events to the detectors,
// the store and the API. It is the only owner of long-lived goroutines.
//
// It must not know what a detector looks for or how a watcher sees.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/api"
	"wormbell/agent/detect"
	"wormbell/agent/settings"
	"wormbell/internal/passwd"
	"wormbell/watchers"
)

// Config is what can be set.
type Config = settings.Config

// Options is what a running agent needs besides its settings.
type Options struct {
	Version string
	Log     *slog.Logger
	Heart   Heart  // how it shows its watchdog that it lives; zero without one
	Again   string // why its watchdog started it again, in a few words; "" if it did not
	Ready   func() // called once everything is armed and the API is served; nil if nobody asks
	Self    []int  // processes of the agent besides this one: its watchdog
	// Settings say where each setting of the Config is from, what is locked, and
	// what is wrong with the files; nil if there were none.
	Settings *settings.Settings
	Source   settings.Source // where they were looked for; the administrator's trust rows are beside them
}

// ErrCannot is wrapped by errors that starting again would not mend: wrong
// settings, another agent on the same state.
var ErrCannot = errors.New("cannot run")

// ErrAnew is returned when the agent is to be started again to guard a home that
// was not there when it started.
var ErrAnew = errors.New("there is a new home")

type agent struct {
	ctx     context.Context // ends with Run; a field because demonstrations begin while it runs
	config  Config
	set     *set
	options Options
	log     *slog.Logger
	started time.Time

	host    watchers.Host
	queue   *queue
	sensors *sensors
	engine  *detect.Engine
	trust   *detect.Trust
	guard   *protector
	store   *alert.Store
	feed    *feed
	took    *took
	pulse   *pulse
	budget  *budget
	past    *past
	decoys  *decoys
	folders *folders
	anew    *anew // nil before the store is open
	gaps    *gaps // the engine's goroutine
	demos   demos
	calls   chan func() // work for the engine's goroutine from elsewhere
	wait    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	events int
	lost   int // by the queue
	// switched says that protect is what somebody said since the agent started.
	switched bool
}

// Run guards the machine until ctx is done. It returns when every goroutine
// that it started has ended and what they found is stored.
func Run(ctx context.Context, c Config, o Options) error {
	if err := c.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	set := newSet(o, c)
	list, err := set.homes(c.Homes)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if err := defaults(&c); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if err := api.Free(c.Socket); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &agent{ctx: ctx, config: c, set: set, folders: set.folders, options: o, log: o.Log, started: time.Now(), queue: newQueue(queueLength),
		sensors: newSensors(o.Log), feed: newFeed(), calls: make(chan func())}
	a.pulse, a.budget, a.gaps = newPulse(o.Heart, o.Log), newBudget(o.Log), newGaps(o.Log)
	self := append([]int{os.Getpid()}, o.Self...)
	a.host = watchers.Host{Homes: list, Log: o.Log, Refuse: c.Refuse, Stores: c.Stores, Alive: a.pulse.alive, Rest: a.pulse.rest, Watch: o.Heart.Watch, Spare: a.budget.over, State: c.State,
		Lineage: watchers.NewLineage(watchers.LineageConfig{Log: o.Log, Homes: list, Refuse: c.Refuse, Self: self, State: filepath.Join(c.State, "enrolled-tools.json")})}
	defer a.host.Lineage.Close()
	a.decoys = newDecoys(c.State, list, o.Log)
	a.host.Decoys = a.decoys.told
	a.host.Trees = watchers.NewTrees()
	if a.host.Tree, err = a.newTree(list); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if a.store, err = alert.Open(alert.Config{Dir: c.State, Log: o.Log, Alive: a.host.Lineage.Alive}); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	defer a.store.Close()
	set.keep(o.Source.Kept, a.log)
	set.readTrust(o.Source, a.host.Lineage.Digest)
	found := (len(c.Homes) == 0 || set.found) && os.Geteuid() == 0
	if found {
		problems, notices := a.folders.leftOut(passwd.File, list)
		set.problems, set.notices = append(set.problems, problems...), append(set.notices, notices...)
	}
	set.tell(a.log)
	a.past = newPast(a.store, a.log, o.Again)
	defer a.past.end()
	a.trust = detect.NewTrust()
	a.trust.SetRows(append(set.rows, a.store.Trust()...))
	a.trust.SetUnchanged(a.host.Lineage.Unchanged)
	a.host.Lineage.Warm(a.trust.Rows())
	a.engine = detect.NewEngine(detect.All, a.trust)
	a.guard = newProtector(a.trust, a.host.Lineage, o.Self, o.Log)
	a.guard.on.Store(c.Protect)
	a.host.Protect = a.guard.watcher()

	// The engine outlives the watchers, so that what they saw last is stored.
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	var engine sync.WaitGroup
	engine.Go(func() { a.observe(engineCtx) })
	engine.Go(func() { a.store.Run(engineCtx) })
	before, _ := usage(o.Self) // of a watchdog that has started us anew, what the ones before us took
	a.took = newTook(a.store, a.log, a.measure, before)
	a.wait.Go(func() { a.took.run(ctx) })
	a.wait.Go(func() { a.pulse.run(ctx) })
	a.wait.Go(func() { a.budget.run(ctx, a.measure) })
	a.anew = newAnew(a.store, a.log)
	now := a.folders.machineHomes
	if !found {
		now = func() []watchers.Home {
			list, _ := a.folders.homes(c.Homes, func(string, error) {}) // what cannot be guarded was told
			return list
		}
	}
	anew := false                                     // for homes that were not there
	if (found || set.silent) && o.Heart.Beat != nil { // who has no watchdog is not started again
		a.wait.Go(func() {
			if anew = a.awaitHomes(ctx, now); anew {
				cancel()
			}
		})
	}
	a.trustHomes()
	a.wait.Go(func() { a.runTree(ctx, a.host.Tree) })
	for _, w := range watchers.All {
		out := a.sensors.add(w, a.queue, nil)
		a.wait.Go(func() { a.sensors.supervise(ctx, w, a.host, out) })
	}
	err = a.serve(ctx)
	cancel()
	a.wait.Wait()
	stopEngine()
	engine.Wait()
	if anew && err == nil {
		return ErrAnew
	}
	return err
}

// armTime is how long the API waits for the watchers. A watcher that is later
// has met something unusual; it goes on, and the status says so.
const armTime = 20 * time.Second

// serve opens the API once everything is armed, says so, and serves until ctx
// is done.
func (a *agent) serve(ctx context.Context) error {
	for _, name := range a.sensors.wait(ctx, armTime) {
		a.log.Error("watcher is not armed yet, serving without it", "watcher", name)
	}
	if ctx.Err() != nil {
		return nil
	}
	server, err := a.listen()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	a.log.Info("ready", "socket", a.config.Socket, "homes", len(a.host.Homes), "took", time.Since(a.started).Round(time.Millisecond))
	if a.options.Ready != nil {
		a.options.Ready()
	}
	debug.FreeOSMemory() // the first look at the machine leaves garbage that idling would never collect
	return server.Serve(ctx)
}

func (a *agent) count(e wormbell.Event) {
	if e.Kind == wormbell.Gap {
		a.gaps.note(&e, time.Now())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Kind != wormbell.Gap {
		a.events++
	} else if e.Source == "queue" {
		a.lost += e.Count
	}
}

// record stores f and returns the ID of its alert, "" for what is evidence of a
// finding that was stored before. The store keeps it in memory when the disk
// fails, so an error is told and nothing more.
func (a *agent) record(f wormbell.Finding) string {
	if f.Again {
		if err := a.store.Extend(f); err != nil {
			a.log.Error("store evidence", "err", err)
		}
		return ""
	}
	d := detect.ByID(f.Detector)
	if root, whole := detect.Followed(f); d.Follow && root != nil {
		a.host.Trees.Look(root.ID(), whole)
	}
	title, advice := d.Tells(f)
	got, err := a.store.Record(f, alert.Meta{Title: title, Advice: advice, Severity: d.Severity})
	if err != nil {
		a.log.Error("store alert", "err", err)
	}
	level := slog.LevelWarn
	if f.Severity <= wormbell.Low {
		level = slog.LevelInfo
	}
	a.sensors.alerted(got.ID, f.Evidence)
	// A fleet forwards this line (docs/fleet.md): its names stay.
	a.log.Log(a.ctx, level, "finding", "alert", got.ID, "severity", got.Severity.String(), "detector", f.Detector, "summary", f.Summary,
		"subject", f.Subject, "user", got.User, "state", string(got.State), "count", got.Count, "demo", got.Demo)
	return got.ID
}

// stopped notes on the alerts of e's findings what was stopped before the read e
// was refused.
func (a *agent) stopped(e wormbell.Event, alerts []string) {
	act, ok := a.guard.action(e)
	if !ok {
		return
	}
	slices.Sort(alerts)
	for _, id := range slices.Compact(alerts) {
		if _, err := a.store.AddAction(id, act); err != nil {
			a.log.Error("store action", "alert", id, "err", err)
		}
	}
}

func (a *agent) newTree(list []watchers.Home) (*watchers.Tree, error) {
	return watchers.NewTree(watchers.TreeConfig{Homes: list, Who: a.host.Lineage.At, Lineage: a.host.Lineage, Refuse: a.config.Refuse, Log: a.log})
}

// runTree runs the file-tree feed, again and again if it fails.
func (a *agent) runTree(ctx context.Context, t *watchers.Tree) {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		err := t.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		a.log.Error("file-tree feed failed, starting it again", "err", err, "after", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
	}
}

// defaults fills in where the agent keeps its state and its socket.
func defaults(c *Config) error {
	root := os.Geteuid() == 0
	if c.State == "" {
		c.State = "/var/lib/wormbell"
		if !root {
			dir := os.Getenv("XDG_STATE_HOME")
			if dir == "" {
				home, err := os.UserHomeDir()
				if err != nil {
					return fmt.Errorf("find the state folder: %w", err)
				}
				dir = filepath.Join(home, ".local", "state")
			}
			c.State = filepath.Join(dir, "wormbell")
		}
	}
	if c.Socket == "" {
		c.Socket = wormbell.SystemSocket
		if !root {
			c.Socket = wormbell.UserSocket(os.Getenv("XDG_RUNTIME_DIR"), strconv.Itoa(os.Geteuid()))
		}
	}
	return nil
}

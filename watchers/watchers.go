// Package watchers sees what happens on the machine and tells it as events.
//
// A [Watcher] is portable: it decides what is worth telling. The operating
// systems' mechanisms are thin files under internal, chosen best first; each
// event is stamped with the backend that saw it. A watcher knows nothing of
// detectors, alerts or the API.
package watchers

import (
	"context"
	"log/slog"
	"time"

	"wormbell"
)

// Watcher describes one thing to watch.
type Watcher struct {
	Name  string          // as shown in `wormbell status`
	Kinds []wormbell.Kind // what it can emit, besides gap
	// Run watches until ctx is done, then returns nil. It owns every goroutine
	// it starts and returns only when all have ended. On error the agent
	// restarts it, later each time.
	Run func(ctx context.Context, host Host, out Out) error
}

// All lists every watcher, sorted by name.
var All = []Watcher{
	autostartWatcher,
	connectionsWatcher,
	credentialsWatcher,
	manifestsWatcher,
	nodeModulesWatcher,
	processesWatcher,
	shellHistoryWatcher,
}

// Host is what the watchers share about the machine they are on.
type Host struct {
	Homes   []Home       // the guarded homes; never empty
	Lineage *Lineage     // who is who among the processes; shared, filled by the processes watcher
	Tree    *Tree        // what happens to files below the homes; shared, run by the agent
	Log     *slog.Logger // for what a person debugging should know; never a path's content
	// Refuse names backends that a watcher must not use ("fanotify",
	// "ebpf", "procconn"), as if the system had refused them. From the configuration:
	// for people who must avoid one, and for proving the fallbacks.
	Refuse []string
	// State is a folder of the agent's own in which a watcher may keep what it has
	// to know when the agent runs again; "" for none.
	State string
	// Decoys are those that lie in the homes; nil for none.
	Decoys *Decoys
	// Trees are those whose connections are looked at; nil for none.
	Trees *Trees
	// Stores says which stores are guarded other than by default, see stores.Store.On.
	Stores []string
	// Alive is called by the path that answers openers each time it has gone
	// round, at least every 400 ms while it is healthy. It must not block. Only
	// the credentials watcher calls it, and only when it holds permission marks;
	// the watchdog ends the agent when it falls silent.
	Alive func()
	// Rest is called instead when nobody waits and nobody has for a moment. From
	// then on it is enough to call it every five seconds, and Alive again before an
	// opener is taken: the watchdog sees by Watch that one waits. nil: never.
	Rest func()
	// Watch has the watchdog see who queues at a descriptor, and reports whether it
	// will. nil: it does not, and Rest is not called.
	Watch func(fd int) bool
	// Protect decides about readers of guarded files while they wait; nil if none
	// is ever turned away. Only the credentials watcher asks it, and only when it
	// holds permission marks.
	Protect *Protect
	// Spare reports whether the agent takes more than it should, so that what
	// finds nothing on a good day is to be done more rarely: looking at everything
	// again in case an event was missed. What is reported is never thinned. nil:
	// never.
	Spare func() bool
}

// Protect is how a reader is turned away: it is judged, what it belongs to is
// stopped, and only then it is refused the file, so that none of that learns of
// the refusal. Its functions are called by several goroutines at once.
type Protect struct {
	// Judge reports whether the read e is to be refused. The reader waits for it,
	// and goes on after 100 ms whatever it is doing then.
	Judge func(e wormbell.Event) bool
	// Stop stops what the reader of e belongs to, which waits for at most limit. It
	// reports whether nothing of that can run another instruction.
	Stop func(ctx context.Context, e wormbell.Event, limit time.Duration) bool
	// Done is called when the reader has its answer, which e.Protect says. What it
	// returns is told instead of e. For what is [wormbell.Late] it must not wait.
	Done func(ctx context.Context, e wormbell.Event) wormbell.Event
}

// spareFactor is how many times more rarely such work is done then.
const spareFactor = 10

// leaves reports whether optional work that has come due is left out this time,
// as nine of ten times are for as long as the agent is to spare. It is asked each
// time, so that the work is done in time again once that ends. turn is the work's
// own, at first 0.
func (h *Host) leaves(turn *int) bool {
	if h.Spare == nil || !h.Spare() {
		*turn = 0
		return false
	}
	*turn++
	return *turn%spareFactor != 0
}

// Home is one guarded home directory.
type Home struct {
	Dir  string // absolute, symlinks resolved
	User string // uid or SID of its owner
	UID  int    // -1 where the system has no uids
}

// Out is where a watcher writes. Its methods never block and are safe to call
// from several goroutines.
type Out interface {
	// Emit hands over one event.
	Emit(wormbell.Event)
	// Sees says that the watcher is armed: through which backend it looks from
	// now on, and whether that backend knows who did it. why says, in a few
	// words, what this costs when it is not the best one; "" when it is. It is
	// called once everything is armed and again whenever that changes.
	Sees(backend string, who bool, why string)
	// Guards replaces the list of guarded files and those that cannot be
	// guarded. Only the credentials watcher calls it.
	Guards([]wormbell.Guarded)
}

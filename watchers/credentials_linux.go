package watchers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/stores"
)

// runCredentials watches by fanotify's permission events, which hold a reader
// until it is known, or by inotify where those are refused.
func runCredentials(ctx context.Context, host Host, out Out) error {
	return newCredentials(host, out).run(ctx)
}

// credentials is one run of the watcher.
type credentials struct {
	host  Host
	ctx   context.Context // ends with the run; a field because openers are handed to goroutines without one
	out   Out
	log   *slog.Logger
	table []stores.Store
	who   func(pid int) *wormbell.Process // host.Lineage.Reading
	book  *guardBook
	flood flood
	// search finds more files to guard; nil if there is nothing to search for.
	search *search
}

func newCredentials(host Host, out Out) *credentials {
	if host.Alive == nil {
		host.Alive = func() {}
	}
	log := host.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &credentials{
		host:  host,
		out:   out,
		log:   log.With("watcher", "credentials"),
		table: stores.All,
		who:   host.Lineage.Reading,
		book:  newGuardBook(),
	}
}

func (c *credentials) run(ctx context.Context) error {
	if s := newSearch(&c.host, c.table); s != nil {
		c.search = s
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { s.run(ctx) }) // beside the keeper, which opens nothing that is not asked for
		defer wg.Wait()
		defer cancel()
	}
	if !slices.Contains(c.host.Refuse, "fanotify") {
		err := c.runPerm(ctx)
		if !errors.Is(err, errRefused) {
			return err
		}
		c.log.Warn("permission events refused", "err", err)
	}
	return c.runInotify(ctx)
}

// tend keeps every guarded file armed through back, while beside runs. It
// returns when one of them ends or ctx is done, with the error of beside first.
func (c *credentials) tend(ctx context.Context, k *keeper, ready func(), beside func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var besideErr error
	wg.Go(func() {
		defer cancel()
		besideErr = beside(ctx)
	})
	err := k.run(ctx, ready)
	cancel()
	wg.Wait()
	if besideErr != nil {
		return besideErr
	}
	return err
}

// gap tells that n events were lost, 0 if the number is not known.
func (c *credentials) gap(source string, n int, what string) {
	c.out.Emit(wormbell.Event{Time: time.Now().UTC(), Kind: wormbell.Gap, Source: source, Line: what, Count: n})
}

// read tells of one read. p may be nil.
func (c *credentials) read(source string, at time.Time, f guardedFile, p *wormbell.Process) {
	c.out.Emit(wormbell.Event{Time: at.UTC(), Kind: wormbell.FileRead, Source: source, User: f.home.User, Process: p, Path: f.path, Decoy: f.decoy})
}

// read makes the event of one read by p, which may be nil.
func (f *guardedFile) read(source string, at time.Time, p *wormbell.Process) wormbell.Event {
	return wormbell.Event{Time: at.UTC(), Kind: wormbell.FileRead, Source: source, User: f.home.User, Process: p, Path: f.path, Decoy: f.decoy}
}

// tell emits a read by process pid, unless it is part of a flood.
func (c *credentials) tell(k *keeper, pid int, e wormbell.Event) {
	told, first := c.flood.pass(pid, e)
	if told {
		c.out.Emit(e)
	} else if first {
		k.wake.Wake() // to tell how many when the second is over
	}
}

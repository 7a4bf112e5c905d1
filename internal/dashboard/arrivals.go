package dashboard

import (
	"context"
	"slices"
	"sync"
	"time"

	"wormbell"
)

// added remembers packages that appeared while somebody looked at that page, in
// whatever number of tabs. It is safe for concurrent use.
type added struct {
	mu      sync.Mutex         // guards what follows
	list    []arrival          // newest first
	since   time.Time          // of when the list is; zero: nobody has looked
	lookers int                // pages that are open
	wake    chan struct{}      // closed when the first page is opened; nil: nobody waits for that
	end     context.CancelFunc // ends what is under way when the last page is closed; may be nil
}

// arrival is a package that appeared.
type arrival struct {
	Time    time.Time
	Package wormbell.Package
	Path    string
	By      string
}

const (
	maxArrivals = 200
	gatherTime  = 500 * time.Millisecond // an install adds hundreds at once
)

// look says that a page is open, until the function that it returns is called.
func (a *added) look() (done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lookers++; a.lookers == 1 && a.wake != nil {
		close(a.wake)
		a.wake = nil
	}
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.lookers--; a.lookers == 0 && a.end != nil {
			a.end()
		}
	})
}

// begin waits until a page is open, and returns a context for as long as one is.
func (a *added) begin(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	for {
		a.mu.Lock()
		if a.lookers > 0 || ctx.Err() != nil {
			ctx, end := context.WithCancel(ctx)
			a.end = end
			if len(a.list) == 0 {
				a.since = now
			}
			a.mu.Unlock()
			return ctx, end
		}
		if a.wake == nil {
			a.wake = make(chan struct{})
		}
		wake := a.wake
		a.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-wake:
		}
	}
}

func (a *added) add(x arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append([]arrival{x}, a.list[:min(len(a.list), maxArrivals-1)]...)
}

func (a *added) get() ([]arrival, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list), a.since
}

// arrivals notes package.add events until ctx is done, while a page shows them.
// There is one such stream, however many pages there are, and a new one when
// the agent was started again.
func (s *Server) arrivals(ctx context.Context) {
	for ctx.Err() == nil {
		within, end := s.seen.begin(ctx, s.c.Now())
		err := s.noteArrivals(within)
		over := within.Err() != nil
		end()
		if over {
			continue
		}
		s.c.Log.Debug("events ended", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryTime):
		}
	}
}

func (s *Server) noteArrivals(ctx context.Context) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	var tell *time.Timer
	defer func() {
		if tell != nil {
			tell.Stop()
		}
	}()
	return a.Events(ctx, func(e wormbell.Event) error {
		if e.Kind != wormbell.PackageAdd || e.Package == nil {
			return nil
		}
		s.seen.add(arrival{e.Time, *e.Package, e.Path, e.Process.String()})
		if tell == nil {
			tell = time.AfterFunc(gatherTime, func() { s.hub.tell(topicPackages) })
		} else {
			tell.Reset(gatherTime)
		}
		return nil
	})
}

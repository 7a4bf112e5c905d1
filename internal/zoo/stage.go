package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/scratch"
)

const (
	// playing is how long a worm may take.
	playing = 3 * time.Minute
	// grace is how long an alert may take after the worm's last step.
	grace = 5 * time.Second
)

// result is what came of one worm.
type result struct {
	worm      *Worm
	rang      []string      // the detectors that rang, sorted
	grave     bool          // one of them at high or above
	connected bool          // an alert says where it has connected to
	patient   []string      // the detectors that would have rung had it taken three days, sorted
	first     time.Duration // from the first step to the first finding of high or above
	err       error         // it could not be played
}

// caught reports whether all rang that should, leaving out some detectors.
func (r *result) caught(without func(id string) bool) bool { return r.has(r.rang, without) }

func (r *result) has(rang []string, without func(id string) bool) bool {
	for _, any := range r.worm.Want {
		if !slices.ContainsFunc(any, func(id string) bool { return slices.Contains(rang, id) && !without(id) }) {
			return false
		}
	}
	return true
}

func none(string) bool { return false }

// stage is where one worm is played.
type stage struct {
	stagePlaces
	*scratch.Machine
	spec string // what a package manager is told to install
}

// play plays a worm before an agent of its own.
func play(ctx context.Context, w *Worm, o options) (r result) {
	r.worm = w
	if r.err = w.check(); r.err != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, playing)
	defer cancel()
	m, err := scratch.New("zoo", "npm_config_nodedir=$DIR/node")
	defer func() {
		if err := m.Close(); r.err == nil {
			r.err = err
		}
	}()
	if err == nil {
		s := &stage{Machine: m}
		s.clients = o.clients
		if err = s.set(w); err == nil {
			err = s.play(ctx, w, o.bin, &r)
		}
	}
	r.err = err
	return r
}

// play has a person at a terminal do what starts the worm, and waits for what
// the agent says.
func (s *stage) play(ctx context.Context, w *Worm, bin string, r *result) error {
	if err := s.Shell(); err != nil {
		return err
	}
	if err := s.Guard(ctx, bin); err != nil {
		return err
	}
	seen, stop := s.record(ctx)
	defer stop()
	// The events come by a connection of their own, which must be there before the
	// worm's first act.
	for end := time.Now().Add(grace); len(seen()) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("no event was told of a command")
		}
		if err := s.Type("/bin/true"); err != nil {
			return err
		}
	}
	if err := s.Type(s.command(w)); err != nil {
		return err
	}
	if err := s.listen(ctx, r); err != nil {
		return err
	}
	// They may come after the alert.
	for end := time.Now().Add(grace); ; time.Sleep(50 * time.Millisecond) {
		if r.patient = patient(seen(), s.Home); r.has(r.patient, none) || time.Now().After(end) {
			return nil
		}
	}
}

// record gathers what the agent sees until stop is called, and returns what it
// has got so far.
func (s *stage) record(ctx context.Context) (seen func() []wormbell.Event, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var events []wormbell.Event
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends with an error when it is told to end, and what is missing shows.
		s.Events(ctx, func(e wormbell.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		})
	}()
	return func() []wormbell.Event {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(events)
	}, func() { cancel(); <-done }
}

// listen gathers what rings until all has rung that should, or some time after
// the worm's end.
func (s *stage) listen(ctx context.Context, r *result) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ended := (time.Time{}); ; {
		alerts, err := s.Alerts(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && r.caught(none) {
			return nil // it is still at it, and was caught
		}
		if err != nil {
			return fmt.Errorf("%d of %d scripts began, %d ended: %w", s.made("begun-"), s.scripts, s.made("done-"), err)
		}
		s.take(alerts, r)
		over := s.made("done-") == s.scripts
		if over && ended.IsZero() {
			ended = time.Now()
		}
		if over && (r.caught(none) || time.Since(ended) > grace) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) && r.caught(none) {
				return nil
			}
			return fmt.Errorf("%d of %d scripts began, %d ended: %w", s.made("begun-"), s.scripts, s.made("done-"), ctx.Err())
		}
	}
}

// made counts what the scripts say.
func (s *stage) made(prefix string) int {
	list, _ := filepath.Glob(filepath.Join(s.control, prefix+"*")) // the pattern is fine
	return len(list)
}

// take notes what rang.
func (s *stage) take(alerts []wormbell.Alert, r *result) {
	for _, a := range alerts {
		for _, f := range a.Findings {
			r.connected = r.connected || slices.ContainsFunc(f.Evidence, func(e wormbell.Event) bool { return e.Kind == wormbell.ConnectionSeen })
			if !slices.Contains(r.rang, f.Detector) {
				r.rang = append(r.rang, f.Detector)
				slices.Sort(r.rang)
			}
		}
		if a.Severity < wormbell.High || r.grave {
			continue
		}
		r.grave = true
		if st, err := os.Stat(filepath.Join(s.control, "begun-0")); err == nil {
			r.first = time.Since(st.ModTime())
		}
	}
}

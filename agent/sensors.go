package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/watchers"
)

// sensors keeps what is known of the watchers: how each one sees, what it
// lost, how often it had to be started again.
type sensors struct {
	log *slog.Logger

	mu      sync.Mutex // guards what follows; nothing slow is called under it
	byName  map[string]*wormbell.Sensor
	kinds   map[string][]wormbell.Kind
	armed   map[string]chan struct{} // closed when the watcher has first said what it sees
	guarded []wormbell.Guarded
	readers map[guardedFile][]reader // newest first
}

// guardedFile is one file of one user.
type guardedFile struct{ user, path string }

// maxReaders is how many programs are remembered of each guarded file.
const maxReaders = 5

// reader is who opened a guarded file, and what tells one program from another.
type reader struct {
	wormbell.Reader
	exe, script string
	root        wormbell.ProcessID // of its tree: what a detector has said of that it does not say again
}

func newSensors(log *slog.Logger) *sensors {
	return &sensors{log: log, byName: map[string]*wormbell.Sensor{}, kinds: map[string][]wormbell.Kind{}, armed: map[string]chan struct{}{},
		readers: map[guardedFile][]reader{}}
}

// out is the watcher's end: an implementation of [watchers.Out].
type out struct {
	all  *sensors
	name string
	q    *queue
	demo *demo // whose scratch home it watches; nil for the real thing
}

// add enters a watcher and returns where it writes.
func (s *sensors) add(w watchers.Watcher, q *queue, d *demo) *out {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == nil {
		s.byName[w.Name] = &wormbell.Sensor{Name: w.Name}
		s.kinds[w.Name] = w.Kinds
		s.armed[w.Name] = make(chan struct{})
	}
	return &out{s, w.Name, q, d}
}

// Emit implements [watchers.Out].
func (o *out) Emit(e wormbell.Event) {
	if o.demo != nil {
		e.Demo = true
	}
	o.all.mu.Lock()
	if s := o.all.byName[o.name]; s != nil {
		if e.Kind == wormbell.Gap {
			s.Lost += e.Count
		} else {
			s.Events++
		}
	}
	o.all.mu.Unlock()
	o.q.put(e)
}

// Sees implements [watchers.Out].
func (o *out) Sees(backend string, who bool, why string) {
	if o.demo != nil {
		o.demo.arm(o.name)
		return
	}
	o.all.mu.Lock()
	s := o.all.byName[o.name]
	changed := s.Backend != backend || s.Who != who || s.Why != why
	s.Backend, s.Who, s.Why = backend, who, why
	select {
	case <-o.all.armed[o.name]:
	default:
		close(o.all.armed[o.name])
	}
	o.all.mu.Unlock()
	switch {
	case changed && why != "":
		o.all.log.Warn("watcher sees less than it could", "watcher", o.name, "backend", backend, "who", who, "why", why)
	case changed:
		o.all.log.Info("watcher is armed", "watcher", o.name, "backend", backend, "who", who)
	}
}

// Guards implements [watchers.Out].
func (o *out) Guards(list []wormbell.Guarded) {
	if o.demo != nil {
		return
	}
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	// What is known of the last reader outlives a new list.
	for i := range list {
		if old := o.all.find(list[i].User, list[i].Path); old != nil {
			list[i].LastRead, list[i].LastBy = old.LastRead, old.LastBy
		}
	}
	o.all.guarded = slices.Clone(list)
	maps.DeleteFunc(o.all.readers, func(f guardedFile, _ []reader) bool { return o.all.find(f.user, f.path) == nil })
}

// find returns the entry of a guarded file; s.mu is held.
func (s *sensors) find(user, path string) *wormbell.Guarded {
	for i := range s.guarded {
		if s.guarded[i].Path == path && s.guarded[i].User == user {
			return &s.guarded[i]
		}
	}
	return nil
}

// read notes who read a guarded file.
func (s *sensors) read(e wormbell.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.find(e.User, e.Path)
	if g == nil || e.Demo { // a demonstration has files of its own by the same names
		return
	}
	at := e.Time
	g.LastRead, g.LastBy = &at, e.Process.String()
	now, f := readerOf(e), guardedFile{e.User, e.Path}
	list := slices.DeleteFunc(slices.Clone(s.readers[f]), func(old reader) bool {
		same := old.exe == now.exe && old.script == now.script
		if same && old.root == now.root {
			now.Alert = old.Alert // a detector does not say twice what it said of this tree
		}
		return same
	})
	s.readers[f] = slices.Insert(list, 0, now)[:min(len(list)+1, maxReaders)]
}

func readerOf(e wormbell.Event) reader {
	r := reader{Reader: wormbell.Reader{Time: e.Time, By: e.Process.String()}}
	if e.Process != nil {
		r.exe, r.script, r.root = e.Process.Exe, e.Process.Script, ancestry.Root(e.Process).ID()
	}
	return r
}

// alerted notes which alert the readings among a finding's evidence belong to.
func (s *sensors) alerted(id string, evidence []wormbell.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range evidence {
		if e.Kind != wormbell.FileRead || e.Demo {
			continue
		}
		is := readerOf(e)
		for i, r := range s.readers[guardedFile{e.User, e.Path}] {
			if r.exe == is.exe && r.script == is.script && r.root == is.root {
				s.readers[guardedFile{e.User, e.Path}][i].Alert = id
			}
		}
	}
}

// credentials returns the guarded files of every user.
func (s *sensors) credentials() []wormbell.Guarded {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.guarded)
	for i, g := range out {
		for _, r := range s.readers[guardedFile{g.User, g.Path}] {
			out[i].Readers = append(out[i].Readers, r.Reader)
		}
	}
	return out
}

// status returns the watchers, sorted by name, and the number of lost events.
func (s *sensors) status() (list []wormbell.Sensor, events, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list = []wormbell.Sensor{}
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		list = append(list, *s.byName[name])
		events += s.byName[name].Events
		lost += s.byName[name].Lost
	}
	return list, events, lost
}

// backend is how a watcher sees now, "" while it is down.
func (s *sensors) backend(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sensor := s.byName[name]; sensor != nil {
		return sensor.Backend
	}
	return ""
}

// sees returns the kinds of events that arrive, and of each whether it is
// known which process did it.
func (s *sensors) sees() map[wormbell.Kind]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	kinds := map[wormbell.Kind]bool{wormbell.AgentCall: true} // the agent's own, whatever the sensors do
	for name, sensor := range s.byName {
		if sensor.Backend == "" {
			continue
		}
		for _, k := range s.kinds[name] {
			kinds[k] = kinds[k] || sensor.Who
		}
	}
	return kinds
}

// wait returns once every watcher is armed, or with the names of those that
// are not after the time given.
func (s *sensors) wait(ctx context.Context, within time.Duration) (late []string) {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.armed))
	s.mu.Unlock()
	expired := false
	for _, name := range names {
		select {
		case <-s.armed[name]:
			continue
		default:
		}
		if !expired {
			select {
			case <-s.armed[name]:
				continue
			case <-timeout.C:
				expired = true
			case <-ctx.Done():
				return nil
			}
		}
		late = append(late, name)
	}
	return late
}

// Delays between two starts of a watcher that fails: doubling, from the first
// to the last. One that ran for longer than lastDelay starts afresh.
const (
	firstDelay = time.Second
	lastDelay  = time.Minute
)

// supervise runs w until ctx is done, again and again, later each time.
func (s *sensors) supervise(ctx context.Context, w watchers.Watcher, host watchers.Host, o *out) {
	delay := firstDelay
	for {
		began := time.Now()
		err := runWatcher(ctx, w, host, o)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("returned early")
		}
		if time.Since(began) > lastDelay {
			delay = firstDelay
		}
		s.log.Error("watcher failed, starting it again", "watcher", w.Name, "err", err, "after", delay)
		// Nobody knows what was missed meanwhile.
		o.Emit(wormbell.Event{Time: time.Now().UTC(), Kind: wormbell.Gap, Source: w.Name, Line: "the watcher failed and was started again"})
		s.failed(w.Name, fmt.Sprintf("failed: %v", err))
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
		delay = min(2*delay, lastDelay)
	}
}

func (s *sensors) failed(name, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sensor := s.byName[name]; sensor != nil {
		sensor.Backend, sensor.Who, sensor.Why = "", false, why
		sensor.Restarts++
	}
}

// runWatcher turns a panic into an error, so that one watcher's bug does not
// blind the others.
func runWatcher(ctx context.Context, w watchers.Watcher, host watchers.Host, o *out) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return w.Run(ctx, host, o)
}

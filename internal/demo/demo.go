// Package demo replays npm worms on this machine, harmlessly, so that a person
// hears the bell before they need it.
//
// Everything happens in a scratch home with decoy tokens, against a registry
// on loopback inside this program, with the real npm and the real agent. It
// must not touch anything of the user's, reach any other host, or leave a
// process or a file behind; it is bounded in time.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// Agent is what a demonstration needs of a running agent.
type Agent interface {
	// Demo asks it to guard home for a while; it returns once that is so.
	Demo(ctx context.Context, home string, within time.Duration) error
	// Status is what it says of itself.
	Status(ctx context.Context) (wormbell.Status, error)
	// Follow calls each for the open alerts and then for every change, until
	// ctx is done or the agent goes away.
	Follow(ctx context.Context, each func(wormbell.Alert)) error
}

// Options is what a person may choose, and what the caller lends.
type Options struct {
	Names  []string // replays to run; none means all
	Fast   bool     // shorter waits between the worm's steps
	Keep   bool     // leave the scratch folder behind and say where it is
	Socket string   // of the agent that runs already
	Daemon string   // wormbelld to start if none runs; "" looks beside this program and in PATH

	Out  io.Writer                          // for a person
	Dial func(socket string) (Agent, error) // opens a connection to an agent; it need not be there
	// Show draws an alert; passing says that it will be gone with its agent, so
	// that there is nothing to do about it.
	Show func(w io.Writer, alert wormbell.Alert, passing bool)
	// Replay shows what the detectors say of a scene, in this process. It is
	// for machines without node, where nothing can be acted out.
	Replay func(w io.Writer, scene []byte) error

	each time.Duration // bounds one replay; 0: as below
}

// Bounds of a demonstration. Each replay takes some 30 s, and fast ones 5 s,
// nearly all of which is waiting for npm: a slow machine may take many times
// that.
const (
	within = 3 * time.Minute // of one replay

	// Lasts is how long anything of a demonstration may run.
	Lasts      = 12 * time.Minute
	withinFast = 90 * time.Second
	// grace is how long an alert may take after the replay's last step. The
	// sensors of an agent that is not root poll, every second or two.
	grace = 5 * time.Second
	// ending is what is kept of the time for clearing up.
	ending = 3 * time.Second
)

// ErrMissed says that an alert that was expected did not ring. What and why
// has been printed.
var ErrMissed = errors.New("not every alert rang")

// Run gives the demonstration. It returns ErrMissed when it ran but an
// expected alert did not ring.
func Run(ctx context.Context, o Options) (err error) {
	chosen, err := choose(o.Names)
	if err != nil {
		return err
	}
	each := cmp.Or(o.each, within)
	if o.Fast {
		each = cmp.Or(o.each, withinFast)
	}
	ctx, cancel := context.WithTimeout(ctx, guardFor-ending)
	defer cancel()

	s, err := newStage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if !s.tools.node() {
		return s.imagine(chosen)
	}
	for _, r := range chosen {
		if err := r.seed(s); err != nil {
			return fmt.Errorf("set up %s: %w", r.name, err)
		}
	}
	agent, status, err := s.guard(ctx)
	if err != nil {
		return err
	}
	heard := newHearing(s, agent)
	defer heard.stop()

	s.say("")
	for i, r := range chosen {
		s.say("%d/%d  %s: %s", i+1, len(chosen), r.name, r.story)
		heard.begin(r)
		one, cancel := context.WithTimeout(ctx, each)
		err := r.run(one, s)
		if err != nil && one.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("it took longer than %v and was ended", each)
		}
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("the demonstration was stopped: %w", context.Cause(ctx))
			}
			s.say("  the replay did not get through: %v", err)
			s.troubles = append(s.troubles, fmt.Sprintf("%s: %v", r.name, err))
		}
		heard.await(ctx, grace)
		heard.picture(o)
		s.say("")
	}
	return heard.summary(ctx, agent, status)
}

// Names lists the replays there are, sorted.
func Names() []string {
	var names []string
	for _, r := range replays {
		names = append(names, r.name)
	}
	return names
}

func choose(names []string) ([]replay, error) {
	if len(names) == 0 {
		return replays, nil
	}
	var chosen []replay
	for _, n := range names {
		i := slices.IndexFunc(replays, func(r replay) bool { return r.name == n })
		if i < 0 {
			return nil, fmt.Errorf("no demonstration is called %q; there are %s", n, strings.Join(Names(), ", "))
		}
		chosen = append(chosen, replays[i])
	}
	return chosen, nil
}

// hearing listens to an agent and knows which expected alert rang when.
type hearing struct {
	stage  *stage
	cancel context.CancelFunc
	ended  chan struct{} // closed when the listener has ended

	mu     sync.Mutex // guards all below
	turns  []*turn    // one per replay begun
	lost   error      // why the stream of alerts broke, if it did
	change chan struct{}
}

// turn is one replay: what was expected of it and what rang.
type turn struct {
	replay replay
	began  time.Time
	expect []string // IDs of detectors
	rang   []ring
	alerts []wormbell.Alert // latest state of each, in order of arrival
}

// ring is one finding, as it was first heard.
type ring struct {
	alert    string
	detector string
	subject  string
	after    time.Duration // since the replay began
	delay    time.Duration // since the event that led to it
}

func newHearing(s *stage, agent Agent) *hearing {
	// The listener outlives the deadline of the replays, so that what came in
	// time is still told; stop ends it.
	ctx, cancel := context.WithCancel(context.Background())
	h := &hearing{stage: s, cancel: cancel, ended: make(chan struct{}), change: make(chan struct{}, 1)}
	go func() { // hears alerts until stop
		defer close(h.ended)
		if err := agent.Follow(ctx, h.hear); err != nil && ctx.Err() == nil {
			h.mu.Lock()
			h.lost = err
			h.mu.Unlock()
			h.wake()
		}
	}()
	return h
}

func (h *hearing) stop() {
	h.cancel()
	<-h.ended
}

func (h *hearing) begin(r replay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns = append(h.turns, &turn{replay: r, began: time.Now(), expect: r.expect(h.stage.tools)})
}

// hear takes in one state of one alert.
func (h *hearing) hear(a wormbell.Alert) {
	now := time.Now()
	if !a.Demo && !h.stage.ownAgent {
		return // the machine's own alerts are none of ours
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.turns) == 0 {
		return
	}
	t := h.turns[len(h.turns)-1]
	if a.Last.Before(t.began) {
		return // of the replay before
	}
	for _, f := range a.Findings {
		if len(f.Evidence) == 0 || t.has(a.ID, f) {
			continue
		}
		last := f.Evidence[len(f.Evidence)-1].Time
		if last.Before(t.began) {
			continue
		}
		r := ring{a.ID, f.Detector, f.Subject, now.Sub(t.began), max(0, now.Sub(last))}
		t.rang = append(t.rang, r)
		h.stage.say("  rings     %-8s  %-26s %s, %s after the act", f.Severity, f.Detector, h.stage.text(f.Subject), round(r.delay))
	}
	if i := slices.IndexFunc(t.alerts, func(b wormbell.Alert) bool { return b.ID == a.ID }); i >= 0 {
		t.alerts[i] = a
	} else {
		t.alerts = append(t.alerts, a)
	}
	h.wake()
}

func (h *hearing) wake() {
	select {
	case h.change <- struct{}{}:
	default: // it is awake already
	}
}

func (t *turn) has(alert string, f wormbell.Finding) bool {
	return slices.ContainsFunc(t.rang, func(r ring) bool {
		return r.alert == alert && r.detector == f.Detector && r.subject == f.Subject
	})
}

// missing are the expected detectors that have not rung.
func (t *turn) missing() (ids []string) {
	for _, id := range t.expect {
		if !slices.ContainsFunc(t.rang, func(r ring) bool { return r.detector == id }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// await waits until everything expected of the current replay rang, at most for long.
func (h *hearing) await(ctx context.Context, long time.Duration) {
	end := time.NewTimer(long)
	defer end.Stop()
	for {
		h.mu.Lock()
		done := len(h.turns[len(h.turns)-1].missing()) == 0 || h.lost != nil
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-h.change:
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// picture draws the alerts of the current replay as they stand.
func (h *hearing) picture(o Options) {
	h.mu.Lock()
	alerts := slices.Clone(h.turns[len(h.turns)-1].alerts)
	h.mu.Unlock()
	for _, a := range alerts {
		h.stage.say("")
		h.stage.show(o, a)
	}
}

// summary says what was expected and what rang, and why not.
func (h *hearing) summary(ctx context.Context, agent Agent, status wormbell.Status) error {
	if now, err := agent.Status(ctx); err == nil {
		status = now
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stage
	s.say("Summary")
	missed := map[string]bool{}
	for _, t := range h.turns {
		for _, id := range t.expect {
			i := slices.IndexFunc(t.rang, func(r ring) bool { return r.detector == id })
			if i < 0 {
				missed[id] = true
				s.say("  missed  %-18s %s", t.replay.name, id)
				continue
			}
			r := t.rang[i]
			s.say("  rang    %-18s %-26s %7s into the replay, %s after the act", t.replay.name, id, round(r.after), round(r.delay))
		}
	}
	for _, t := range s.troubles {
		s.say("  note    %s", s.text(t))
	}
	if len(missed) == 0 && len(s.troubles) == 0 {
		s.say("Every alert that was expected rang.")
		return nil
	}
	for _, why := range reasons(missed, status, h.lost) {
		s.say("  why     %s", s.text(why))
	}
	if len(missed) == 0 {
		return nil
	}
	return ErrMissed
}

// reasons explains, from what the agent says of itself, why detectors missed.
func reasons(missed map[string]bool, status wormbell.Status, lost error) (out []string) {
	if lost != nil {
		out = append(out, "the connection to the agent was lost: "+lost.Error())
	}
	if len(missed) > 0 && !status.Privileged {
		out = append(out, "the agent does not run as root, so it cannot see who opens a file; run the demonstration with sudo to see all of it")
	}
	for _, d := range status.Detectors {
		if missed[d.ID] && d.Sees != "sees" {
			out = append(out, d.ID+": "+d.Sees+" on this machine")
		}
	}
	for _, sensor := range status.Sensors {
		switch {
		case sensor.Backend == "":
			out = append(out, "sensor "+sensor.Name+" is down: "+sensor.Why)
		case sensor.Why != "":
			out = append(out, "sensor "+sensor.Name+" ("+sensor.Backend+"): "+sensor.Why)
		}
	}
	return append(out, status.Problems...)
}

// round shows a duration with as many digits as a person wants.
func round(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

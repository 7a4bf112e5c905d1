package main

import (
	"slices"
	"time"

	"wormbell"
	"wormbell/agent/detect"
)

// days is how long a patient worm takes over what it does.
const days = 72 * time.Hour

// patient tells which detectors would have rung had the worm spread over days
// what it did within seconds. The agent's clock cannot be moved, so what it saw
// is shown once more to an engine of its own, with the times stretched: nothing
// in a detector knows of another clock. What a sensor would miss within days is
// not known that way.
func patient(seen []wormbell.Event, home string) (rang []string) {
	if len(seen) == 0 {
		return nil
	}
	trust := detect.NewTrust()
	trust.SetHomes([]string{home})
	engine := detect.NewEngine(detect.All, trust)
	begin, end := seen[0].Time, seen[0].Time
	for _, e := range seen {
		if e.Time.Before(begin) {
			begin = e.Time
		}
		if e.Time.After(end) {
			end = e.Time
		}
	}
	by := float64(days) / float64(max(end.Sub(begin), time.Millisecond))
	stretch := func(t time.Time) time.Time {
		if t.Before(begin) { // it was there before
			return t
		}
		return begin.Add(time.Duration(float64(t.Sub(begin)) * by))
	}
	for _, e := range seen {
		e.Time, e.Process = stretch(e.Time), stretched(e.Process, stretch)
		for _, f := range engine.Observe(e) {
			if !slices.Contains(rang, f.Detector) {
				rang = append(rang, f.Detector)
			}
		}
	}
	slices.Sort(rang)
	return rang
}

// stretched returns p and what is above it with other times.
func stretched(p *wormbell.Process, stretch func(time.Time) time.Time) *wormbell.Process {
	if p == nil {
		return nil
	}
	q := *p
	q.Start, q.Parent = stretch(p.Start), stretched(p.Parent, stretch)
	return &q
}

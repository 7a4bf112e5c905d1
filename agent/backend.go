package agent

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"wormbell"
	"wormbell/agent/api"
	"wormbell/agent/detect"
)

// api is what the API asks of the agent.
func (a *agent) api() api.Config {
	exe, err := os.Executable()
	if err != nil {
		a.log.Warn("the programs beside the agent are not known", "err", err)
	}
	return api.Config{
		Socket: a.config.Socket, System: os.Geteuid() == 0, Store: a.store, Log: a.log,
		Exe: exe, At: a.host.Lineage.At, Living: a.host.Lineage.Living, Spare: a.options.Self,
		Backend: api.Backend{
			Status:   a.status,
			Guarded:  a.sensors.credentials,
			Usage:    a.took.list,
			Events:   a.feed.subscribe,
			Emit:     a.queue.put,
			Announce: a.announce,
			Trust:    a.builtInTrust,
			SetTrust: a.setTrust,
			Digest:   a.host.Lineage.Digest,
			Fallen:   a.host.Lineage.Fallen,
			Forget:   a.host.Lineage.Forget,
			Protect:  a.setProtect,
			Locked:   a.set.locked,
			Demo:     a.demo,
			Decoys: func(user string) []wormbell.Decoy {
				return a.decoys.all(user, a.sensors.credentials())
			},
			PlantDecoy:  a.decoys.plant,
			ForgetDecoy: a.decoys.forget,
		},
	}
}

// ask runs do on the engine's goroutine and waits for it: the engine is used
// by one goroutine at a time. It does nothing once the agent is ending.
func (a *agent) ask(do func()) {
	done := make(chan struct{})
	select {
	case a.calls <- func() { do(); close(done) }:
		<-done
	case <-a.ctx.Done():
	}
}

// announce shows events to the detectors and waits until they have seen them.
// It does not go through the queue: that may be full.
func (a *agent) announce(events []wormbell.Event) error {
	seen := false
	a.ask(func() {
		a.batch(events)
		seen = true
	})
	if !seen {
		return errors.New("the agent is ending")
	}
	return nil
}

func (a *agent) builtInTrust() (rows []wormbell.TrustRow) {
	a.ask(func() {
		rows = a.trust.Rows()
	})
	own := map[string]bool{}
	for _, r := range a.store.Trust() {
		own[r.ID] = true
	}
	rows = slices.DeleteFunc(rows, func(r wormbell.TrustRow) bool { return own[r.ID] })
	return append(rows, a.host.Lineage.Enrolled()...)
}

func (a *agent) setTrust(rows []wormbell.TrustRow) {
	rows = append(slices.Clone(a.set.rows), rows...)
	a.ask(func() { a.trust.SetRows(rows) })
}

func (a *agent) setProtect(on bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.guard.on.Store(on)
	a.switched = true
	a.log.Warn("protect was switched", "on", on)
	return nil
}

// measure returns what the agent has taken so far, its watchdog included, and
// how many events were lost.
func (a *agent) measure() (cpu float64, rss int64, lost int) {
	cpu, rss = usage(append([]int{os.Getpid()}, a.options.Self...))
	_, _, lost = a.sensors.status()
	a.mu.Lock()
	defer a.mu.Unlock()
	return cpu, rss, lost + a.lost
}

func (a *agent) status() wormbell.Status {
	sensors, _, _ := a.sensors.status()
	cpu, rss, lost := a.measure()
	s := wormbell.Status{
		Version: a.options.Version, PID: os.Getpid(), User: fmt.Sprint(os.Geteuid()), Privileged: os.Geteuid() == 0,
		Started: a.started.UTC(), Uptime: time.Since(a.started).Seconds(), CPU: cpu, RSS: rss,
		Socket: a.config.Socket, State: a.config.State, Sensors: sensors,
	}
	for _, h := range a.host.Homes {
		s.Homes = append(s.Homes, h.Dir)
	}
	kinds := a.sensors.sees()
	for _, d := range detect.All {
		s.Detectors = append(s.Detectors, wormbell.DetectorStatus{ID: d.ID, Title: d.Title, Sees: d.Sees(kinds)})
	}
	a.ask(func() { s.Problems = a.engine.Problems() })
	for _, problem := range []string{a.past.problem(time.Now()), a.budget.problem(), a.decoys.trouble()} {
		if problem != "" {
			s.Problems = append(s.Problems, problem)
		}
	}
	for _, dir := range a.host.Tree.Silent() {
		s.Problems = append(s.Problems, silentHome(dir))
	}
	s.Problems = append(s.Problems, a.anew.problems()...)
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Protect, s.ProtectWhy, s.Denied, s.Events, s.Lost = a.guard.on.Load(), a.guard.why(a.sensors.backend("credentials")), int(a.guard.denied.Load()), a.events, lost
	now := a.config
	now.Homes, now.Protect = s.Homes, s.Protect
	s.Settings, s.Notices = a.set.list(now, a.switched), append(slices.Clone(a.set.notices), a.host.Lineage.Notices()...)
	s.Problems = append(s.Problems, a.set.problems...)
	s.Problems = append(s.Problems, a.guard.problems(s.ProtectWhy)...)
	return s
}

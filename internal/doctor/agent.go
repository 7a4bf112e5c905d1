package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// unasked is what a check about the agent says when there is none.
const unasked = "no agent to ask"

func agent(_ context.Context, m Machine) Result {
	if m.Status == nil {
		return fail(m.Err.Error(), "'wormbell status' says whether it is installed, and why it does not run; 'sudo wormbell install' installs it")
	}
	return ok(fmt.Sprintf("version %s answers, pid %d", m.Status.Version, m.Status.PID))
}

func rights(_ context.Context, m Machine) Result {
	switch {
	case m.Status == nil:
		return unknown(unasked)
	case m.Status.Privileged:
		return ok("the agent runs as root")
	}
	return warn("the agent runs as a user: it cannot see for sure who opens a file", "have root run it: 'sudo wormbell install'")
}

func sensors(_ context.Context, m Machine) Result {
	if m.Status == nil {
		return unknown(unasked)
	}
	var down, weak, best []string
	for _, s := range m.Status.Sensors {
		switch {
		case s.Backend == "":
			down = append(down, s.Name+" ("+s.Why+")")
		case s.Why != "":
			weak = append(weak, s.Name+" by "+s.Backend+" ("+s.Why+")")
		default:
			best = append(best, s.Name+" by "+s.Backend)
		}
	}
	switch {
	case len(down) > 0:
		return fail("down: "+strings.Join(append(down, weak...), "; "), "look at the agent's log")
	case len(weak) > 0:
		return warn("not the best there is: "+strings.Join(weak, "; "), "run the agent as root, on a kernel of 5.15 or newer")
	case len(best) == 0:
		return fail("the agent has no sensors", "look at the agent's log")
	}
	return ok(strings.Join(best, ", "))
}

func losses(_ context.Context, m Machine) Result {
	switch {
	case m.Status == nil:
		return unknown(unasked)
	case m.Status.Lost == 0:
		return ok(fmt.Sprintf("none of %d events were lost", m.Status.Events))
	}
	lost := fmt.Sprintf("%d events were lost", m.Status.Lost)
	if m.Status.Lost == 1 {
		lost = "1 event was lost"
	}
	return warn(fmt.Sprintf("%s beside %d that were seen; what could be was looked at again", lost, m.Status.Events),
		"'wormbell status' says which sensor lost them")
}

// ofFiles reports whether a problem is about the settings' files or the
// administrator's rows.
func ofFiles(problem string) bool {
	return strings.HasPrefix(problem, "settings: ") || strings.HasPrefix(problem, "trust: ")
}

func settings(_ context.Context, m Machine) Result {
	if m.Status == nil {
		return unknown(unasked)
	}
	var wrong []string
	locked := 0
	for _, p := range m.Status.Problems {
		if ofFiles(p) {
			wrong = append(wrong, p)
		}
	}
	for _, s := range m.Status.Settings {
		if s.Locked {
			locked++
		}
	}
	switch {
	case len(wrong) > 0:
		return fail(strings.Join(wrong, "; "), "mend what 'wormbelld --check' names, then 'systemctl restart wormbelld'")
	case len(m.Status.Notices) > 0:
		return warn(strings.Join(m.Status.Notices, "; "), "nothing, if that is meant")
	case locked > 0:
		return ok(fmt.Sprintf("in order; an administrator has locked %d of them", locked))
	}
	return ok("in order")
}

func problems(_ context.Context, m Machine) Result {
	var all []string
	if m.Status != nil {
		for _, p := range m.Status.Problems {
			if !ofFiles(p) {
				all = append(all, p)
			}
		}
	}
	switch {
	case m.Status == nil:
		return unknown(unasked)
	case len(all) > 0:
		return fail(strings.Join(all, "; "), "if it is about the alert store: see that "+m.Status.State+" can be written and has space; else look at the agent's log")
	}
	return ok("the agent has no complaints of itself; its state is in " + m.Status.State)
}

// drift is how far the wall clock may be from where the agent's run time says
// it should be. Slewing by an NTP client stays far below.
const drift = 5 * time.Second

func clock(_ context.Context, m Machine) Result {
	if m.Now.Year() < 2025 {
		return fail("the clock says "+m.Now.UTC().Format(time.DateOnly)+", which is before this program was made", "set the clock")
	}
	if m.Status == nil {
		return ok("the clock says " + m.Now.UTC().Format(time.RFC3339))
	}
	expected := m.Status.Started.Add(time.Duration(m.Status.Uptime * float64(time.Second)))
	if d := m.Now.Sub(expected).Abs(); d > drift {
		return warn(fmt.Sprintf("the clock was set by %v while the agent ran, or the machine slept: times of older alerts may be off", d.Round(time.Second)), "nothing, if you know why")
	}
	return ok("the clock and the agent agree")
}

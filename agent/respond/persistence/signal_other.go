//go:build !linux

package persistence

import (
	"context"
	"errors"
	"time"
)

const hangUpLimit = time.Duration(0) // nobody is told by a signal

// stop is not written for this system: a PID alone does not say whose it is.
// LaunchAgents are stopped by launchctl, tasks by the Task Scheduler.
func (d *disabling) stop(_ context.Context, live []*process) []*process {
	if len(live) > 0 {
		d.leave("%s: stopping processes is not available on this system yet", count(len(live), "process"))
	}
	return nil
}

func (d *disabling) end(context.Context, []*process, bool) {}

func hangUp(context.Context, *process, time.Duration) error {
	return errors.New("not available on this system")
}

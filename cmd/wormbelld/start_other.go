//go:build !linux && !windows

package main

import (
	"context"
	"os"

	"wormbell/agent"
)

var stops []os.Signal

// exitFatal is exitCannot where there is no watchdog.
const exitFatal = exitCannot

// exitAnew is what the agent exits with to be started again by whoever started it.
const exitAnew = 1

// start runs the agent: without permission marks nobody waits for it, so it
// needs no watchdog.
func start(ctx context.Context, _ flags, c agent.Config, o agent.Options) error {
	return runAgent(ctx, c, o)
}

//go:build !linux

package main

import (
	"context"
	"os"

	"wormbell/agent"
)

var stops []os.Signal

// exitFatal is exitCannot where there is no watchdog.
const exitFatal = exitCannot

// start runs the agent: without permission marks nobody waits for it, so it
// needs no watchdog.
func start(ctx context.Context, _ flags, c agent.Config, o agent.Options) error {
	return runAgent(ctx, c, o)
}

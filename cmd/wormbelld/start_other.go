//go:build !linux

package main

import (
	"context"
	"log/slog"
	"os"

	"wormbell/agent"
)

var stops []os.Signal

// exitFatal is exitCannot where there is no watchdog.
const exitFatal = exitCannot

// start runs the agent: without permission marks nobody waits for it, so it
// needs no watchdog.
func start(ctx context.Context, _ flags, c agent.Config, log *slog.Logger) error {
	return runAgent(ctx, c, agent.Options{Log: log})
}

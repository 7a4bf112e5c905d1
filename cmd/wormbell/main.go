// Command wormbell is the command line of Wormbell: it asks the agent what it
// sees and what rang. See docs/architecture.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"wormbell/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(status)
}

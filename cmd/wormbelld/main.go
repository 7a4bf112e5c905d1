// Command wormbelld is the agent: it watches, finds, stores and serves the
// local API, in the foreground. See docs/architecture.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"wormbell/agent"
)

// exitCannot is the exit status for wrong usage and for what starting again
// would not mend.
const exitCannot = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var f flags
	cmd := &cobra.Command{
		Use:           "wormbelld",
		Short:         "Watch this machine for npm worms",
		Long:          "wormbelld watches credential files, package manifests, node_modules, shell histories and process starts,\nraises alerts and serves them to wormbell over a local socket. It runs in the foreground; a service manager starts it.",
		Args:          cobra.NoArgs,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.out = cmd.OutOrStdout()
			return run(cmd.Context(), f)
		},
	}
	f.define(cmd.Flags())
	if err := cmd.ExecuteContext(ctx); err != nil {
		switch {
		case errors.Is(err, errAgain):
			os.Exit(1)
		case errors.Is(err, agent.ErrAnew):
			os.Exit(exitAnew)
		}
		if msg := err.Error(); msg != "" {
			fmt.Fprintln(os.Stderr, failed(os.Stderr)+"wormbelld: "+msg)
		}
		if f.supervised {
			os.Exit(exitFatal)
		}
		os.Exit(exitCannot)
	}
}

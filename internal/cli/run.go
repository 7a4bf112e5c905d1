package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/daemon"
	"wormbell/internal/plain"
)

func (a *app) runCommand() *cobra.Command {
	var config, state string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Guard this machine in the foreground, and show alerts as they come",
		Long: `Starts the agent for as long as this command runs, says what it sees and what it does
not, and shows alerts as they come, until Ctrl-C. As root it sees all there is to see. If
an agent runs already, its alerts are shown.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if c, err := a.dial(cmd.Context()); err == nil {
				if s, err := c.Status(ctx); err == nil {
					a.printer().line("An agent runs already (pid %d, %s). Alerts as they come; Ctrl-C ends this, not the agent.", s.PID, plain.Text(s.Socket))
					return advise(Follow(ctx, c, a.streams.Out))
				}
			}
			return a.guard(ctx, config, state)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "read the agent's settings from `FILE`")
	cmd.Flags().StringVar(&state, "state", "", "keep alerts in `DIR`")
	return cmd
}

// guard starts an agent, follows it, and ends it.
func (a *app) guard(ctx context.Context, config, state string) (err error) {
	program, err := daemon.Find()
	if err != nil {
		return hint(err, "build both with 'make build'")
	}
	dir, err := os.MkdirTemp("", "wormbell-run-") // for its log
	if err != nil {
		return fmt.Errorf("make a folder for the agent's log: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	socket, args := a.ownSocket(), []string{}
	args = append(args, "--socket", socket)
	if config != "" {
		args = append(args, "--config", config)
	}
	if state != "" {
		args = append(args, "--state", state)
	}
	d, err := daemon.Start(program, filepath.Join(dir, "log"), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	var c Agent
	var s wormbell.Status
	err = d.Await(ctx, func(ctx context.Context) (err error) {
		if c, err = a.connect(socket); err == nil {
			s, err = c.Status(ctx)
		}
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while it started
		}
		return err
	}
	a.printer().greeting(s)
	if err := Follow(ctx, c, a.streams.Out); err != nil {
		return fmt.Errorf("%w; its last words: %s", err, d.LastWords())
	}
	return nil
}

// greeting says in a few lines what an agent sees.
func (p *printer) greeting(s wormbell.Status) {
	for _, h := range s.Homes {
		p.line("Guarding %s", plain.Text(h))
	}
	for _, sensor := range s.Sensors {
		switch {
		case sensor.Backend == "":
			p.line("  %s %s: down: %s", p.look(red, "✗"), plain.Text(sensor.Name), plain.Text(sensor.Why))
		case sensor.Why != "":
			p.line("  %s %s by %s: %s", p.look(yellow, "!"), plain.Text(sensor.Name), plain.Text(sensor.Backend), plain.Text(sensor.Why))
		default:
			p.line("  %s %s by %s", p.look(green, "✓"), plain.Text(sensor.Name), plain.Text(sensor.Backend))
		}
	}
	for _, problem := range s.Problems {
		p.line("  %s %s", p.look(red, "✗"), plain.Text(problem))
	}
	p.line("Alerts as they come; Ctrl-C ends it.")
	for _, sensor := range s.Sensors {
		if sensor.Name == "credentials" && !sensor.Who {
			// The demonstration of a read says so too, and ends with status 2.
			p.line("It does not see who reads a credential, so it does not ring for that: root's agent does.")
			return
		}
	}
	p.line("'wormbell demo' in another terminal rings the bell.")
}

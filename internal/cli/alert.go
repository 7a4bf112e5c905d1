package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/plain"
)

func (a *app) alertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "Look at one alert, and act on it",
		Long: `Looks at one alert and acts on it. An ID is the 8 characters that 'wormbell alerts'
shows, or the first four. Calls that loosen the guard (close, mute, resume) are for a person at a
terminal: from below an installer, an install script or an alerted program the agent
refuses them, and rings.`,
	}
	cmd.AddCommand(
		a.showCommand(),
		a.stateCommand("close", "Close it: it is dealt with", "The alert is closed. What happens next begins a new one.", Agent.Close),
		a.stateCommand("mute", "Mute it: go on recording, but do not show it", "The alert is muted.", Agent.Mute),
		a.alertTrustCommand(),
		a.stateCommand("reopen", "Open it again", "The alert is open again.", Agent.Reopen),
		a.processCommand("freeze", "Stop the whole process tree of it, for now", `Stops every process that the alert is about, and everything they started, without
ending them: they neither run on nor lose anything. Never stops your shell, terminal or
editor. 'wormbell alert resume' lets them go on, 'wormbell alert kill' ends them.`, Agent.Freeze),
		a.processCommand("resume", "Let a frozen process tree go on", "Lets the processes go on that freeze stopped.", Agent.Resume),
		a.processCommand("kill", "End the whole process tree of it", "Ends every process that the alert is about, and everything they started.", Agent.Kill),
	)
	return cmd
}

func (a *app) showCommand() *cobra.Command {
	var report, online bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Who did what, from the terminal down to the thief, and what was exposed",
		Long: `Shows all of one alert: who did what, and what was exposed: credential files that were
read, the names of secrets that stood in the thief's environment, what it tried to
publish, with commands to take that back. With --online the tokens' services are asked
what they could reach, and which versions were published meanwhile; for that your
credential files are read. With --report it is a text to send to others.`,
		Args: oneAlert,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			alert, err := c.Alert(cmd.Context(), args[0])
			if err != nil {
				return advise(err)
			}
			if a.asks {
				a.expose = a.reach(online)
			}
			if report {
				return a.report(cmd.Context(), alert)
			}
			return a.show(cmd.Context(), alert)
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "ask the services what the exposed tokens could reach")
	cmd.Flags().BoolVar(&report, "report", false, "write the incident as a plain text to send to others")
	return cmd
}

// stateCommand is a command that changes what people see of an alert.
func (a *app) stateCommand(verb, short, done string, do func(Agent, context.Context, string, string) error) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Args:  oneAlert,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			if err := do(c, cmd.Context(), args[0], reason); err != nil {
				return advise(err)
			}
			if verb == "reopen" {
				return a.done(done)
			}
			alert, err := c.Alert(cmd.Context(), args[0])
			if err != nil || !alert.Frozen() { // it was done all the same
				return a.done(done)
			}
			if a.json {
				return a.print(map[string]any{"version": 1, "outcome": done, "frozen": true})
			}
			newPrinter(a.streams.Out, a.zone).paragraph("", done+" "+stillFrozen(alert))
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` that says why, kept with the alert")
	return cmd
}

// stillFrozen says that what an alert's programs were frozen for is over, and
// they are not.
func stillFrozen(a wormbell.Alert) string {
	n, spared := 0, 0 // those that a freeze leaves alone, such as a shell, are left alone by what comes after it, too
	for _, did := range a.Actions {
		switch did.What {
		case "freeze": // whatever was stopped before is stopped again
			n, spared = did.Done, did.Left
		case "resume", "kill":
			n = did.Left - spared
		}
	}
	what, them := "Its processes are", "them"
	switch {
	case n == 1:
		what, them = "1 process is", "it"
	case n > 1:
		what = fmt.Sprintf("%d processes are", n)
	}
	return fmt.Sprintf("%[1]s still frozen: 'wormbell alert resume %[2]s' lets %[3]s go on, 'wormbell alert kill %[2]s' ends %[3]s.", what, plain.Text(a.ID), them)
}

// processCommand is a command that acts on an alert's processes.
func (a *app) processCommand(verb, short, long string, do func(Agent, context.Context, string) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Long:  long,
		Args:  oneAlert,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			outcome, err := do(c, cmd.Context(), args[0])
			if err != nil {
				return advise(err)
			}
			return a.done(outcome)
		},
	}
}

// done says how a command went that has nothing to show.
func (a *app) done(text string) error {
	if a.json {
		return a.print(map[string]any{"version": 1, "outcome": text})
	}
	fmt.Fprintln(a.streams.Out, plain.Text(text))
	return nil
}

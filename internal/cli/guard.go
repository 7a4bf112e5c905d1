package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wormbell/internal/plain"
)

// defaultPause is how long notifications rest when nobody says.
const defaultPause = time.Hour

func (a *app) pauseCommand() *cobra.Command {
	var end bool
	cmd := &cobra.Command{
		Use:   "pause [DURATION]",
		Short: "No notifications for a while; everything is still recorded",
		Long: `Keeps alerts from being notified for a while, an hour if nothing is said. Everything is
still watched, recorded and listed, and what is critical is notified all the same. At the
end you are told what was kept back. --end notifies again.

Of an agent that guards the whole machine everybody may pause their own notifications, for
an hour at most; root's pause is for everybody, for a day at most.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d := defaultPause
			switch {
			case end && len(args) > 0:
				return hint(errors.New("--end takes no duration"), "see 'wormbell pause --help'")
			case end:
				d = 0
			case len(args) == 1:
				var err error
				if d, err = time.ParseDuration(args[0]); err != nil || d <= 0 {
					return hint(fmt.Errorf("%q is no duration", args[0]), "for example: wormbell pause 30m")
				}
			}
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.Pause(cmd.Context(), d); err != nil {
				return advise(err)
			}
			if end {
				return a.done("Alerts are notified again.")
			}
			return a.done(fmt.Sprintf("No notifications for %v. 'wormbell pause --end' ends it.", d))
		},
	}
	cmd.Flags().BoolVar(&end, "end", false, "notify again")
	return cmd
}

func (a *app) protectCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "protect on|off",
		Short:     "Stop install scripts and sweeps before they read credentials",
		ValidArgs: []string{"on", "off"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.Protect(cmd.Context(), args[0] == "on"); err != nil {
				return advise(err)
			}
			text := "protect is " + args[0]
			if s, err := c.Status(cmd.Context()); err == nil && args[0] == "on" {
				for _, p := range s.Problems { // an agent that cannot deny says so there
					if strings.Contains(p, "protect") {
						text = p
					}
				}
			}
			return a.done(text)
		},
	}
}

func (a *app) callsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "calls",
		Short: "Who loosened the guard, and whose announcement was refused",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			calls, err := c.Calls(cmd.Context())
			if err != nil {
				return advise(err)
			}
			if a.json {
				return a.print(list("calls", calls))
			}
			p := a.printer()
			if len(calls) == 0 {
				p.line("Nobody has asked for that yet.")
				return nil
			}
			var rows [][]string
			for _, e := range calls {
				rows = append(rows, []string{p.at(e.Time), plain.Text(e.User), plain.Text(e.Process.String()), plain.Text(e.Line)})
			}
			p.table([]string{"WHEN", "USER", "BY", "WHAT"}, rows)
			return nil
		},
	}
}

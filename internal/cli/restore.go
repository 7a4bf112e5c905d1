package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"wormbell/agent/respond"
	"wormbell/agent/respond/persistence"
	"wormbell/internal/plain"
)

func (a *app) restoreCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore [FOLDER]",
		Short: "Put back what a response has taken out of service",
		Long: `Puts back what 'wormbell respond' moved away because it might have been waiting for a
token to die, and starts nothing of it. Shows what that is and asks first. Without a folder
it lists those that were not put back yet, the youngest last.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			home, state, err := folders()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.quarantined(state)
			}
			config := persistence.Config{Home: home, State: state}
			contents, err := persistence.Contents(config, args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return hint(fmt.Errorf("nothing was taken out of service under %q", args[0]), "'wormbell restore' lists what was")
			} else if err != nil {
				return err
			}
			if !yes {
				t := a.newTypist(responding{})
				for _, line := range contents {
					fmt.Fprintln(t.out, "  "+plain.Text(line))
				}
				agreed, err := t.confirm(cmd.Context(), "Put this back?")
				if errors.Is(err, respond.ErrNobody) {
					return hint(errors.New("nothing was put back: nobody agreed to it"), "agree with --yes, or run it in a terminal")
				} else if err != nil {
					return err
				}
				if !agreed {
					return a.done("Nothing was put back.")
				}
			}
			done, err := persistence.Restore(cmd.Context(), config, args[0])
			if a.json {
				if perr := a.print(map[string]any{"version": 1, "restored": done}); perr != nil {
					return perr
				}
			} else {
				for _, s := range done.Steps {
					fmt.Fprintln(a.streams.Out, plain.Text(s))
				}
				for _, s := range done.Left {
					fmt.Fprintln(a.streams.Out, "left: "+plain.Text(s))
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "agree to it without being asked")
	return cmd
}

// quarantined lists what was taken out of service and not put back.
func (a *app) quarantined(state string) error {
	names, err := persistence.Taken(persistence.Config{State: state})
	if err != nil {
		return err
	}
	if a.json {
		return a.print(list("folders", names))
	}
	if len(names) == 0 {
		return a.done("Nothing is out of service.")
	}
	for _, n := range names {
		fmt.Fprintln(a.streams.Out, plain.Text(n))
	}
	return nil
}

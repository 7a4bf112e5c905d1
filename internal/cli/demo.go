package cli

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	var fast, keep bool
	cmd := &cobra.Command{
		Use:   "demo [NAME...]",
		Short: "Hear the bell: replay worms, harmlessly, on this machine",
		Long: `Replays npm worms on this machine, harmlessly, and shows the alerts as they come:
  indonesianfoods  a script drops "private", renames the package and publishes it, again and again
  npmrc-read       a dependency's install script opens ~/.npmrc
  shai-hulud       a detached child of an install script takes credentials and publishes with them

It plays in a scratch home with decoy tokens, against a registry inside this program:
nothing of yours is touched and nothing leaves the machine. The agent that runs here is
asked to guard the scratch home too; if none runs, one is started for the while. Takes
about a minute; with --fast, a quarter of that. Ends with status 2 if an alert that was
expected did not ring, and says why.`,
		ValidArgs: demo.Names(),
		Args: func(_ *cobra.Command, args []string) error {
			for _, arg := range args {
				if !strings.Contains(" "+strings.Join(demo.Names(), " ")+" ", " "+arg+" ") {
					return errors.New("no demonstration is called " + arg + "; there are " + strings.Join(demo.Names(), ", "))
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p := a.printer()
			return demo.Run(cmd.Context(), demo.Options{
				Names: args, Fast: fast, Keep: keep, Socket: a.socket, Out: a.streams.Out,
				Dial: func(socket string) (demo.Agent, error) { return a.connect(socket) },
				Show: func(w io.Writer, alert wormbell.Alert, passing bool) {
					(&printer{w: w, width: p.width - 2, colour: p.colour, zone: p.zone, again: true, passing: passing}).alert(alert)
				},
				Replay: func(w io.Writer, scene []byte) error { return a.replay(w, scene) },
			})
		},
	}
	cmd.Flags().BoolVar(&fast, "fast", false, "shorter waits between the worm's steps")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the scratch folder behind")
	return cmd
}

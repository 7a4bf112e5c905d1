package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/plain"
	"wormbell/internal/scene"
)

// maxRecorded bounds a recording, in events: some hours of an ordinary day.
const maxRecorded = 100_000

func (a *app) recordCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Write what happens on this machine as a scene, until Ctrl-C",
		Long: `Writes what the agent sees as a scene: a text that 'wormbell replay' shows to the
detectors again, and that a test can be made of. Ends with Ctrl-C. A scene holds names of
files and command lines, with secrets masked: look through it before you pass it on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			return a.record(cmd.Context(), c, file)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "write the scene to `FILE` instead of the standard output")
	return cmd
}

func (a *app) record(ctx context.Context, c Agent, file string) (err error) {
	status, err := c.Status(ctx)
	if err != nil {
		return advise(err)
	}
	out := a.streams.Out
	if file != "" { // before the recording: an hour of it should not end with "permission denied"
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("write the scene: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	told := newPrinter(a.streams.Err, a.zone)
	told.line("Recording; Ctrl-C ends it.")
	recording, stop := context.WithCancel(ctx)
	defer stop()
	var events []wormbell.Event
	lost := c.Events(recording, func(e wormbell.Event) error {
		if len(events) == maxRecorded {
			stop()
			return nil
		}
		events = append(events, e)
		_, what := deed(e)
		told.line("%s  %-15s %s", told.clock(e.Time), plain.Text(string(e.Kind)), shorten(plain.Text(what), max(24, told.width-27)))
		return nil
	})
	if recording.Err() == nil && lost == nil {
		lost = errors.New("the agent ended the conversation")
	}
	if recording.Err() != nil {
		lost = nil // it was ended on purpose
	}
	// What was recorded is written also when the agent went away.
	s := scene.Of("Recorded on "+time.Now().UTC().Format(time.DateOnly)+" by wormbell record.", events, nil, home(status.Homes))
	s.Findings = scene.Findings(scene.Replay(s.Events, detect.NewEngine(detect.All, detect.NewTrust()).Observe))
	if _, err := out.Write(s.Format()); err != nil {
		return errors.Join(fmt.Errorf("write the scene: %w", err), advise(lost))
	}
	told.line("%s recorded.", count(len(events), "event"))
	return advise(lost)
}

// home is the home folder that a scene writes as ~: ours, if it is guarded,
// else the only one that is.
func home(guarded []string) string {
	if own, err := os.UserHomeDir(); err == nil && slices.Contains(guarded, own) {
		return own
	}
	if len(guarded) == 1 {
		return guarded[0]
	}
	return ""
}

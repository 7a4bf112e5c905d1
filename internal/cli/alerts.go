package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/plain"
)

func (a *app) alertsCommand() *cobra.Command {
	var all, follow bool
	var least string
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "What rang",
		Long: `Lists the open alerts, newest last; with --all also the muted and closed ones. With
--min-severity it ends with status 1 if there is one of that severity or more, for
scripts. With --follow it goes on, and shows each alert as it comes and as it grows.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			min, err := severityFlag(least)
			if err != nil {
				return err
			}
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			if follow {
				return a.follow(cmd.Context(), c, all, min)
			}
			alerts, err := c.Alerts(cmd.Context(), all)
			if err != nil {
				return advise(err)
			}
			alerts = slices.DeleteFunc(alerts, func(x wormbell.Alert) bool { return x.Severity < min })
			slices.SortStableFunc(alerts, func(x, y wormbell.Alert) int { return x.Last.Compare(y.Last) })
			if err := a.list(alerts, all); err != nil {
				return err
			}
			if min > 0 && slices.ContainsFunc(alerts, func(x wormbell.Alert) bool { return x.State == wormbell.Open }) {
				return errAlerts
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are muted or closed")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on and show alerts as they come")
	cmd.Flags().StringVar(&least, "min-severity", "", "only those of `SEVERITY` or more: low, medium, high, critical")
	return cmd
}

// list writes alerts, one a line, or as JSON.
func (a *app) list(alerts []wormbell.Alert, all bool) error {
	if a.json {
		return a.print(list("alerts", alerts))
	}
	p := a.printer()
	if len(alerts) == 0 {
		if all {
			p.line("No alerts.")
		} else {
			p.line("No open alerts.")
		}
		return nil
	}
	for _, x := range alerts {
		p.line("%s  %s", p.look(dim, p.at(x.Last)), (&printer{w: p.w, width: p.width - 21, colour: p.colour, zone: p.zone}).brief(x))
	}
	p.line("%s", p.look(dim, "wormbell alert show ID tells all of one"))
	return nil
}

// follow shows alerts as they come, until ctx is done.
func (a *app) follow(ctx context.Context, c Agent, all bool, min wormbell.Severity) error {
	wanted := func(x wormbell.Alert) bool { return x.Severity >= min && (all || x.State == wormbell.Open) }
	var err error
	if a.json {
		enc := json.NewEncoder(a.streams.Out)
		enc.SetEscapeHTML(false)
		seen := map[string]bool{} // a follower wants to know of the closing of what it was shown
		err = followLoop(ctx, c, func(x wormbell.Alert) error {
			if !wanted(x) && !seen[x.ID] {
				return nil
			}
			seen[x.ID] = true
			return enc.Encode(x)
		})
	} else {
		err = followText(ctx, c, a.printer(), wanted)
	}
	if err != nil {
		return advise(err)
	}
	return nil
}

// Follow shows a person the alerts of an agent as they come, until ctx is
// done. It returns an error only if the agent goes away before.
func Follow(ctx context.Context, c Agent, w io.Writer) error {
	return followText(ctx, c, newPrinter(w, time.Local), func(x wormbell.Alert) bool { return x.State == wormbell.Open })
}

// followLoop hands over the open alerts and every change until ctx is done. An
// error of each ends it: nobody reads what we write any more.
func followLoop(ctx context.Context, c Agent, each func(wormbell.Alert) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var unwritten error
	err := c.Follow(ctx, func(x wormbell.Alert) {
		if unwritten == nil {
			if unwritten = each(x); unwritten != nil {
				cancel(unwritten)
			}
		}
	})
	switch {
	case unwritten != nil:
		return fmt.Errorf("write an alert: %w", unwritten)
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return errors.New("the agent ended the conversation")
	}
	return err
}

// followText draws an alert in full when it is new or got graver, and in a
// line when it only grew.
func followText(ctx context.Context, c Agent, p *printer, wanted func(wormbell.Alert) bool) error {
	shown := map[string]wormbell.Alert{}
	p.again = true
	return followLoop(ctx, c, func(x wormbell.Alert) error {
		before, known := shown[x.ID]
		if !wanted(x) && !known {
			return nil
		}
		shown[x.ID] = x
		switch {
		case !known || x.Severity > before.Severity:
			p.line("")
			p.alert(x)
		case len(x.Findings) > len(before.Findings):
			for _, f := range x.Findings[len(before.Findings):] {
				p.line("%s  %s  %s", p.clock(x.Last), p.look(severityLook(f.Severity), plain.Text(x.ID)), shorten(plain.Text(f.Summary), max(24, p.width-20)))
			}
		case x.State != before.State:
			p.line("%s  %s  %s", p.clock(x.Last), plain.Text(x.ID), "is "+string(x.State))
		}
		return p.err
	})
}

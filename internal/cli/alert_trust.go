package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/internal/itwasme"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// itWasMe is the reason that an alert is closed with.
const itWasMe = "it was me"

func (a *app) alertTrustCommand() *cobra.Command {
	var yes bool
	within := "30d"
	cmd := &cobra.Command{
		Use:   "trust ID",
		Short: "It was me: let this program read this file from now on",
		Long: `Says that an alert was you: lets what read the credential read that one file from now on,
for a time, and closes the alert; what was frozen because of it goes on. Shows who is
meant and asks first.

Allowed is one program, with its script, in the narrowest way that fits: only when you
start it, if you did. Nothing is ever allowed to an interpreter as such, below a dependency's
install script or a package manager, or to a file that others may change; then it is said
why. 'wormbell trust remove' takes it back.`,
		Args: oneAlert,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := days(within)
			if err != nil {
				return hint(err, "for example: --for 8h or --for 30d, at most 365d")
			}
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			alert, err := c.Alert(cmd.Context(), args[0])
			if err != nil {
				return advise(err)
			}
			return a.itWasMe(cmd.Context(), c, alert, d, yes)
		},
	}
	cmd.Flags().StringVar(&within, "for", within, "for this `TIME`, such as 8h or 30d; at most a year")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "agree to it without being asked")
	return cmd
}

// days reads a duration that may be given in days, "30d".
func days(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if d, err := strconv.Atoi(n); err == nil && d > 0 && d <= 10_000 {
			return time.Duration(d) * 24 * time.Hour, nil
		}
		return 0, fmt.Errorf("%q is no number of days", s)
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no time", s)
	}
	return d, nil
}

// itWasMe shows what would be allowed because of alert, asks, and does it: all
// of it, or nothing.
func (a *app) itWasMe(ctx context.Context, c Agent, alert wormbell.Alert, d time.Duration, yes bool) error {
	if alert.User != strconv.Itoa(os.Getuid()) {
		return hint(fmt.Errorf("alert %s concerns the user with uid %s: only they can say that it was them", alert.ID, alert.User), "run it as that user")
	}
	now := time.Now().In(a.zone)
	rows, why := itwasme.Suggest(alert, now)
	if why != "" {
		return hint(errors.New("nothing is allowed: "+strings.TrimSuffix(why, ".")),
			"if it was not you: wormbell respond "+alert.ID, "if it is dealt with: wormbell alert close "+alert.ID)
	}
	rows, err := itwasme.Lasting(rows, d, now)
	if err != nil {
		return hint(err, "for example: --for 30d")
	}
	t := a.newTypist(responding{})
	p := newPrinter(t.out, a.zone)
	p.paragraph("", plain.Text(words.In(language.English).Alert(alert).What))
	p.line("")
	p.line("If that was you:")
	for _, r := range rows {
		p.paragraph("  ", plain.Text(r.Sentence))
	}
	if os.Getuid() == 0 {
		p.paragraph("  ", "What root allows holds for the files of every user.")
	}
	if alert.Frozen() {
		p.paragraph("  ", "Its processes are frozen; they go on then.")
	}
	p.line("")
	if !yes {
		agreed, err := t.confirm(ctx, "Allow this and close the alert?")
		if errors.Is(err, respond.ErrNobody) {
			return hint(errors.New("nothing was allowed: nobody agreed to it"), "agree with --yes, or run it in a terminal")
		} else if err != nil {
			return err
		}
		if !agreed {
			return a.done("Nothing was allowed.")
		}
	}
	added, err := addRows(ctx, c, rows)
	if err != nil {
		return advise(err)
	}
	if alert.State != wormbell.Closed {
		if err := c.Close(ctx, alert.ID, itWasMe); err != nil {
			return hint(fmt.Errorf("it is allowed, but the alert could not be closed: %w", err), "close it with 'wormbell alert close "+alert.ID+"'")
		}
	}
	answer := map[string]any{"version": 1, "alert": alert.ID, "trust": added}
	var went string // how letting its processes go on went
	if alert.Frozen() {
		went, err = goOn(ctx, c, alert.ID)
		answer["frozen"] = err != nil
	}
	if a.json {
		return errors.Join(a.print(answer), err)
	}
	for _, row := range added {
		p.line("Allowed as %s. 'wormbell trust remove %s' takes it back.", plain.Text(row.ID), plain.Text(row.ID))
	}
	p.line("The alert is closed.")
	if went != "" {
		p.paragraph("", plain.Text(went))
	}
	return err
}

// goOn lets the processes of an alert go on that it was about, and says how that
// went; an error if some stay frozen.
func goOn(ctx context.Context, c Agent, id string) (string, error) {
	hints := []string{"let them go on with 'wormbell alert resume " + id + "'"}
	went, err := c.Resume(ctx, id)
	if err != nil {
		return "", hint(fmt.Errorf("it is allowed and the alert is closed, but its processes are still frozen: %w", err), hints...)
	}
	now, err := c.Alert(ctx, id)
	if err != nil || len(now.Actions) == 0 {
		return went, nil // it was done all the same
	}
	if now.Frozen() {
		return went, hint(errors.New("it is allowed and the alert is closed, but some of its processes are still frozen"), hints...)
	}
	if last := now.Actions[len(now.Actions)-1]; last.What == "resume" {
		if said := words.In(language.English).Sentence(last); said != "" {
			return said, nil
		}
	}
	return went, nil
}

// addRows adds all rows, or takes back those that it has added.
func addRows(ctx context.Context, c Agent, rows []itwasme.Suggestion) (added []wormbell.TrustRow, err error) {
	for _, r := range rows {
		row, err := c.AddTrust(ctx, r.Row)
		if err == nil {
			added = append(added, row)
			continue
		}
		for _, row := range added {
			// Also when ctx is over: half of an answer is none.
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			if uerr := c.RemoveTrust(undo, row.ID); uerr != nil {
				err = errors.Join(err, fmt.Errorf("row %s stays: %w", row.ID, uerr))
			}
			cancel()
		}
		return nil, err
	}
	return added, nil
}

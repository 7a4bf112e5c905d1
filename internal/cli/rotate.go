package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/agent/respond/persistence"
	"wormbell/internal/plain"
)

func (a *app) rotateCommand() *cobra.Command {
	var r responding
	var resume bool
	var giveUp string
	cmd := &cobra.Command{
		Use:   "rotate NAME... | --resume | --give-up ROTATION",
		Short: "Replace a token by a new one, and revoke the old one",
		Long: `Makes a new token, checks that it works, puts it where the old one stands, and revokes
the old one: the same as 'wormbell respond', for tokens that you name, without an alert.
A name is one that 'wormbell tokens' shows, or a kind ("npm") for all tokens of it.

--resume goes on with what was begun before and has not ended: after a crash, or because
the service had not refused the old token yet. --contain-now revokes first, also of what was
begun without it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case giveUp != "" && (resume || len(args) > 0), resume && len(args) > 0, giveUp == "" && !resume && len(args) == 0:
				return hint(errors.New("name tokens, or use --resume, or --give-up"), "'wormbell tokens' lists what is there")
			case giveUp != "":
				return a.giveUp(cmd.Context(), r, giveUp)
			case resume:
				return a.resume(cmd.Context(), r)
			}
			c, _ := a.connect(a.socket) // without an agent nobody rings
			config := incident.Config{Tokens: args, ContainNow: r.containNow, Force: r.force}
			if c != nil {
				config.Agent = c
			}
			return a.respond(cmd.Context(), c, r, config)
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&r.containNow, "contain-now", false, "revoke first, and then make a new token")
	cmd.Flags().BoolVar(&resume, "resume", false, "go on with what was begun")
	cmd.Flags().StringVar(&giveUp, "give-up", "", "give up `ROTATION`, which was begun, and wipe what was kept for it")
	return cmd
}

func (a *app) revokeCommand() *cobra.Command {
	var r responding
	cmd := &cobra.Command{
		Use:   "revoke NAME...",
		Short: "Kill a token, without a new one",
		Long: `Revokes tokens that you name, sees that their services refuse them, and removes them
from where they stand. What uses them stops working. A name is one that 'wormbell tokens'
shows, or a kind ("npm") for all tokens of it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _ := a.connect(a.socket) // without an agent nobody rings
			config := incident.Config{Tokens: args, RevokeOnly: true, Force: r.force}
			if c != nil {
				config.Agent = c
			}
			return a.respond(cmd.Context(), c, r, config)
		},
	}
	r.flags(cmd)
	return cmd
}

// rotator makes one that goes on with what was begun. The agent, where one runs,
// is told what is read for that, and what is done.
func (a *app) rotator(ctx context.Context, r responding) (*respond.Rotator, *typist, error) {
	a.hide()
	t := a.newTypist(r)
	m, err := a.machine(t)
	if err != nil {
		return nil, nil, err
	}
	rotator := &respond.Rotator{Machine: m, By: strconv.Itoa(os.Getuid()), Patience: patience}
	c, err := a.connect(a.socket)
	if err != nil {
		return rotator, t, nil // nobody rings
	}
	begun, _ := rotator.Unfinished() // whoever goes on says what could not be read
	kinds := slices.DeleteFunc(slices.Clone(respond.All), func(k respond.Kind) bool {
		return !slices.ContainsFunc(begun, func(u respond.Outcome) bool { return u.Kind == k.ID })
	})
	if err := incident.Announce(ctx, m, kinds, c); err != nil {
		fmt.Fprintln(a.streams.Err, "warning: "+plain.Text(err.Error()))
	}
	rotator.Did = func(alert string, did wormbell.Action) {
		if alert == "" {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Act(ctx, alert, did) // that it cannot be noted stops nothing, and the alert may be gone
	}
	return rotator, t, nil
}

// lookForTraps returns an error if something may be waiting for a token to die:
// going on with what was begun revokes as well.
func (a *app) lookForTraps(ctx context.Context, m *respond.Machine, begun []respond.Outcome) error {
	c := persistence.Config{Home: m.Home, State: m.State, Now: m.Now, Log: m.Log}
	for _, o := range begun {
		if c.Since.IsZero() || o.Begun.Before(c.Since) {
			c.Since = o.Begun
		}
	}
	c.Since = c.Since.Add(-sinceMargin)
	report, failed := persistence.Look(ctx, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	blocking := report.Blocking()
	for _, f := range blocking {
		fmt.Fprintln(a.streams.Err, plain.Text(f.String()))
	}
	switch {
	case failed != nil: // so nobody can say that there is nothing else
		return hint(fmt.Errorf("%w: the look for it failed: %w; nothing was gone on with", incident.ErrWaiting, failed), "run this again", "--force goes on all the same")
	case len(blocking) == 0:
		return nil
	}
	return hint(fmt.Errorf("%w: nothing was gone on with", incident.ErrWaiting),
		"'wormbell respond ID', or 'wormbell rotate' with the token's name, disables it first, with a copy kept", "--force goes on all the same")
}

// sinceMargin is how long before a rotation was begun the incident may have
// begun that led to it.
const sinceMargin = time.Hour

// resume goes on with every rotation that has not ended.
func (a *app) resume(ctx context.Context, r responding) error {
	rotator, t, err := a.rotator(ctx, r)
	if err != nil {
		return err
	}
	begun, err := rotator.Unfinished()
	if err != nil {
		fmt.Fprintln(a.streams.Err, "warning: "+plain.Text(err.Error()))
	}
	if len(begun) == 0 {
		return a.done("Nothing was begun that has not ended.")
	}
	if err := a.keys(ctx, rotator.Machine, t); err != nil {
		return hint(err, "what was begun is kept there; unlock it and run this again")
	}
	if err := a.lookForTraps(ctx, rotator.Machine, begun); err != nil && !r.force {
		return err
	}
	result := incident.Result{Disabled: []string{}, Problems: []string{}, Left: []string{}, Complete: true}
	var errs []error
	resume := rotator.Resume
	if r.containNow {
		resume = rotator.Contain
	}
	for _, u := range begun {
		out, err := resume(ctx, u.ID)
		result.Rotations = append(result.Rotations, out)
		result.Left = append(result.Left, out.Left...)
		result.Complete = result.Complete && out.Done
		if err != nil {
			errs = append(errs, err)
			result.Problems = append(result.Problems, err.Error())
		}
	}
	return a.responded(result, errors.Join(errs...))
}

// giveUp ends a rotation that cannot be gone on with.
func (a *app) giveUp(ctx context.Context, r responding, id string) error {
	rotator, t, err := a.rotator(ctx, r)
	if err != nil {
		return err
	}
	if all, err := rotator.History(); err == nil && !slices.ContainsFunc(all, func(o respond.Outcome) bool { return o.ID == id }) {
		return hint(fmt.Errorf("there is no rotation %q", id), "'wormbell tokens' lists what was begun")
	}
	if err := a.keys(ctx, rotator.Machine, t); err != nil {
		return hint(err, "what was begun is kept there; unlock it and run this again")
	}
	out, err := rotator.Abandon(ctx, id, "given up by its owner", r.force)
	if errors.Is(err, respond.ErrOnlyOne) {
		return hint(err, "--force gives it up all the same: then perhaps no token works")
	} else if err != nil {
		return err
	}
	return a.responded(incident.Result{Disabled: []string{}, Problems: []string{}, Rotations: []respond.Outcome{out}, Left: out.Left, Complete: len(out.Left) == 0}, nil)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/exposure"
	"wormbell/internal/plain"
)

// patience is how long a person waits until a revoked token is refused. npm says
// that may take an hour; then it is pending, and gone on with later.
const patience = 2 * time.Minute

// responding are the flags of commands that change tokens.
type responding struct {
	plan, yes, containNow, force bool
	passwordStdin, tokenStdin    bool
}

func (r *responding) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.plan, "plan", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVarP(&r.yes, "yes", "y", false, "agree to the plan without being asked")
	cmd.Flags().BoolVar(&r.force, "force", false, "revoke although something may be waiting for a token to die")
	cmd.Flags().BoolVar(&r.passwordStdin, "password-stdin", false, "read passwords and one-time codes from standard input, a line each")
	cmd.Flags().BoolVar(&r.tokenStdin, "token-stdin", false, "read tokens that you made from standard input, a line each")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "token-stdin") // nobody could tell which a line is
}

func (a *app) respondCommand() *cobra.Command {
	var r responding
	cmd := &cobra.Command{
		Use:   "respond ID",
		Short: "Answer an alert: freeze, look for traps, replace and revoke what was exposed",
		Long: `Answers an alert, in the order that wakes no trap: freezes the thief, looks for what it
left behind to start again or to wait for a token to die, disables that with a copy kept,
makes new tokens, puts them in place, revokes the old ones, sees that they are refused, and
ends the thief. Shows the whole plan and asks before anything is touched.

An old token is not revoked before the new one works and is in its place, except with
--contain-now: then it dies first, and for a while, perhaps for good, there is none. What
is interrupted is gone on with by running the same again, or by 'wormbell rotate --resume'.

Some services want you to log in or to approve in a browser: its page is opened and its
address said. Exit status: 0 all is done; 1 something is left to do, which is said; 2 it
could not be done.`,
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
			if alert.User != "" && alert.User != strconv.Itoa(os.Getuid()) {
				return hint(fmt.Errorf("alert %s concerns the user with uid %s: only they can answer it, their tokens are theirs", alert.ID, alert.User),
					"run it as that user")
			}
			return a.respond(cmd.Context(), c, r, incident.Config{Agent: c, Alert: &alert, ContainNow: r.containNow, Force: r.force})
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&r.containNow, "contain-now", false, "revoke first, and then make a new token")
	return cmd
}

// agreed makes an error of a no: what was to be done is not.
func agreed(yes bool) error {
	if !yes {
		return errors.New("nothing was done: you did not agree to the plan")
	}
	return nil
}

// respond prepares an answer, shows it, asks, and carries it out.
func (a *app) respond(ctx context.Context, c Agent, r responding, config incident.Config) error {
	a.hide()
	t := a.newTypist(r)
	m, err := a.machine(t)
	if err != nil {
		return err
	}
	config.Machine, config.By, config.Patience = m, strconv.Itoa(os.Getuid()), patience
	if config.Alert != nil && !config.Alert.Demo {
		if all, err := unwatched(ctx, c, m.Home); err == nil { // else the plan says nothing of it
			config.Doubt = exposure.Doubt(all)
		}
	}
	response, err := incident.Prepare(ctx, config)
	if errors.Is(err, incident.ErrNoToken) {
		return hint(err, "'wormbell tokens' lists what is there")
	} else if err != nil {
		return err
	}
	var result incident.Result
	plan := response.Plan(func(r incident.Result) { result = r })
	if r.plan && a.json {
		return a.print(map[string]any{"version": 1, "plan": map[string]any{"steps": plan.Steps, "tokens": response.Tokens, "begun": response.Begun, "replaced": response.Replaced,
			"persistence": response.Persistence, "decoys": response.Decoys, "by_hand": response.ByHand, "problems": response.Problems, "pages": response.Pages}})
	}
	p := newPrinter(t.out, a.zone)
	p.plan(plan, response.Problems)
	if r.plan {
		return nil
	}
	if !r.yes {
		yes, err := m.Person.Confirm(ctx, "Do all this?")
		if errors.Is(err, respond.ErrNobody) {
			return hint(errors.New("nothing was done: nobody agreed to the plan"), "agree with --yes, or run it in a terminal")
		} else if ctx.Err() != nil {
			return errUntouched
		} else if err != nil {
			return err
		}
		if err := agreed(yes); err != nil {
			return err
		}
	}
	// Before anything is frozen: what cannot be carried out is not begun.
	if err := a.keys(ctx, m, t); ctx.Err() != nil {
		return errUntouched
	} else if err != nil && len(response.Tokens)+len(response.Begun) > 0 && !config.RevokeOnly {
		return hint(fmt.Errorf("nothing was done: there is nowhere to keep new tokens safe until they are in place: %w", err),
			"run it in a terminal: new tokens can be kept in a file sealed with a passphrase", "or revoke without a new token: 'wormbell revoke NAME'")
	}
	err = plan.Do(ctx)
	return a.responded(result, err)
}

// errUntouched says that a person left before anything was done.
var errUntouched = errors.New("interrupted; nothing was done")

// responded shows how an answer went.
func (a *app) responded(result incident.Result, err error) error {
	if a.json {
		if perr := a.print(map[string]any{"version": 1, "response": result}); perr != nil {
			return perr
		}
	} else {
		a.printer().result(result)
	}
	switch {
	case errors.Is(err, incident.ErrWaiting):
		return hint(err, "'wormbell respond ID' again, when it is gone", "--force revokes all the same")
	case errors.Is(err, keychain.ErrNone):
		return err
	case errors.Is(err, context.Canceled):
		return hint(errors.New("interrupted; nothing is lost"), "the same command again goes on")
	case err != nil || !result.Complete:
		return errAlerts
	}
	return nil
}

// plan writes the steps of a plan.
func (p *printer) plan(plan wormbell.Plan, problems []string) {
	for _, s := range problems {
		p.line("%s %s", p.look(yellow, "!"), plain.Text(s))
	}
	p.line("%s", p.look(bold, "The plan"))
	n := 0
	for _, s := range plan.Steps {
		if len(s) > 1 && s[:2] == "  " { // belongs to the step before
			p.wrapped("      - ", plain.Text(s[2:]))
			continue
		}
		n++
		p.wrapped(fmt.Sprintf("%4d. ", n), plain.Text(s))
	}
}

// result writes how an answer went.
func (p *printer) result(r incident.Result) {
	for _, o := range r.Rotations {
		mark := p.look(green, "✓")
		if !o.Done {
			mark = p.look(yellow, "…")
		}
		p.line("%s %s: %s", mark, plain.Text(o.Token), plain.Text(o.Sentence))
	}
	for _, s := range r.Problems {
		p.line("%s %s", p.look(red, "✗"), plain.Text(s))
	}
	if len(r.Left) > 0 {
		p.line("%s", p.look(bold, "What is left to do"))
		for i, s := range r.Left {
			p.wrapped(fmt.Sprintf("%4d. ", i+1), plain.Text(s))
		}
	}
	begun := false
	for _, o := range r.Rotations {
		if o.ID != "" && !o.Done && !o.Abandoned {
			if !begun {
				p.line("  %s goes on with it", p.look(bold, "wormbell rotate --resume"))
			}
			begun = true
			p.line("  %s gives up %s", p.look(bold, "wormbell rotate --give-up "+plain.Text(o.ID)), plain.Text(o.Token))
		}
	}
	seen := map[string]bool{}
	for _, o := range r.Rotations {
		for _, page := range o.Pages {
			if !seen[page.URL] && page.URL != "" {
				p.line("  %s: %s", plain.Text(page.Title), plain.Text(page.URL))
			}
			seen[page.URL] = true
		}
	}
	switch {
	case len(r.Rotations) > 0 && r.Rotations[0].Abandoned:
		p.line("It was given up.")
	case r.Closed:
		p.line("All is done; the alert is closed.")
	case r.Complete:
		p.line("All is done.")
	}
}

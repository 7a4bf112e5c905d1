package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/browser"
	"wormbell/internal/dashboard"
	"wormbell/internal/exposure"
	"wormbell/internal/itwasme"
	"wormbell/internal/plain"
	"wormbell/internal/private"
	"wormbell/internal/words"
)

func (a *app) dashboardCommand() *cobra.Command {
	var page string
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "See and answer alerts in your browser",
		Long: `Serves the dashboard to your browser on this machine, and opens it: the alerts, what one
laid open with its processes as a picture, the response to it, and what the agent sees.

Its pages come from this program over loopback and from nowhere else. The link that is
printed works once, within a minute. Run again, the command has the dashboard that runs
open the page, and prints no link. It ends by itself an hour after the last page was
closed, or with Ctrl-C.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !dashboard.Page(page) {
				return hint(fmt.Errorf("the dashboard has no page %q", page), "for example: wormbell dashboard --open /status")
			}
			return a.dashboard(cmd.Context(), page, !noBrowser)
		},
	}
	cmd.Flags().StringVar(&page, "open", "/", "open `PAGE`: /, /alerts/ID, /alerts/ID/respond, /credentials, /trust, /packages or /status")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only print the link, of a dashboard of its own if one runs")
	return cmd
}

// dashboard has the dashboard that runs open a page, or becomes it.
func (a *app) dashboard(ctx context.Context, page string, open bool) error {
	a.hide() // before anybody is told that this program reads credentials
	_, state, err := folders()
	if err != nil {
		return err
	}
	socket, err := a.dashboardSocket(state)
	if err != nil {
		return err
	}
	lock, err := private.TryLock(socket + ".lock")
	if errors.Is(err, private.ErrLocked) {
		// Where it cannot be told that a person asks, or that one has no browser, a
		// dashboard of its own has the rights of the asker, and no more.
		var refused error
		vouched := func(ctx context.Context) error {
			if a.vouch == nil {
				return nil
			}
			refused = a.vouch(ctx, "open the dashboard that runs")
			return refused
		}
		if open && dashboard.Ask(ctx, socket, page, vouched) == nil {
			if a.json {
				return a.print(map[string]any{"version": 1, "opened": page})
			}
			fmt.Fprintln(a.streams.Out, "The dashboard that runs already opens it in your browser.")
			return nil
		}
		if refused != nil {
			fmt.Fprintln(a.streams.Err, "warning: "+plain.Text(refused.Error())+"; this one is another")
		}
	} else if err != nil {
		return err
	}
	defer lock.Release(false)

	host, _ := os.Hostname() // without one reports do not say it
	w := words.For(os.Getenv)
	s, err := dashboard.Listen(dashboard.Config{
		Dial: func() (dashboard.Agent, error) {
			c, err := a.connect(a.socket)
			if err != nil {
				return nil, err
			}
			d, ok := c.(dashboard.Agent)
			if !ok {
				return nil, errors.New("this agent tells nobody when something changes")
			}
			return d, nil
		},
		Prepare: a.prepare(w),
		Expose:  a.reach(false),
		Suggest: suggest(w),
		UsedTwice: func() {
			fmt.Fprintln(a.streams.Err, "warning: one link was used by two browsers, and one of them may have stolen it: both are locked out, run 'wormbell dashboard' again")
		},
		Words: w,
		Zone:  a.zone,
		Host:  host,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	if lock != nil {
		wg.Go(func() { // opens pages for others until we end
			if err := s.Control(ctx, socket, dashboard.Browser{Admit: a.admit, Open: opener(open)}); err != nil {
				fmt.Fprintln(a.streams.Err, "warning: a second dashboard will not find this one: "+plain.Text(err.Error()))
			}
		})
	}
	var unseen error // nobody has the link: read after wg.Wait
	wg.Go(func() {   // the person is shown the link while it is served
		err := a.opened(ctx, s.Link(page), open)
		switch {
		case errors.Is(err, browser.ErrNone):
			unseen = err
			stop() // whoever asked, the tray above all, shows it in another way
		case err != nil:
			fmt.Fprintln(a.streams.Err, "warning: "+plain.Text(err.Error()))
		}
	})
	err = s.Serve(ctx)
	stop()
	wg.Wait()
	return errors.Join(err, unseen)
}

// opener returns how the dashboard shows a page that another process asks for:
// not at all where its own person wanted no browser.
func opener(wanted bool) func(ctx context.Context, link string) error {
	return func(ctx context.Context, link string) error {
		if !wanted {
			return errors.New("it was started without a browser")
		}
		return browser.Open(ctx, link, os.Getenv)
	}
}

// dashboardSocket is where the dashboard of this user that asks this agent is
// asked to open pages.
func (a *app) dashboardSocket(state string) (string, error) {
	dir := state
	if run := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		dir = filepath.Join(run, "wormbell")
		if err := foreign(dir); err != nil {
			return "", err
		}
	}
	if err := private.Dir(dir); err != nil {
		return "", err
	}
	name := "dashboard.sock"
	if a.socket != "" {
		sum := sha256.Sum256([]byte(a.socket))
		name = "dashboard-" + hex.EncodeToString(sum[:4]) + ".sock"
	}
	return filepath.Join(dir, name), nil
}

// opened says the link and opens it.
func (a *app) opened(ctx context.Context, link string, open bool) error {
	if a.json {
		if err := a.print(map[string]any{"version": 1, "link": link}); err != nil {
			return err
		}
	} else if f, ok := a.streams.Out.(*os.File); open && !(ok && term.IsTerminal(int(f.Fd()))) {
		// What is not a terminal may be a file that any program reads.
		if err := browser.Open(ctx, link, os.Getenv); err != nil {
			return fmt.Errorf("the link is not written to what is no terminal, use --no-browser for that: %w", err)
		}
		return nil
	} else {
		fmt.Fprintf(a.streams.Out, "%s\nThis link works once, within a minute. Ctrl-C ends the dashboard.\n", link)
	}
	if !open {
		return nil
	}
	if err := browser.Open(ctx, link, os.Getenv); err != nil && !errors.Is(err, browser.ErrNone) {
		return err
	}
	return nil // its address was said
}

// admit lets a process have the running dashboard open a page if the agent has
// vouched for it since: only our own program, not started by a package's script,
// is believed when it announces, and that is kept with its PID and file. What
// else the agent accepts may come from any program at a terminal.
func (a *app) admit(ctx context.Context, pid int, since time.Time) error {
	c, err := a.connect(a.socket)
	if err != nil {
		return nil // nobody to ask: there is nothing to be gained either
	}
	if s, err := c.Status(ctx); err != nil || !s.Privileged {
		return nil // it cannot tell programs apart
	}
	calls, err := c.Calls(ctx)
	if err != nil {
		return fmt.Errorf("ask who asks: %w", err)
	}
	own, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if slices.ContainsFunc(calls, func(e wormbell.Event) bool {
		return pid > 0 && e.Process != nil && e.Process.PID == pid && e.Process.Exe == own &&
			strings.HasPrefix(e.Line, "read ") && !e.Time.Before(since.Round(0))
	}) {
		return nil
	}
	return errors.New("the agent does not vouch for the program that asks")
}

// prepare plans answers to alerts for the dashboard.
func (a *app) prepare(w *words.Words) func(context.Context, string, dashboard.How, respond.Person) (*dashboard.Prepared, error) {
	return func(ctx context.Context, id string, how dashboard.How, person respond.Person) (*dashboard.Prepared, error) {
		c, err := a.connect(a.socket)
		if err != nil {
			return nil, err
		}
		alert, err := c.Alert(ctx, id)
		if err != nil {
			return nil, err
		}
		if alert.User != "" && alert.User != strconv.Itoa(os.Getuid()) {
			return nil, fmt.Errorf("alert %s concerns the user with uid %s: only they can answer it, their tokens are theirs", alert.ID, alert.User)
		}
		m, err := a.machine(a.newTypist(responding{}))
		if err != nil {
			return nil, err
		}
		m.Person = person
		config := incident.Config{Machine: m, Agent: c, Alert: &alert, By: strconv.Itoa(os.Getuid()),
			Patience: patience, ContainNow: how.ContainNow, Force: how.Force}
		// An agent that tells programs apart would ring for the dashboard's reading, and
		// take it for the thief. One that does not believes no announcement.
		if s, err := c.Status(ctx); err == nil && s.Privileged {
			config.Announced = true
		}
		if all, err := unwatched(ctx, c, m.Home); err == nil && !alert.Demo { // else the plan says nothing of it
			config.Doubt = exposure.Doubt(all)
		}
		response, err := incident.Prepare(ctx, config)
		if err != nil {
			return nil, err
		}
		var result incident.Result
		plan := response.Plan(func(r incident.Result) { result = r })
		return &dashboard.Prepared{
			Steps: plan.Steps, Problems: response.Problems,
			Ready: func(ctx context.Context) error {
				// Before anything is frozen: what cannot be carried out is not begun.
				err := keysFrom(ctx, m, w)
				if err == nil || len(response.Tokens)+len(response.Begun) == 0 {
					return ctx.Err()
				}
				return fmt.Errorf("%s: %w", w.Say(words.DashNoKeys), err)
			},
			Do: func(ctx context.Context) (incident.Result, error) {
				err := plan.Do(ctx)
				return result, err
			},
		}, nil
	}
}

// suggest says in the person's language which rows "It was me" would make.
func suggest(w *words.Words) func(wormbell.Alert, time.Duration, time.Time) ([]dashboard.Suggestion, string) {
	return func(alert wormbell.Alert, last time.Duration, now time.Time) ([]dashboard.Suggestion, string) {
		rows, why := itwasme.Suggest(alert, now)
		if len(rows) > 0 {
			var err error
			if rows, err = itwasme.Lasting(rows, last, now); err != nil {
				return nil, err.Error()
			}
		}
		var out []dashboard.Suggestion
		for _, r := range rows {
			out = append(out, dashboard.Suggestion{Row: r.Row, Sentence: w.Trust(r.Row, now)})
		}
		if why != "" {
			why = w.Why(why)
		}
		return out, why
	}
}

// keysFrom gives m a place for new tokens, as keys does, and asks m.Person.
func keysFrom(ctx context.Context, m *respond.Machine, w *words.Words) error {
	chain, err := keychain.Open(ctx, keychain.Config{Getenv: m.Getenv, Log: m.Log})
	if err == nil {
		m.Keys, m.Items = chain, chain
		return nil
	}
	if !errors.Is(err, keychain.ErrNone) {
		return err
	}
	if yes, askErr := m.Person.Confirm(ctx, w.Say(words.DashAskSealed)); askErr != nil || !yes {
		return errors.Join(err, askErr)
	}
	sealed, err := openSealed(ctx, filepath.Join(m.State, sealedName), sealing{
		secret: m.Person.Secret, say: m.Person.Say,
		ask: w.Say(words.DashAskPhrase, minPhrase), askNew: w.Say(words.DashAskPhraseNew, minPhrase), again: w.Say(words.DashAskPhraseAgain),
		short: w.Say(words.DashShortPhrase, minPhrase), differ: w.Say(words.DashPhraseDiffers), wrong: w.Say(words.DashWrongPhrase),
	})
	if err != nil {
		return err
	}
	m.Keys = sealed
	return nil
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/answer"
	"wormbell/internal/checkup"
	"wormbell/internal/doctor"
	"wormbell/internal/plain"
)

// checkupOptions are the flags of 'wormbell checkup'.
type checkupOptions struct {
	home        string
	noQuestions bool
	within      time.Duration
	grace       time.Duration // how much longer than within a run for another user may take; 0 is for childGrace
}

func (a *app) checkupCommand() *cobra.Command {
	var o checkupOptions
	cmd := &cobra.Command{
		Use:   "checkup",
		Short: "Am I already infected, and what lies about?",
		Long: `Looks through your home for what a worm leaves behind and for what one would take: what
starts by itself or runs and polls, traces of worms, tokens in plain files, histories and
.env files, settings of npm, pnpm, yarn and bun, and whether the agent would see a worm.
Secrets are told by kind and place only. Changes nothing, runs nothing, asks no service.

Then it asks you at most three questions about programs that have read credentials and that
nobody has vouched for. Root's checkup looks at the homes of all persons, each as its owner.

Exit status: 0 no sign of a worm; 1 signs of one; 2 it could not be looked to the end.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.within < time.Second || o.within > time.Hour {
				return hint(errors.New("--within takes a time from 1s to 1h"), "for example: --within 2m")
			}
			return a.checkup(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.home, "home", "", "look at the home `FOLDER` (default: yours; for root: those of all persons)")
	cmd.Flags().BoolVar(&o.noQuestions, "no-questions", false, "ask nothing")
	cmd.Flags().DurationVar(&o.within, "within", checkup.DefaultWithin, "how long it may take")
	return cmd
}

// handedOn is set in the environment of a checkup that root has handed on, so that
// it is handed on once.
const handedOn = "WORMBELL_CHECKUP_HANDED_ON"

// checkup looks at one home as its owner, or hands every home to a run of this
// program as its owner.
func (a *app) checkup(ctx context.Context, o checkupOptions) error {
	if os.Geteuid() == 0 {
		homes, err := homesOf(ctx, o.home)
		if err != nil {
			return err
		}
		if len(homes) != 1 || homes[0].uid != 0 {
			if os.Getenv(handedOn) != "" {
				return fmt.Errorf("check up %q: this program is still root, and the home is not root's", o.home)
			}
			return a.checkupAs(ctx, o, homes)
		}
		o.home = homes[0].dir
	}
	if o.home == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return fmt.Errorf("find your home: %w", err)
		}
		o.home = home
	}
	home, err := filepath.Abs(o.home)
	if err != nil {
		return fmt.Errorf("find the home %q: %w", o.home, err)
	}
	a.hide()
	c, config := a.checkupConfig(ctx, home)
	config.Within = o.within
	report, err := checkup.Run(ctx, config)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.json {
		if perr := a.print(list("checkups", []checkup.Report{report})); perr != nil {
			return perr
		}
	} else {
		a.printer().checkup(report)
	}
	if err != nil {
		return hint(err, "look whether the folder is there and yours")
	}
	if c != nil && !a.json {
		if err := a.askWhose(ctx, c, config.Alerts, o.noQuestions); err != nil {
			return err
		}
	}
	switch report.State {
	case checkup.Signs:
		return errAlerts
	case checkup.Cannot:
		return hint(errors.New("parts of the home were not looked at"), "give it more time: --within 5m")
	}
	return nil
}

// checkupConfig asks the agent what the checkup must know of it. c is nil if
// there is none.
func (a *app) checkupConfig(ctx context.Context, home string) (c Agent, config checkup.Config) {
	config = checkup.Config{Home: home, Getenv: os.Getenv,
		Agent: doctor.Machine{Now: time.Now(), Home: home, Proc: "/proc", Root: os.Geteuid() == 0}}
	c, err := a.connect(a.socket)
	if err != nil {
		config.Agent.Err = err
		return nil, config
	}
	ctx, cancel := context.WithTimeout(ctx, agentTime)
	defer cancel()
	s, err := c.Status(ctx)
	if err != nil {
		config.Agent.Err = err
		return nil, config
	}
	config.Agent.Status = &s
	config.Alerts, err = c.Alerts(ctx, false)
	if err != nil {
		config.Agent.Status.Problems = append(config.Agent.Status.Problems, "the open alerts could not be read: "+err.Error())
	}
	real, err := answer.Ask(ctx, answer.New(agentTime), home, func() (string, error) { return filepath.EvalSymlinks(home) })
	if err != nil || !slices.Contains(s.Homes, real) {
		return c, config // nobody rings for what is in it
	}
	config.Announce = func(ctx context.Context, files []string) error { return c.Announce(ctx, files, 10*time.Minute) }
	if guarded, err := c.Credentials(ctx); err == nil {
		off, on := []string{}, []string{}
		for _, g := range guarded {
			if g.Store == wormbell.DecoyStore {
				if g.State == wormbell.GuardOn && (g.User == fmt.Sprint(os.Getuid()) || os.Getuid() < 0) {
					config.Decoys = append(config.Decoys, g.Path)
				}
			} else if g.State == wormbell.GuardOff {
				off = append(off, g.Store)
			} else {
				on = append(on, g.Store)
			}
		}
		config.Off = slices.DeleteFunc(off, func(id string) bool { return slices.Contains(on, id) })
	}
	return c, config
}

// agentTime is how long the agent may take to say what it knows.
const agentTime = 10 * time.Second

// checkup writes a report for a person.
func (p *printer) checkup(r checkup.Report) {
	looks := map[checkup.Level]string{checkup.Sign: red, checkup.Risk: yellow, checkup.Note: cyan, checkup.Fine: green, checkup.Unknown: cyan}
	const indent = "           "
	for _, s := range r.Sections {
		head := p.look(bold, s.Title)
		if s.Looked != "" {
			head += p.look(dim, "  "+plain.Text(s.Looked))
		}
		p.line("%s", head)
		if len(s.Findings) == 0 {
			p.line("  %s", p.look(dim, "nothing found"))
		}
		for _, f := range s.Findings {
			for i, l := range wrap(f.What, p.width-len(indent)) {
				if i == 0 {
					p.line("  %s%s", p.look(looks[f.Level], pad(string(f.Level), len(indent)-2)), l)
				} else {
					p.line("%s%s", indent, l)
				}
			}
			for _, l := range []string{f.Where, f.SoWhat} {
				if l != "" {
					p.paragraph(indent, l)
				}
			}
			if f.Do != "" {
				p.wrapped(indent+"→ ", f.Do)
			}
		}
		for _, l := range s.NotLooked {
			p.wrapped("  "+pad("not seen", len(indent)-2), l)
		}
		p.line("")
	}
	look := red
	switch {
	case r.State == checkup.NoSign && r.NotLooked == 0:
		look = green
	case r.State == checkup.NoSign:
		look = yellow
	}
	for _, l := range wrap(r.Verdict, p.width) {
		p.line("%s", p.look(look, l))
	}
	if r.First != "" {
		p.wrapped("First: ", r.First)
	}
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/internal/plain"
)

// tokenRow is one token as 'wormbell tokens' lists it; never its value.
type tokenRow struct {
	respond.Token
	Title   string     `json:"title"`
	Answer  string     `json:"answer"` // what the service says: "alive", "dead", "could not tell"; "not asked"
	Scopes  []string   `json:"scopes"`
	Expires *time.Time `json:"expires,omitempty"`
	Reach   []string   `json:"reach"`
	Exposed []string   `json:"exposed"` // IDs of the open alerts that say so
}

func (a *app) tokensCommand() *cobra.Command {
	var offline bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "tokens [KIND...]",
		Short: "The tokens on this machine: whose, where, what they reach; never a value",
		Long: `Lists the tokens that stand in your credential files and in the keychain: of what kind,
whose, where, what they may do and until when as their services tell, and which alerts say
that they were exposed. Each service is asked about its own tokens only, all at once; what
has not answered when --wait is over could not be told in time. --offline asks none. Variables that your shells' start-up files export are listed by name. No value, and
no part of one, is ever shown.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds := slices.Clone(respond.All)
			if len(args) > 0 {
				for _, id := range args {
					if respond.ByID(id) == nil {
						var ids []string
						for _, k := range respond.All {
							ids = append(ids, k.ID)
						}
						return hint(fmt.Errorf("there are no tokens of kind %q", id), "the kinds are "+strings.Join(ids, ", "))
					}
				}
				kinds = slices.DeleteFunc(kinds, func(k respond.Kind) bool { return !slices.Contains(args, k.ID) })
			}
			if wait <= 0 {
				return hint(errors.New("--wait takes a time such as 30s"), "--offline asks no service")
			}
			return a.tokens(cmd.Context(), kinds, offline, wait)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "ask no service")
	cmd.Flags().DurationVar(&wait, "wait", askAllWithin, "how long to wait for the services, all together")
	return cmd
}

func (a *app) tokens(ctx context.Context, kinds []respond.Kind, offline bool, wait time.Duration) error {
	a.hide()
	t := a.newTypist(responding{})
	m, err := a.machine(t)
	if err != nil {
		return err
	}
	var alerts []wormbell.Alert
	var problems []string
	c, err := a.connect(a.socket)
	if err == nil {
		if alerts, err = c.Alerts(ctx, false); err != nil {
			problems = append(problems, err.Error())
		}
		if err := incident.Announce(ctx, m, kinds, c); err != nil {
			problems = append(problems, err.Error())
		}
	}
	found, err := respond.Find(ctx, m, kinds, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		problems = append(problems, err.Error())
	}
	unheld, err := respond.Unheld(ctx, m, nil)
	if err != nil {
		problems = append(problems, err.Error())
	}
	found = append(found, slices.DeleteFunc(unheld, func(t respond.Token) bool {
		return !slices.ContainsFunc(kinds, func(k respond.Kind) bool { return k.ID == t.Kind })
	})...)
	rows := make([]tokenRow, len(found))
	for i, token := range found {
		rows[i] = tokenRow{Token: token, Title: respond.ByID(token.Kind).Title, Answer: "not asked", Scopes: []string{}, Reach: []string{}, Exposed: exposedBy(alerts, token)}
	}
	p := a.printer()
	show := func(int) {}
	if len(rows) > 0 && !a.json {
		show = p.inTurn(rows, isTerminal(a.streams.Out))
	}
	if !offline {
		if a.json || !isTerminal(a.streams.Out) {
			show = a.progress(rows, show)
		}
		askAll(ctx, m, rows, wait, show)
	} else {
		for i := range rows {
			show(i)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	exported, err := respond.FindExported(ctx, m, nil)
	if err != nil {
		problems = append(problems, err.Error())
	}
	begun, err := (&respond.Rotator{Machine: m}).Unfinished()
	if err != nil {
		problems = append(problems, err.Error())
	}
	if a.json {
		out := list("tokens", rows)
		out["exported"], out["rotations"], out["problems"] = orEmpty(exported), orEmpty(begun), orEmpty(problems)
		return a.print(out)
	}
	p.tokens(rows, exported, begun, problems)
	return nil
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// exposedBy returns the IDs of the alerts that say that a file in which t
// stands was read.
func exposedBy(alerts []wormbell.Alert, t respond.Token) []string {
	ids := []string{}
	for _, a := range alerts {
		if a.Demo {
			continue // it was the file of that name in a scratch home
		}
		read := slices.ContainsFunc(a.Findings, func(f wormbell.Finding) bool {
			return slices.ContainsFunc(f.Evidence, func(e wormbell.Event) bool {
				return e.Kind == wormbell.FileRead && !e.Denied() && slices.ContainsFunc(t.Places, func(p respond.Place) bool { return p.Path != "" && p.Path == e.Path })
			})
		})
		if read {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// token writes one row.
func (p *printer) token(r tokenRow) {
	mark := p.look(green, "●")
	switch {
	case len(r.Exposed) > 0:
		mark = p.look(red, "●")
	case r.Answer != respond.Alive.String():
		mark = p.look(yellow, "○")
	}
	head := r.Title
	if r.Owner != "" {
		head += " of " + r.Owner
	}
	p.line("%s %s  %s, %s", mark, p.look(bold, plain.Text(r.Name)), plain.Text(head), plain.Text(r.Answer))
	for _, place := range r.Places {
		p.wrapped("    in ", plain.Text(place.String()))
	}
	if len(r.Scopes) > 0 {
		p.wrapped("    may ", plain.Text(strings.Join(r.Scopes, ", ")))
	}
	for _, s := range r.Reach {
		p.wrapped("    reaches ", plain.Text(s))
	}
	if r.Expires != nil {
		p.line("    until %s", r.Expires.In(p.zone).Format("2 Jan 2006"))
	}
	for _, id := range r.Exposed {
		p.line("    %s", p.look(red, "exposed by alert "+plain.Text(id)+": wormbell respond "+plain.Text(id)))
	}
	if r.Note != "" {
		p.wrapped("    ", plain.Text(r.Note))
	}
}

// tokens writes what comes after the rows.
func (p *printer) tokens(rows []tokenRow, exported []respond.Exported, begun []respond.Outcome, problems []string) {
	if len(rows) == 0 {
		p.line("No tokens were found in your credential files.")
	}
	if len(exported) > 0 {
		p.line("%s", p.look(bold, "Set where every program inherits them"))
		for _, x := range exported {
			what := x.What
			if what != "" {
				what = " (" + what + ")"
			}
			p.line("  %s  %s, line %d%s", plain.Text(x.Name), plain.Text(x.Path), x.Line, plain.Text(what))
		}
	}
	if len(begun) > 0 {
		p.line("%s", p.look(bold, "Begun and not ended: 'wormbell rotate --resume' goes on"))
		for _, o := range begun {
			p.wrapped("  ", plain.Text(o.ID+"  "+o.Token+": "+o.Sentence))
		}
	}
	for _, s := range problems {
		p.line("%s %s", p.look(yellow, "!"), plain.Text(s))
	}
}

// wrapped writes s after a head, its further lines below its first.
func (p *printer) wrapped(head, s string) {
	indent := strings.Repeat(" ", len(head))
	for i, line := range wrap(s, max(24, p.width-len(head))) {
		if i > 0 {
			head = indent
		}
		p.line("%s%s", head, line)
	}
}

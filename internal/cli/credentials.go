package cli

import (
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/plain"
)

func (a *app) credentialsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "credentials",
		Short: "Which files are guarded, and who read them last",
		Long: `Lists the credential files that the agent knows of: what is in them, whether they are
guarded, and who opened them last. Never what they hold. Files that do not exist are
guarded as soon as they appear; --all lists them too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dialHidden(cmd.Context())
			if err != nil {
				return err
			}
			files, err := c.Credentials(cmd.Context())
			if err != nil {
				return advise(err)
			}
			if a.json {
				return a.print(list("credentials", files))
			}
			a.printer().credentials(files, all)
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also files that do not exist and stores that are off")
	return cmd
}

func (p *printer) credentials(files []wormbell.Guarded, all bool) {
	var rows [][]string
	hidden, users := 0, map[string]bool{}
	for _, f := range files {
		users[f.User] = true
	}
	for _, f := range files {
		if !all && (f.State == wormbell.GuardAbsent || f.State == wormbell.GuardOff) {
			hidden++
			continue
		}
		state := plain.Text(f.State)
		if f.Why != "" {
			state += " (" + plain.Text(f.Why) + ")"
		}
		read := ""
		if f.LastRead != nil {
			read = p.ago(*f.LastRead) + " by " + plain.Text(f.LastBy)
		}
		name := plain.Text(f.Path)
		if len(users) > 1 {
			name += " of user " + plain.Text(f.User)
		}
		rows = append(rows, []string{name, plain.Text(f.Kind), state, read})
	}
	if len(rows) > 0 {
		p.table([]string{"FILE", "HOLDS", "STATE", "LAST READ"}, rows)
	} else {
		p.line("No credential files here yet.")
	}
	if hidden > 0 {
		p.line("%s", p.look(dim, count(hidden, "more file")+" not shown, absent or off; --all lists them all"))
	}
}

// ago is when something was, near ones in words.
func (p *printer) ago(t time.Time) string {
	if d := time.Since(t); d >= 0 && d < time.Hour {
		return d.Round(time.Second).String() + " ago"
	}
	return p.at(t)
}

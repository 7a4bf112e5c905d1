package cli

import (
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wormbell/internal/doctor"
	"wormbell/internal/plain"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "What this machine gives Wormbell, and what to do where it does not",
		Long: `Looks whether this machine gives Wormbell what it needs: the agent and its rights, the
kernel's sensors, npm, the shell's history. Works without an agent too, and changes
nothing. Ends with status 1 if something does not work.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := doctor.Machine{Now: time.Now(), Shell: os.Getenv("SHELL"), Proc: "/proc", Root: os.Geteuid() == 0}
			m.Home, _ = os.UserHomeDir() // without one, the history check finds no settings and says so
			c, err := a.connect(a.socket)
			if err == nil {
				if s, statusErr := c.Status(cmd.Context()); statusErr == nil {
					m.Status = &s
				} else {
					err = statusErr
				}
			}
			m.Err = err
			results := doctor.Examine(cmd.Context(), m)
			if a.json {
				if err := a.print(list("checks", results)); err != nil {
					return err
				}
			} else {
				a.printer().checks(results)
			}
			if slices.ContainsFunc(results, func(r doctor.Result) bool { return r.State == doctor.Fail }) {
				return errAlerts
			}
			return nil
		},
	}
}

func (p *printer) checks(results []doctor.Result) {
	looks := map[doctor.State]string{doctor.OK: green, doctor.Warn: yellow, doctor.Fail: red, doctor.Unknown: cyan}
	names := 0
	for _, r := range results {
		names = max(names, width(r.Check))
	}
	for _, r := range results {
		head := []string{string(r.State), r.Check}
		indent := 9 + names + 2
		for i, l := range wrap(plain.Text(r.Says), p.width-indent) {
			if i == 0 {
				p.line("%s  %-*s  %s", p.look(looks[r.State], pad(head[0], 7)), names, head[1], l)
			} else {
				p.line("%*s%s", indent, "", l)
			}
		}
		if r.Do != "" {
			for i, l := range wrap(hinted(plain.Text(r.Do)), p.width-indent-2) {
				mark := "  "
				if i == 0 {
					mark = "→ "
				}
				p.line("%*s%s%s", indent, "", mark, l)
			}
		}
	}
}

// pad fills s up to n columns.
func pad(s string, n int) string {
	for width(s) < n {
		s += " "
	}
	return s
}

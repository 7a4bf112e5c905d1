package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/plain"
)

func (a *app) trustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Who may read which credentials without an alert",
		Long: `Shows and changes the table of who may read which credentials without an alert. Below a
dependency's install script no row applies, except the package manager reading its own
file. Wide rows need root. An administrator's rows are in files of /etc/wormbell/trust.d,
which the list names; nobody removes them but with the file.`,
	}
	cmd.AddCommand(a.trustListCommand(), a.trustAddCommand(), a.trustRemoveCommand(), a.trustCheckCommand(), a.trustExportCommand())
	return cmd
}

func (a *app) trustListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "The rows that are in force, built-in ones included",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			rows, err := c.Trust(cmd.Context())
			if err != nil {
				return advise(err)
			}
			if a.json {
				return a.print(list("trust", rows))
			}
			p := a.printer()
			if len(rows) == 0 {
				p.line("Nobody is trusted.")
				return nil
			}
			var cells [][]string
			for _, r := range rows {
				store := plain.Text(r.Store)
				if r.Path != "" {
					store += " " + plain.Text(r.Path)
				}
				reason := plain.Text(r.Reason)
				if r.Until != nil {
					reason = "until " + r.Until.In(p.zone).Format("Mon 2 Jan 2006 15:04") + ": " + reason
				}
				by := plain.Text(r.By)
				if r.File != "" {
					by = plain.Text(r.File)
				}
				cells = append(cells, []string{plain.Text(r.ID), store, plain.Text(r.Who), plain.Text(r.Under), by, reason})
			}
			p.table([]string{"ID", "STORE", "WHO", "UNDER", "BY", "REASON"}, cells)
			return nil
		},
	}
}

func (a *app) trustAddCommand() *cobra.Command {
	var row wormbell.TrustRow
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "add --store STORE --who WHO --reason TEXT",
		Short: "Let a program read a store",
		Example: `  wormbell trust add --store aws --who exe:/opt/backup/bin/backup --reason "nightly backup"
  wormbell trust add --store npm --path ~/.npmrc --who signer:deb:vim --under person --for 8h --reason "editing it today"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if row.Store == "" || row.Who == "" || strings.TrimSpace(row.Reason) == "" {
				return hint(errors.New("a row needs --store, --who and --reason"), "see 'wormbell trust add --help'")
			}
			if cmd.Flags().Changed("for") {
				if within <= 0 {
					return hint(fmt.Errorf("%v is no time to come", within), "for example: --for 8h")
				}
				until := time.Now().Add(within).UTC()
				row.Until = &until
			}
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			added, err := c.AddTrust(cmd.Context(), row)
			if err != nil {
				return advise(err)
			}
			if a.json {
				return a.print(added)
			}
			a.printer().line("Added as %s. 'wormbell trust remove %s' takes it back.", plain.Text(added.ID), plain.Text(added.ID))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&row.Store, "store", "", "ID of the `STORE`, as 'wormbell credentials --json' names it; * for all (needs root)")
	f.StringVar(&row.Who, "who", "", "`PROGRAM`: exe:/path, \"exe:/path script:/path\", signer:deb:NAME (or rpm:, pacman:, apk:)")
	f.StringVar(&row.Under, "under", "not-a-dependency-script", "started by `WHAT`: person, project, not-a-dependency-script, any")
	f.StringVar(&row.Path, "path", "", "only this `FILE` of the store, written with ~")
	f.StringVar(&row.Reason, "reason", "", "`TEXT` that says why, kept with the row")
	f.DurationVar(&within, "for", 0, "only for this `TIME`, such as 30m or 8h")
	return cmd
}

func (a *app) trustRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Take a row back",
		Long: `Takes a row back. The row of a tool in your home (first-use) that stands vouches for
nothing from then on; one that has fallen, because its files have changed, is forgotten:
what is there now is trusted until it changes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.RemoveTrust(cmd.Context(), args[0]); err != nil {
				return advise(err)
			}
			return a.done("The row is removed.")
		},
	}
}

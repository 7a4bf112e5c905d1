package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/settings"
	"wormbell/internal/plain"
)

func (a *app) settingsCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "settings [--check FILE...]",
		Short: "What is set, where, and what is locked",
		Long: `Shows every setting of the running agent: its value, the file or flag that it comes from,
and whether an administrator has locked it. What is locked, only the administrator's files
change.

--check asks no agent: it says what is wrong with files that are to become settings of
root's agent, and ends with status 2 if something is. It looks at what they say, not at
whose they are; 'wormbelld --check' looks at all that are in place.`,
		Example: `  wormbell settings
  wormbell settings --check 50-fleet.toml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case check && len(args) == 0:
				return hint(errors.New("--check needs a file"), "for example: wormbell settings --check 50-fleet.toml")
			case check:
				return a.checkFiles(args, func(path string) (string, []error) {
					if err := settings.CheckFile(path); err != nil {
						return "", []error{err}
					}
					return "in order", nil
				})
			case len(args) > 0:
				return hint(fmt.Errorf("what about %q?", args[0]), "'wormbell settings --check FILE' says what is wrong with a file")
			}
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return advise(err)
			}
			if a.json {
				return a.print(list("settings", s.Settings))
			}
			a.printer().settings(s.Settings)
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "say what is wrong with files before they are put in place")
	return cmd
}

func (p *printer) settings(all []wormbell.Setting) {
	if len(all) == 0 {
		p.line("This agent does not tell its settings.")
		return
	}
	var rows [][]string
	for _, s := range all {
		locked := ""
		if s.Locked {
			locked = "locked by " + plain.Text(s.LockedBy)
		}
		rows = append(rows, []string{plain.Text(s.Key), setTo(s.Value), plain.Text(s.From), locked})
	}
	p.table([]string{"SETTING", "VALUE", "FROM", "LOCKED"}, rows)
}

// setTo writes the value of a setting, as it came out of JSON, for a person.
func setTo(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case []any:
		words := make([]string, len(v))
		for i, x := range v {
			words[i] = plain.Text(fmt.Sprint(x))
		}
		if len(words) == 0 {
			return "-"
		}
		return strings.Join(words, ", ")
	case bool:
		if v {
			return "on"
		}
		return "off"
	}
	return plain.Text(fmt.Sprint(v))
}

// checked is what was found in one file.
type checked struct {
	File  string   `json:"file"`
	Wrong []string `json:"wrong"` // in sentences; empty if all is well
}

// checkFiles says of each file what is wrong with it, or that it is fine.
func (a *app) checkFiles(paths []string, check func(path string) (fine string, wrong []error)) error {
	var out []checked
	var hints []string
	bad := 0
	for _, path := range paths {
		fine, wrong := check(path)
		c := checked{path, []string{}}
		for _, err := range wrong {
			c.Wrong = append(c.Wrong, err.Error())
			hints = append(hints, plain.Text(path+": "+err.Error()))
		}
		if out = append(out, c); len(wrong) > 0 {
			bad++
		} else if !a.json {
			a.printer().line("%s: %s", plain.Text(path), fine)
		}
	}
	if a.json {
		if err := a.print(list("files", out)); err != nil {
			return err
		}
	}
	if bad > 0 {
		return hint(fmt.Errorf("%s not as it should be", map[bool]string{true: "a file is", false: "files are"}[bad == 1]), hints...)
	}
	return nil
}

func (a *app) trustCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Whether files of rows can become an administrator's",
		Long: `Says what is wrong with files of rows before they are put into /etc/wormbell/trust.d, and
ends with status 2 if something is. Asks no agent. What a row's program is, only the agent
looks at.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.checkFiles(args, func(path string) (string, []error) {
				good, wrong := settings.CheckTrustFile(path, time.Now())
				return "in order, " + count(good, "row"), wrong
			})
		},
	}
}

func (a *app) trustExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "The rows that people have added, as a file for an administrator",
		Long: `Writes the rows that people have added on this machine, "It was me" among them, in the form
of a file of /etc/wormbell/trust.d: one's own, or as root everybody's. Read them before you
push them: each holds for every user of every machine that has the file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			all, err := c.Trust(cmd.Context())
			if err != nil {
				return advise(err)
			}
			rows := []wormbell.TrustRow{}
			for _, r := range all {
				if r.By != "built-in" && r.By != "first-use" && r.File == "" {
					rows = append(rows, r)
				}
			}
			if a.json {
				return a.print(list("trust", rows))
			}
			fmt.Fprintf(a.streams.Out, "# %s of people's, as a file for /etc/wormbell/trust.d\n%s", count(len(rows), "row"), settings.WriteTrust(rows))
			return nil
		},
	}
}

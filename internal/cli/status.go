package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/internal/plain"
	updates "wormbell/internal/update" // the tests have an "update"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "What the agent sees, and what it does not",
		Long: `Shows the agent's sensors (through which backend each looks, whether it knows who did
something, how many events were lost), how well each detector sees with them, and what
is wrong with the agent itself, and whether the package manager knows of a newer
version. Ends with status 0 whenever the agent answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return advise(err)
			}
			newer := a.lookForUpdate(cmd.Context())
			if a.json {
				return a.print(struct {
					wormbell.Status
					Update *updates.Result `json:"update,omitempty"`
				}{s, newer})
			}
			p := a.printer()
			p.status(s)
			p.update(newer)
			return nil
		},
	}
}

// lookForUpdate asks this machine's package manager, as the user; nil if nobody
// is to be asked.
func (a *app) lookForUpdate(ctx context.Context) *updates.Result {
	if a.updates == nil {
		return nil
	}
	r := a.updates(ctx)
	return &r
}

func (p *printer) update(r *updates.Result) {
	if r == nil {
		return
	}
	text := "Updates: " + plain.Text(r.String())
	p.line("")
	if r.State == updates.Newer {
		text = p.look(yellow, text)
	}
	p.line("%s", text)
}

func (p *printer) status(s wormbell.Status) {
	who := "as user " + s.User
	if s.Privileged {
		who = "as root"
	}
	up := time.Duration(s.Uptime * float64(time.Second)).Round(time.Second)
	p.line("%s %s, %s, pid %d, up %v", p.look(bold, "wormbelld"), plain.Text(s.Version), plain.Text(who), s.PID, up)
	p.line("%.1f s of processor time (%.2f %% of a core), %.1f MB of memory", s.CPU, percent(s.CPU, s.Uptime), float64(s.RSS)/1e6)
	p.line("socket %s, state %s", plain.Text(s.Socket), plain.Text(s.State))
	for _, h := range s.Homes {
		p.line("guards %s", plain.Text(h))
	}
	if s.PausedUntil != nil {
		whose := "your notifications"
		if s.PausedForAll {
			whose = "everybody's notifications"
		}
		p.line("%s", p.look(yellow, whose+" are paused until "+p.at(*s.PausedUntil)+", but for critical alerts"))
	}
	if s.Protect {
		p.line("protect is on: %s denied", count(s.Denied, "read"))
	}
	for _, l := range lockedLines(s.Settings) {
		p.paragraph("", l)
	}
	p.line("%s, %s open, %s", count(s.Events, "event"), count(s.Alerts, "alert"), lost(s.Lost))
	p.line("")
	var rows [][]string
	for _, sensor := range s.Sensors {
		backend, knows := plain.Text(sensor.Backend), "no"
		if sensor.Backend == "" {
			backend, knows = "down", "-"
		} else if sensor.Who {
			knows = "yes"
		}
		why := plain.Text(sensor.Why)
		if sensor.Restarts > 0 {
			why = count(sensor.Restarts, "restart") + " " + why
		}
		rows = append(rows, []string{plain.Text(sensor.Name), backend, knows, strconv.Itoa(sensor.Events), strconv.Itoa(sensor.Lost), why})
	}
	p.table([]string{"SENSOR", "BACKEND", "WHO", "EVENTS", "LOST", "WHAT IT CANNOT SEE"}, rows)
	p.line("")
	rows = nil
	for _, d := range s.Detectors {
		rows = append(rows, []string{plain.Text(d.ID), plain.Text(d.Sees), plain.Text(d.Title)})
	}
	p.table([]string{"DETECTOR", "HERE", "RINGS WHEN"}, rows)
	if len(s.Notices) > 0 {
		p.line("")
		p.line("%s", p.look(yellow, "To know"))
		for _, notice := range s.Notices {
			p.paragraph("  ", plain.Text(notice))
		}
	}
	if len(s.Problems) > 0 {
		p.line("")
		p.line("%s", p.look(red, "Problems"))
		for _, problem := range s.Problems {
			p.paragraph("  ", plain.Text(problem))
		}
	}
}

// lockedLines says what an administrator has locked, a line for each file.
func lockedLines(all []wormbell.Setting) (lines []string) {
	keys := map[string][]string{}
	var files []string
	for _, s := range all {
		if !s.Locked {
			continue
		}
		if keys[s.LockedBy] == nil {
			files = append(files, s.LockedBy)
		}
		keys[s.LockedBy] = append(keys[s.LockedBy], plain.Text(s.Key))
	}
	for _, f := range files {
		lines = append(lines, "locked by your administrator: "+strings.Join(keys[f], ", ")+" ("+plain.Text(f)+")")
	}
	return lines
}

func lost(n int) string {
	if n == 0 {
		return "none lost"
	}
	return fmt.Sprintf("%d lost", n)
}

func percent(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * part / whole
}

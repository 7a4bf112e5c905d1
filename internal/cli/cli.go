// Package cli is the wormbell command line: it asks the agent over its socket
// and shows the answers, to a person or as JSON.
//
// It runs as the user, holds no state, and decides nothing that the agent
// should: what it cannot ask, it says it cannot. Everything that came from
// outside is made safe for a terminal before it is printed.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"wormbell"
	"wormbell/installer"
	"wormbell/internal/exposure"
	"wormbell/internal/plain"
	updates "wormbell/internal/update" // the tests have an "update"
)

// Exit statuses (docs/architecture.md).
const (
	exitFine   = 0
	exitAlerts = 1 // there are alerts where a script would want to know
	exitCannot = 2 // wrong usage, or it could not be done
)

// Streams are where a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Run executes one command line, without the program's name, and returns the
// exit status. Cancelling ctx ends a command that follows something; that is
// its usual end and no error.
func Run(ctx context.Context, args []string, s Streams) int {
	a := &app{streams: s, zone: time.Local, connect: connect, asks: true, look: installer.Look}
	a.vouch = a.vouched
	a.updates = func(ctx context.Context) updates.Result { return updates.Look(ctx, updates.Config{}) }
	return a.run(ctx, args)
}

// Command returns the tree of commands for the pages and completions that are
// made of it. It is not to be executed: Run does that.
func Command() *cobra.Command {
	root := (&app{zone: time.UTC}).root()
	root.InitDefaultCompletionCmd()
	return root
}

// run executes one command line.
func (a *app) run(ctx context.Context, args []string) int {
	s := a.streams
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	var p *problem
	var ended exitStatus
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errAlerts):
		return exitAlerts
	case errors.As(err, &ended):
		return int(ended)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil && !errors.As(err, &p):
		p = &problem{err: errors.New("interrupted")}
	case errors.As(err, &p):
	default:
		p = &problem{err: err}
	}
	fmt.Fprintln(s.Err, "wormbell: "+plain.Text(p.Error()))
	for _, h := range p.hints {
		fmt.Fprintln(s.Err, "hint: "+hinted(h))
	}
	return exitCannot
}

// errAlerts makes the exit status say that there are alerts.
var errAlerts = errors.New("there are alerts")

// problem is an error with advice for the person who meets it.
type problem struct {
	err   error
	hints []string
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// hint adds advice to err.
func hint(err error, hints ...string) error {
	return &problem{err, hints}
}

// app is one run of the command line.
type app struct {
	streams Streams
	socket  string
	json    bool
	zone    *time.Location
	connect func(socket string) (Agent, error)
	// vouch asks the agent whether who runs this program may have tokens. nil:
	// nobody is asked.
	vouch func(ctx context.Context, what string) error
	// look asks the service manager about the agent. nil: nobody is asked.
	look func(ctx context.Context) (installer.State, error)
	// target is what install and uninstall change, from programs in the folder
	// source; nil: this machine, from those beside this one.
	target *installer.Machine
	source string
	asks   bool // expose is made by reach: the person's files and services may be asked
	// updates says whether there is a newer version. nil: nobody is asked.
	updates func(ctx context.Context) updates.Result
	// expose fills in what services and files tell of an incident: Reach,
	// Versions and Exported. nil: nobody is asked.
	expose func(ctx context.Context, alert wormbell.Alert, x *exposure.Exposure) error
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "wormbell",
		Short: "The alarm bell for npm worms",
		Long: `Wormbell watches the credentials, packages and processes of this machine and rings
when an npm package steals, spreads or farms. This program asks the agent, wormbelld,
what it sees and what rang.

Exit status: 0 fine; 1 alerts are present where a script would want to know
(alerts --min-severity, replay); 2 wrong usage, or it could not be done.`,
		Version:           version(),
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDescriptions: false},
	}
	root.SetVersionTemplate("wormbell {{.Version}}\n")
	root.PersistentFlags().StringVar(&a.socket, "socket", "", "speak to the agent at `PATH` (default: the system's agent, else your own)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON for programs")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint(err, "see '"+cmd.CommandPath()+" --help'")
	})
	root.AddCommand(a.statusCommand(), a.settingsCommand(), a.alertsCommand(), a.alertCommand(), a.trustCommand(), a.credentialsCommand(), a.decoyCommand(),
		a.pauseCommand(), a.protectCommand(), a.callsCommand(), a.doctorCommand(), a.checkupCommand(), a.recordCommand(), a.replayCommand(),
		a.demoCommand(), a.respondCommand(), a.revokeCommand(), a.rotateCommand(), a.tokensCommand(), a.restoreCommand(), a.runCommand(), a.vaultCommand(), a.execCommand(), a.dashboardCommand(),
		a.installCommand(), a.uninstallCommand(), a.versionCommand())
	usage(root)
	return root
}

// oneAlert wants the ID of an alert, and says where one gets it.
func oneAlert(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return hint(errors.New("it wants the ID of one alert"), "'wormbell alerts' lists them; four letters of an ID are enough")
	}
	return nil
}

// usage makes wrong arguments of cmd and below an error with a hint.
func usage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); errors.As(err, new(*problem)) {
				return err
			} else if err != nil {
				return hint(err, "see '"+cmd.CommandPath()+" --help'")
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return hint(fmt.Errorf("there is no command %q in %q", args[0], cmd.CommandPath()), "see '"+cmd.CommandPath()+" --help'")
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, c := range cmd.Commands() {
		usage(c)
	}
}

// printer returns how to write for the person at out.
func (a *app) printer() *printer {
	return newPrinter(a.streams.Out, a.zone)
}

// pipeWidth is how wide text is written that no terminal receives.
const pipeWidth = 100

func newPrinter(w io.Writer, zone *time.Location) *printer {
	p := &printer{w: w, width: pipeWidth, zone: zone}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
		p.width = min(max(columns-1, 40), 110)
	}
	return p
}

// print writes v as JSON, indented on a terminal and in one line otherwise.
func (a *app) print(v any) error {
	enc := json.NewEncoder(a.streams.Out)
	enc.SetEscapeHTML(false)
	if f, ok := a.streams.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// list is a JSON answer that holds several things. The version changes when
// an existing field does.
func list[T any](name string, things []T) map[string]any {
	if things == nil {
		things = []T{} // arrays are never null
	}
	return map[string]any{"version": 1, name: things}
}

// table writes rows in columns; the last one, which holds sentences, is wrapped.
func (p *printer) table(head []string, rows [][]string) {
	last := len(head) - 1
	widths := make([]int, last)
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row[:last] {
			widths[i] = max(widths[i], width(cell))
		}
	}
	indent := 0
	for _, w := range widths {
		indent += w + 2
	}
	below := p.width-indent < 24 // too narrow for sentences: they get lines of their own
	for n, row := range append([][]string{head}, rows...) {
		var b strings.Builder
		for i, cell := range row[:last] {
			b.WriteString(pad(cell, widths[i]) + "  ")
		}
		text := wrap(row[last], max(24, p.width-indent))
		if below {
			text = wrap(row[last], p.width-4)
		} else {
			b.WriteString(text[0])
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			p.line("%s", p.look(dim, line))
			continue
		}
		p.line("%s", line)
		if below && row[last] != "" {
			p.line("    %s", strings.Join(text, "\n    "))
		}
		if !below {
			for _, l := range text[1:] {
				p.line("%s%s", strings.Repeat(" ", indent), l)
			}
		}
	}
}

// version is the version of the module as built.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program, and of the agent if it runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var agent string
			if c, err := a.dial(cmd.Context()); err == nil {
				if s, err := c.Status(cmd.Context()); err == nil {
					agent = s.Version
				}
			}
			if a.json {
				return a.print(map[string]any{"version": 1, "wormbell": version(), "agent": agent})
			}
			fmt.Fprintln(a.streams.Out, "wormbell "+version())
			if agent != "" {
				fmt.Fprintln(a.streams.Out, "agent "+plain.Text(agent))
			}
			return nil
		},
	}
}

// severityFlag parses --min-severity.
func severityFlag(s string) (wormbell.Severity, error) {
	if s == "" {
		return 0, nil
	}
	v, err := wormbell.ParseSeverity(s)
	if err != nil {
		return 0, hint(err, "for example: wormbell alerts --min-severity high")
	}
	return v, nil
}

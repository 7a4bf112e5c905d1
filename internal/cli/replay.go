package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/plain"
	"wormbell/internal/scene"
)

// maxScene is far above any scene that a person would look at, in bytes.
const maxScene = 16 << 20

func (a *app) replayCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE",
		Short: "What the detectors say of a scene",
		Long: `Shows a scene to the detectors of this program and prints what they find, without an
agent. Ends with status 1 if a scene that says what must be found finds something else,
or if one of its quiet events rings. '-' reads the standard input.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := a.streams.In
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("read the scene: %w", err)
				}
				defer f.Close()
				if st, err := f.Stat(); err == nil && st.IsDir() {
					return fmt.Errorf("read the scene: %q is a folder", args[0])
				}
				in = f
			}
			text, err := io.ReadAll(io.LimitReader(in, maxScene+1))
			if err != nil {
				return fmt.Errorf("read the scene: %w", err)
			}
			if len(text) > maxScene {
				return fmt.Errorf("read the scene: it is larger than %d MiB", maxScene>>20)
			}
			return a.replay(a.streams.Out, text)
		},
	}
}

// replay shows a scene to fresh detectors and writes what they find.
func (a *app) replay(w io.Writer, text []byte) error {
	s, err := scene.Parse(text)
	if err != nil {
		return err
	}
	var noise []wormbell.Finding
	if len(s.Quiet) > 0 {
		noise = play(s.Quiet)
	}
	found := play(s.Events)
	// A scene is about the detectors that its findings name; what others make
	// of the same events is shown and proves nothing against it.
	named := detectorsOf(s.Findings)
	others := func(f wormbell.Finding) bool { return len(named) > 0 && !named[f.Detector] }
	noise = slices.DeleteFunc(noise, others)
	differs := len(named) > 0 && strings.TrimSpace(s.Findings) != strings.TrimSpace(scene.Findings(slices.DeleteFunc(slices.Clone(found), others)))
	if a.json {
		if found == nil {
			found = []wormbell.Finding{}
		}
		if noise == nil {
			noise = []wormbell.Finding{}
		}
		if err := a.print(map[string]any{"version": 1, "findings": found, "quiet": noise, "as_expected": !differs && len(noise) == 0}); err != nil {
			return err
		}
	} else {
		p := a.printer()
		p.w = w
		p.scene(s, found, noise, differs)
	}
	if differs || len(noise) > 0 {
		return errAlerts
	}
	return nil
}

// detectorsOf returns the detectors that a scene's findings name: the second
// word of each line.
func detectorsOf(findings string) map[string]bool {
	named := map[string]bool{}
	for line := range strings.Lines(findings) {
		if f := strings.Fields(line); len(f) > 1 {
			named[f[1]] = true
		}
	}
	return named
}

func play(events []wormbell.Event) []wormbell.Finding {
	return scene.Replay(events, detect.NewEngine(detect.All, detect.NewTrust()).Observe)
}

func (p *printer) scene(s *scene.Scene, found, noise []wormbell.Finding, differs bool) {
	if s.Prose != "" {
		p.paragraph("", plain.Text(strings.Join(strings.Fields(s.Prose), " ")))
		p.line("")
	}
	p.line("%s, %s", count(len(s.Events), "event"), count(len(found), "finding"))
	for _, f := range found {
		p.finding(f)
	}
	if len(noise) > 0 {
		p.line("")
		p.line("%s", p.look(red, "These rang although the scene says that they must be quiet:"))
		for _, f := range noise {
			p.finding(f)
		}
	}
	if differs {
		p.line("")
		p.line("%s", p.look(red, "The scene says that this must be found:"))
		for line := range strings.Lines(s.Findings) {
			p.paragraph("  ", plain.Text(strings.TrimRight(line, "\n")))
		}
	}
}

// finding writes one finding, wrapped below its head.
func (p *printer) finding(f wormbell.Finding) {
	p.line("  %s  %s  %s", p.look(severityLook(f.Severity), pad(f.Severity.String(), 8)), plain.Text(f.Detector), p.look(dim, shorten(plain.Text(f.Subject), 60)))
	p.paragraph("            ", plain.Text(f.Summary))
}

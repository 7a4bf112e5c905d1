package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"wormbell"
)

// day is what came of one.
type day struct {
	seed  uint64
	done  int
	left  []string // chores that were left out, and why
	rang  []entry  // in the order in which they were seen
	lost  string   // events, and by whom
	began time.Time
	lasts time.Duration
	took  []spent

	progress io.Writer // nil: nobody watches
}

// entry is an alert, which is one line of the list that a person sees.
type entry struct {
	id       string
	severity wormbell.Severity
	findings []found
	evidence []wormbell.Event // what they rest on now
}

// found is a finding of an alert, and the chore after which it was seen.
type found struct{ detector, summary, after string }

// spent is how long a chore took.
type spent struct {
	chore string
	time  time.Duration
}

// note takes in an alert as it stands after a chore.
func (d *day) note(a wormbell.Alert, after string) {
	i := slices.IndexFunc(d.rang, func(e entry) bool { return e.id == a.ID })
	if i < 0 {
		d.rang = append(d.rang, entry{id: a.ID})
		i = len(d.rang) - 1
	}
	e := &d.rang[i]
	e.severity = max(e.severity, a.Severity)
	e.evidence = nil
	for _, f := range a.Findings {
		e.evidence = append(e.evidence, f.Evidence...)
		n := found{f.Detector, f.Summary, after}
		if !slices.ContainsFunc(e.findings, func(o found) bool { return o.detector == n.detector && o.summary == n.summary }) {
			e.findings = append(e.findings, n)
		}
	}
}

// count returns how many alerts are above low, and how many are low.
func (d *day) count() (loud, low int) {
	for _, e := range d.rang {
		if e.severity > wormbell.Low {
			loud++
		} else {
			low++
		}
	}
	return loud, low
}

// clean reports whether nothing rang that should not.
func (d *day) clean() bool {
	loud, low := d.count()
	return loud == 0 && low <= 1
}

// losses says how many events an agent lost, and on whose way.
func losses(s wormbell.Status) string {
	var by []string
	queue := s.Lost
	for _, w := range s.Sensors {
		if queue -= w.Lost; w.Lost > 0 {
			by = append(by, fmt.Sprintf("%d by %s (%s)", w.Lost, w.Name, w.Backend))
		}
	}
	if queue > 0 {
		by = append(by, fmt.Sprintf("%d by the queue", queue))
	}
	if len(by) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, %s", s.Lost, strings.Join(by, ", "))
}

// tell writes what came of d: the gravest first.
func (d *day) tell(out io.Writer, times bool) {
	loud, low := d.count()
	fmt.Fprintf(out, "day %d: %d chores in %v; above low: %d, low: %d, events lost: %s\n", d.seed, d.done, d.lasts.Round(time.Second), loud, low, cmp.Or(d.lost, "not known"))
	rang := slices.Clone(d.rang)
	slices.SortStableFunc(rang, func(a, b entry) int { return cmp.Compare(b.severity, a.severity) })
	for _, e := range rang {
		for _, f := range e.findings {
			fmt.Fprintf(out, "  %s %s: %s: %s, after %s\n", e.severity, e.id, f.detector, f.summary, f.after)
		}
		if e.severity > wormbell.Low {
			for _, ev := range e.evidence {
				fmt.Fprintf(out, "    %s\n", account(ev))
			}
		}
	}
	for _, l := range d.left {
		fmt.Fprintln(out, "  "+l)
	}
	if !times {
		return
	}
	const most = 20 // of the slowest are told
	slow := slices.SortedStableFunc(slices.Values(d.took), func(a, b spent) int { return cmp.Compare(b.time, a.time) })
	for _, s := range slow[:min(len(slow), most)] {
		fmt.Fprintf(out, "  took %v: %s\n", s.time.Round(100*time.Millisecond), s.chore)
	}
}

// account is an event of an alert that should not be, with what was known of who did it.
func account(e wormbell.Event) string {
	s := fmt.Sprintf("%s %s %s", e.Time.UTC().Format("15:04:05.000"), e.Kind, e.Path)
	for p := range e.Process.Chain {
		s += fmt.Sprintf("; %d %s %q", p.PID, p.Exe, p.Args)
		if p.Script != "" {
			s += " script " + p.Script
		}
		if p.Signer != "" || p.Tool != "" {
			s += fmt.Sprintf(" vouched for by %q, tool %q", p.Signer, p.Tool)
		}
		if p.Unjudged {
			s += " unjudged"
		}
	}
	return s
}

// outcome is what came of a day, for a program.
type outcome struct {
	Seed    uint64  `json:"seed"`
	Proves  bool    `json:"proves"` // each chore was done
	Clean   bool    `json:"clean"`
	Chores  int     `json:"chores"` // that were done
	Left    int     `json:"left"`   // out, as this machine lacks a program
	Loud    int     `json:"loud"`   // alerts above low
	Low     int     `json:"low"`
	Lost    string  `json:"lost"` // events, and by whom; "" if the agent did not say
	Seconds float64 `json:"seconds"`
}

// outcome returns d's, which ended with err.
func (d *day) outcome(err error) outcome {
	loud, low := d.count()
	return outcome{Seed: d.seed, Proves: err == nil, Clean: d.clean(), Chores: d.done, Left: len(d.left), Loud: loud, Low: low, Lost: d.lost, Seconds: d.lasts.Seconds()}
}

// write writes the outcomes to a file; "" is none.
func write(file string, outcomes []outcome) error {
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(outcomes, "", " ")
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write what came of the days: %w", err)
	}
	return nil
}

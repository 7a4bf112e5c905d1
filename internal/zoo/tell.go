package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"wormbell/agent/detect"
)

// named reports whether a detector knows what it looks for by names or digests.
func named(id string) bool { return detect.ByID(id).Named }

// row is what came of the worms of one campaign, or of all.
type row struct {
	worms, played, caught, unnamed, slow, connected int

	times []time.Duration // from the first act to the first alert of high or above
}

func (o *row) add(r *result) {
	o.worms++
	if r.err != nil {
		return
	}
	o.played++
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	count(&o.caught, r.caught(none))
	count(&o.unnamed, r.caught(named))
	count(&o.slow, r.has(r.patient, none))
	count(&o.connected, r.connected)
	if r.grave {
		o.times = append(o.times, r.first)
	}
}

// cells are those of a row's line in the table.
func (o *row) cells(name string) []string {
	median, longest := "–", "–"
	if slices.Sort(o.times); len(o.times) > 0 {
		median, longest = short(o.times[len(o.times)/2]), short(o.times[len(o.times)-1])
	}
	connected := "–"
	if o.connected > 0 {
		connected = fmt.Sprint(o.connected)
	}
	return []string{name, fmt.Sprint(o.worms), fmt.Sprint(o.caught), fmt.Sprint(o.unnamed), fmt.Sprint(o.slow), connected, median, longest}
}

// write writes o as JSON to a file; "" is none.
func (o *row) write(file string) error {
	if file == "" {
		return nil
	}
	times := []float64{}
	for _, t := range o.times {
		times = append(times, float64(t.Microseconds())/1000)
	}
	b, err := json.MarshalIndent(map[string]any{"worms": o.worms, "played": o.played, "caught": o.caught, "unnamed": o.unnamed, "slow": o.slow, "ms": times}, "", " ")
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the sum: %w", err)
	}
	return nil
}

// short writes a time as the documents do: "84 ms", "4.1 s".
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// tell prints recall and time of each campaign as a table of a document, what
// was missed, and the sum.
func tell(results []result, out io.Writer) (all row, missed int, err error) {
	table := [][]string{{"campaign", "worms", "caught", "without names", "over three days", "connections told", "median", "longest"}}
	var broken []error
	for _, c := range campaigns {
		var o row
		for i := range results {
			r := &results[i]
			if r.worm.Campaign != c.name {
				continue
			}
			o.add(r)
			all.add(r)
			switch {
			case r.err != nil:
				broken = append(broken, fmt.Errorf("%s, seed %d: %w", c.name, r.worm.Seed, r.err))
			case !r.caught(none):
				missed++
			}
		}
		if o.worms > 0 {
			table = append(table, o.cells("`"+c.name+"`"))
		}
	}
	writeTable(append(table, all.cells("all")), out)
	for i := range results {
		results[i].say(out)
	}
	fmt.Fprintf(out, "%d of %d caught, %d without the detectors that go by names, %d with their acts spread over three days; %d could not be played\n",
		all.caught, all.played, all.unnamed, all.slow, len(broken))
	return all, missed, errors.Join(broken...)
}

// writeTable writes a table in Markdown, its columns in line.
func writeTable(table [][]string, out io.Writer) {
	width := make([]int, len(table[0]))
	for _, cells := range table {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for n, cells := range table {
		for i, c := range cells {
			fmt.Fprintf(out, "| %-*s ", width[i], c)
		}
		fmt.Fprintln(out, "|")
		if n == 0 {
			for _, w := range width {
				fmt.Fprintf(out, "|%s", strings.Repeat("-", w+2))
			}
			fmt.Fprintln(out, "|")
		}
	}
}

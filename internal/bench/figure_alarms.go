package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// zooSeed and daySeed are the first of the seeds that are played.
const (
	zooSeed = 60000
	daySeed = 1
	// daysTogether is how many days go on at a time: each waits for much of its time.
	daysTogether = 4
)

// measureZoo plays the zoo and takes how many worms rang.
func measureZoo(ctx context.Context, b *bench) ([]row, error) {
	var sum struct {
		Worms, Played, Caught, Unnamed, Slow int
		MS                                   []float64 // from the first act to the alert
	}
	n := b.pick(42, 2) // of each of twelve campaigns
	if err := b.tool(ctx, &sum, "zoo", "-n", fmt.Sprint(n), "-seed", fmt.Sprint(zooSeed)); err != nil {
		return nil, err
	}
	if sum.Worms == 0 {
		return nil, errors.New("no worm was played")
	}
	share := func(what string, of int, note string) row {
		return row{What: what, Reach: "100 %", Reached: fmt.Sprintf("%d of %d", of, sum.Worms), Met: of == sum.Worms, Note: note}
	}
	ms := sample(sum.MS)
	rows := []row{
		share("zoo: worms that rang", sum.Caught, fmt.Sprintf("seeds from %d, %d of each campaign; %d could not be played, and count as missed; see [the zoo](zoo.md)", zooSeed, n, sum.Worms-sum.Played)),
		share("zoo: worms that rang without any detector that goes by names or digests", sum.Unnamed, ""),
		share("zoo: worms that had rung, had their acts taken three days", sum.Slow, "their events shown once more to an engine of its own, with stretched times"),
	}
	if len(ms) > 0 {
		rows = append(rows, row{What: "zoo: first act → alert, p50", Reached: fmt.Sprintf("%.0f ms", ms.median()), Note: "with the worm's own waiting; " + ms.spread("%.0f") + " ms"})
	}
	return rows, nil
}

// measureDays has working days without a worm and takes how many were quiet.
func measureDays(ctx context.Context, b *bench) ([]row, error) {
	var days []struct {
		Seed      uint64
		Proves    bool
		Clean     bool
		Chores    int
		Left      int
		Loud, Low int
		Lost      string
		Seconds   float64
	}
	n := b.pick(20, 1)
	if err := b.tool(ctx, &days, "cleanday", "-days", fmt.Sprint(n), "-seed", fmt.Sprint(daySeed), "-together", fmt.Sprint(daysTogether)); err != nil {
		return nil, err
	}
	var clean, proves, loud, low, most, losing int
	var minutes sample
	for _, d := range days {
		if d.Proves {
			proves++
		}
		if d.Proves && d.Clean {
			clean++
		}
		if d.Lost != "0" {
			losing++
		}
		loud, low, most = loud+d.Loud, low+d.Low, max(most, d.Chores)
		minutes = append(minutes, d.Seconds/60)
	}
	if len(days) == 0 {
		return nil, errors.New("no day was had")
	}
	return []row{
		{What: "clean day: days with no alert above low and at most one low", Reach: fmt.Sprintf("%d of %d", n, n), Reached: fmt.Sprintf("%d of %d", clean, n), Met: clean == n,
			Note: fmt.Sprintf("seeds from %d, %d days at a time, %d chores each and %d left out; in %d of them each chore was done to its end; %s min each; see [the clean day](clean-day.md)", daySeed, daysTogether, most, days[0].Left, proves, minutes.spread("%.0f"))},
		{What: "clean day: alerts above low, in all of them", Reach: "0", Reached: fmt.Sprint(loud), Met: loud == 0},
		{What: "clean day: alerts that are low, in all of them", Reach: fmt.Sprintf("≤ %d", n), Reached: fmt.Sprint(low), Met: low <= n},
		{What: "clean day: days in which an event was lost", Reached: fmt.Sprint(losing)},
	}, nil
}

// tool runs a command of this module's internal folder, which says at the terminal what
// it does and writes to a file what came of it; that goes into v. The status 1 says that
// what it looked for was not reached, and is no error.
func (b *bench) tool(ctx context.Context, v any, name string, args ...string) error {
	program, file := filepath.Join(b.dir, name), filepath.Join(b.dir, name+".json")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./internal/"+name).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	cmd := exec.CommandContext(ctx, program, append(args, "-bin", b.bin, "-json", file)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends what it has started
	cmd.WaitDelay = time.Minute
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return errors.Join(runErr, fmt.Errorf("read what came of %s: %w", name, err))
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read what came of %s: %w", name, err)
	}
	return nil
}

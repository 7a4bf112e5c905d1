// Command bench measures the figures of docs/benchmarks.md: how fast the bell
// rings, what it misses and what it costs.
//
// Everything goes through the front door: the real wormbelld from bin on a
// scratch home, the real npm against a registry on loopback, what the API
// shows. A figure is a ratio, a difference or processor seconds, with a
// reference from the same run, because absolute times say more about the
// machine than about the agent. A figure that is not reached is said and is no
// error; it must not know how the agent does anything, and it leaves nothing
// behind, also when it is interrupted.
//
//	go run ./internal/bench [-quick] [-only NAME,...] [-update]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], roleMark) {
		runtime.LockOSThread() // a role opens files in its first thread, as nearly every program does
		if err := play(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	var only string
	flag.StringVar(&only, "only", "", "measure these figures alone, by `NAME,...`: "+strings.Join(names(), ", ")+"; the last two take an hour, and are measured only so")
	flag.BoolVar(&o.quick, "quick", false, "fewer rounds, some minutes altogether")
	flag.BoolVar(&o.update, "update", false, "write what was measured to docs/benchmarks.md; figures that were not stay as they are")
	flag.StringVar(&o.bin, "bin", "bin", "the `FOLDER` with the programs to measure")
	flag.StringVar(&o.dir, "dir", "", "make scratch files in `DIR`, of the file system that is of interest, instead of the temporary folder")
	flag.Parse()
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, o)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// Where the figures are kept, from the root of the repository.
const (
	resultsFile = "internal/bench/results.json"
	pageFile    = "docs/benchmarks.md"
)

type options struct {
	only          []string // names of figures; none means all
	quick, update bool
	bin, dir      string
}

var (
	errUsage = errors.New("wrong usage")
	errRoot  = errors.New("needs root: permission marks and file-system marks")
)

// run measures what o asks for and prints it. The error says what could not be
// measured; a figure that is not reached is none.
func run(ctx context.Context, o options) (err error) {
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	before, err := readResults(resultsFile)
	if o.update && err != nil {
		return err
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	began := time.Now()
	m := thisMachine(ctx, b.dir)
	fmt.Printf("wormbell figures, %s\n%s; load %s\n\n", began.UTC().Format("2006-01-02 15:04 MST"), m, or(load(), "unknown"))
	var done []measured
	var failed []error
	for _, f := range chosen {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		fmt.Printf("%s: %s\n", f.name, f.about)
		t0, busy := time.Now(), load()
		rows, err := f.run(ctx, b)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		if err != nil {
			rows = append(rows, row{What: f.about, Note: err.Error()})
			if !errors.Is(err, errRoot) {
				failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
			}
		}
		for _, r := range rows {
			fmt.Println(r)
		}
		fmt.Printf("  (%.0f s)\n\n", time.Since(t0).Seconds())
		done = append(done, measured{f, busy, rows})
	}
	fmt.Print(summary(done))
	fmt.Printf("took %.0f s; removing the scratch files\n", time.Since(began).Seconds())
	if o.update && len(failed) == 0 {
		after := before.with(began, m, o.quick, done)
		if err := after.write(resultsFile); err != nil {
			return err
		}
		if err := os.WriteFile(pageFile, []byte(page(after)), 0o644); err != nil {
			return fmt.Errorf("write the figures: %w", err)
		}
		fmt.Println("wrote", pageFile)
	}
	return errors.Join(failed...)
}

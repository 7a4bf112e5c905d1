// Command zoo plays inert worms before the real agent and tells which it caught.
//
// Every campaign is played as it was seen (seed 0), and in variations that a
// seed stands for: other names, orders, languages, delays, trees. A worm touches
// a scratch home with decoy tokens and a registry on loopback inside this
// program, and nothing else. It must not know how the agent decides: it reads
// what the API says.
//
//	go run ./internal/zoo [-n N] [-seed S] [-campaign NAME,...] [-mutators DIR] [-json FILE] [-print]
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

type options struct {
	n, parallel int
	seed        uint64
	campaigns   string
	mutators    string
	clients     string
	bin         string
	json        string // a file; "" for none
	print       bool
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 24, "play `N` worms of each campaign")
	flag.Uint64Var(&o.seed, "seed", 0, "the first worm's `SEED`; 0 is the campaign as it was seen")
	flag.StringVar(&o.campaigns, "campaign", "", "play these campaigns alone, by `NAME,...`")
	flag.StringVar(&o.mutators, "mutators", "", "have each program in `DIR` change every worm: it gets the worm as JSON and writes it back")
	flag.StringVar(&o.clients, "clients", "/opt/wormbell-test/clients", "the `FOLDER` of the package managers beside npm, where .ci/deps puts them")
	flag.IntVar(&o.parallel, "parallel", 2, "play `N` worms at a time")
	flag.StringVar(&o.bin, "bin", "bin", "the `FOLDER` of wormbelld")
	flag.StringVar(&o.json, "json", "", "write the sum to `FILE`, too")
	flag.BoolVar(&o.print, "print", false, "write the worms as JSON instead, one a line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed, err := zoo(ctx, o, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "zoo:", err)
		os.Exit(2)
	case missed > 0:
		os.Exit(1)
	}
}

// zoo plays what o asks for, and returns how many were not caught.
func zoo(ctx context.Context, o options, out io.Writer) (missed int, err error) {
	worms, err := choose(ctx, o)
	if err != nil {
		return 0, err
	}
	if o.print {
		e := json.NewEncoder(out)
		for _, w := range worms {
			if err := e.Encode(w); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
	if os.Geteuid() != 0 {
		return 0, errors.New("needs root: without it nobody sees who reads")
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return 0, err
	}
	results := make([]result, len(worms))
	next := make(chan int)
	var wait sync.WaitGroup
	for range max(o.parallel, 1) {
		wait.Go(func() {
			for i := range next {
				results[i] = play(ctx, worms[i], o)
				results[i].say(os.Stderr) // a long run tells at once what there is to look at
			}
		})
	}
	order := make([]int, len(worms)) // by seed: what is interrupted has played some of each campaign
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(worms[a].Seed, worms[b].Seed) })
	for _, i := range order {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wait.Wait()
	if ctx.Err() != nil {
		results = slices.DeleteFunc(results, func(r result) bool { return r.worm == nil || r.err != nil })
		fmt.Fprintf(out, "interrupted: %d of %d were played\n", len(results), len(worms))
	}
	all, missed, err := tell(results, out)
	return missed, errors.Join(err, all.write(o.json))
}

// choose breeds the worms.
func choose(ctx context.Context, o options) (worms []*Worm, err error) {
	var programs []string
	if o.mutators != "" {
		if programs, err = filepath.Glob(filepath.Join(o.mutators, "*")); err != nil {
			return nil, err
		}
	}
	names := strings.Split(o.campaigns, ",")
	for _, c := range campaigns {
		if o.campaigns != "" && !slices.Contains(names, c.name) {
			continue
		}
		for i := range o.n {
			w := breed(c, o.seed+uint64(i))
			for _, p := range programs {
				if w, err = mutate(ctx, p, w); err != nil {
					return nil, err
				}
			}
			if err := w.check(); err != nil {
				return nil, fmt.Errorf("%s, seed %d: %w", w.Campaign, w.Seed, err)
			}
			worms = append(worms, w)
		}
	}
	if len(worms) == 0 {
		return nil, fmt.Errorf("no campaign %q", o.campaigns)
	}
	return worms, nil
}

// mutate has a program of somebody else's change a worm.
func mutate(ctx context.Context, program string, w *Worm) (*Worm, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	in, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	var changed Worm
	d := json.NewDecoder(bytes.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&changed); err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return &changed, nil
}

// say writes by which command a worm is played again that was not caught, or could
// not be played.
func (r *result) say(out io.Writer) {
	switch w := r.worm; {
	case r.err != nil:
		fmt.Fprintf(out, "not played: -campaign %s -seed %d -n 1: %v\n", w.Campaign, w.Seed, r.err)
	case !r.caught(none):
		fmt.Fprintf(out, "missed: -campaign %s -seed %d -n 1: wants %v, rang %v\n", w.Campaign, w.Seed, w.Want, r.rang)
	case !r.has(r.patient, none):
		fmt.Fprintf(out, "missed over three days: -campaign %s -seed %d -n 1: wants %v, would have rung %v\n", w.Campaign, w.Seed, w.Want, r.patient)
	}
}

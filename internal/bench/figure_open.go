package main

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// openRound is what one round saw, with the agent or without.
type openRound struct {
	guarded, beside sample  // microseconds of each open()
	aside           sample  // of the guarded one's by a thread other than the opener's first
	protect         sample  // of the guarded one's with protect on; with the agent only
	least           sample  // of the guarded one's while a program answers that does nothing else; without the agent only
	job             float64 // processor seconds of the job elsewhere
}

// measureOpen alternates between an agent and none and takes, in both states,
// how long an open() of a guarded file takes at one open per 2 ms, one of the
// file beside it, and what a job costs that opens 50,000 files elsewhere.
func measureOpen(ctx context.Context, b *bench) ([]row, error) {
	rounds, opens := b.pick(7, 3), b.pick(500, 300)
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.write("~/notes.txt", "nothing\n"); err != nil {
		return nil, err
	}
	elsewhere := filepath.Join(h.dir, "elsewhere")
	files, err := h.forest(elsewhere, 50_000)
	if err != nil {
		return nil, err
	}
	pause(ctx, 2500*time.Millisecond)                             // a file younger than two seconds is another case
	if _, err := h.openRound(ctx, elsewhere, opens); err != nil { // fills the caches
		return nil, err
	}
	var on, off []openRound
	for n := range rounds {
		for _, with := range []bool{n%2 == 0, n%2 != 0} { // A B B A, so that a drift hits both
			r, err := h.openRoundWith(ctx, with, elsewhere, opens)
			if err != nil {
				return nil, err
			}
			if with {
				if r.protect, err = h.pacedProtected(ctx, opens); err != nil {
					return nil, err
				}
				on = append(on, r)
				continue
			}
			if r.least, err = h.pacedAnswered(ctx, opens); err != nil {
				return nil, err
			}
			off = append(off, r)
		}
	}
	return openRows(on, off, opens, files), nil
}

func (h *home) openRoundWith(ctx context.Context, with bool, elsewhere string, opens int) (openRound, error) {
	if with {
		a, err := h.startAgent(ctx)
		if err != nil {
			return openRound{}, err
		}
		defer a.stop()
		if err := a.calm(ctx); err != nil {
			return openRound{}, err
		}
	}
	return h.openRound(ctx, elsewhere, opens)
}

func (h *home) openRound(ctx context.Context, elsewhere string, opens int) (r openRound, err error) {
	// The first walk warms the processor up: it was idle while an agent started.
	for _, times := range []string{"1", "4"} {
		if r.job, err = h.processorTime(ctx, h.reader, "@walk", elsewhere, times); err != nil {
			return r, err
		}
	}
	if r.beside, err = h.paced(ctx, "@pace", "notes.txt", opens); err != nil {
		return r, err
	}
	if r.guarded, err = h.paced(ctx, "@pace", ".npmrc", opens); err != nil {
		return r, err
	}
	r.aside, err = h.paced(ctx, "@aside", ".npmrc", opens)
	return r, err
}

// pacedProtected returns how long opens of the guarded file take that protect
// judges and lets go on.
func (h *home) pacedProtected(ctx context.Context, opens int) (sample, error) {
	a, err := h.startAgent(ctx, "--protect")
	if err != nil {
		return nil, err
	}
	defer a.stop()
	if err := a.calm(ctx); err != nil {
		return nil, err
	}
	return h.paced(ctx, "@pace", ".npmrc", opens)
}

// pacedAnswered returns how long opens of the guarded file take while a program
// answers them that does nothing else.
func (h *home) pacedAnswered(ctx context.Context, opens int) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := h.command(ctx, "~", h.reader, "@answer", h.path+"/.npmrc")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the reference: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the reference: %w", err)
	}
	defer cmd.Wait() // it is ended on purpose
	defer cancel()
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("start the reference: it says %q: %w", said, err)
	}
	return h.paced(ctx, "@pace", ".npmrc", opens)
}

// paced returns how long opens of a file of the home took in a role, in microseconds.
func (h *home) paced(ctx context.Context, role, file string, opens int) (took sample, err error) {
	out, err := h.role(ctx, role, filepath.Join(h.path, file), fmt.Sprint(opens), "2ms")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		ns, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err != nil {
			return nil, fmt.Errorf("read what the opener wrote: %w", err)
		}
		took = append(took, ns/1000)
	}
	return took, nil
}

// processorTime runs a program and returns what it and its children used, in seconds.
func (h *home) processorTime(ctx context.Context, argv ...string) (float64, error) {
	cmd := h.command(ctx, "~", argv...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("run %q: %w: %s", argv[0], err, tail(string(out)))
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// forest makes a tree of about n files, most of them hard links, in dir.
func (h *home) forest(dir string, n int) (files int, err error) {
	first := filepath.Join(dir, "0")
	size, err := plant(first, parcels(410))
	if err != nil {
		return 0, err
	}
	files = size
	for i := 1; files+size <= n+size/2; i++ {
		if err := twin(first, filepath.Join(dir, strconv.Itoa(i))); err != nil {
			return 0, err
		}
		files += size
	}
	return files, nil
}

// openRows makes the figures of the rounds.
func openRows(on, off []openRound, opens, files int) []row {
	each := func(rounds []openRound, f func(openRound) float64) (s sample) {
		for _, r := range rounds {
			s = append(s, f(r))
		}
		return s
	}
	cost := func(what, reach string, limit float64, f func(openRound) float64) row {
		with, without := each(on, f), each(off, f)
		d := with.differences(without)
		return row{What: what, Reach: reach, Reached: fmt.Sprintf("%+.1f µs", d.median()), Met: d.median() <= limit,
			Note: fmt.Sprintf("median of %d rounds of %d opens, one per 2 ms, by a program that nobody vouches for: on %.1f µs, off %.1f µs; differences %s µs",
				len(d), opens, with.median(), without.median(), d.spread("%+.1f"))}
	}
	least := func(q float64) string {
		return fmt.Sprintf("; a program that answers at once and looks at nothing costs %+.1f µs on this machine in the same run",
			each(off, func(r openRound) float64 { return r.least.quantile(q) - r.guarded.quantile(q) }).median())
	}
	rows := []row{
		cost("open() of a guarded file, p50, on minus off", "≤ 100 µs", 100, func(r openRound) float64 { return r.guarded.quantile(0.5) }),
		cost("open() of a guarded file, p99, on minus off", "≤ 1,000 µs", 1000, func(r openRound) float64 { return r.guarded.quantile(0.99) }),
		cost("open() of a file beside it, p50, on minus off", "≤ +10 µs", 10, func(r openRound) float64 { return r.beside.quantile(0.5) }),
	}
	aside := each(on, func(r openRound) float64 { return r.aside.quantile(0.5) }).differences(each(off, func(r openRound) float64 { return r.aside.quantile(0.5) }))
	rows[0].Note += least(0.5) + fmt.Sprintf("; opened by a thread other than the opener's first, which the agent must look for, %+.1f µs", aside.median())
	rows[1].Note += least(0.99)
	protected := func(q float64) sample {
		return each(on, func(r openRound) float64 { return r.protect.quantile(q) }).differences(each(off, func(r openRound) float64 { return r.guarded.quantile(q) }))
	}
	d := protected(0.99)
	rows = append(rows, row{What: "the same with protect on, of an opener that goes on, p99", Reach: "≤ 1,000 µs", Reached: fmt.Sprintf("%+.1f µs", d.median()), Met: d.median() <= 1000,
		Note: fmt.Sprintf("on minus off, median of as many rounds; p50 %+.1f µs; differences %s µs", protected(0.5).median(), d.spread("%+.1f"))})
	with, without := each(on, func(r openRound) float64 { return r.job }), each(off, func(r openRound) float64 { return r.job })
	ratio := with.ratios(without)
	return append(rows, row{What: "processor time of a job elsewhere, on / off", Reach: "≤ ×1.02", Reached: fmt.Sprintf("×%.3f", ratio.median()), Met: ratio.median() <= 1.02,
		Note: fmt.Sprintf("median of %d pairs that walk and open %d files outside the homes four times: on %.2f s, off %.2f s; ratios %s",
			len(ratio), files, with.median(), without.median(), ratio.spread("×%.3f"))})
}

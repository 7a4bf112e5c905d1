package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// measureCopy alternates between an agent and none and takes the processor
// time of cp -a of a node_modules of 40,000 files inside the home. Each copy
// stays until the end of the run; see home.close.
func measureCopy(ctx context.Context, b *bench) ([]row, error) {
	rounds := b.pick(5, 3)
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	const packages = 2050 // some 40,000 files
	files, err := plant(h.path+"/projects/app", parcels(packages))
	if err != nil {
		return nil, err
	}
	if _, err := h.copyTo(ctx, "first"); err != nil { // fills the caches
		return nil, err
	}
	var on, off, own sample
	for n := range rounds {
		for _, with := range []bool{n%2 == 0, n%2 != 0} { // A B B A, so that a drift hits both
			if !with {
				took, err := h.copyTo(ctx, fmt.Sprintf("off-%d", n))
				if err != nil {
					return nil, err
				}
				off = append(off, took)
				continue
			}
			took, cost, err := h.copyGuarded(ctx, fmt.Sprintf("on-%d", n))
			if err != nil {
				return nil, err
			}
			on, own = append(on, took), append(own, cost)
		}
	}
	ratio := on.ratios(off)
	return []row{
		{What: "processor time of cp -a of a node_modules of 40,000 files, on / off", Reach: "≤ ×1.10", Reached: fmt.Sprintf("×%.3f", ratio.median()), Met: ratio.median() <= 1.10,
			Note: fmt.Sprintf("median of %d pairs, %d files: on %.2f s, off %.2f s; ratios %s", len(ratio), files, on.median(), off.median(), ratio.spread("×%.3f"))},
		{What: "the agent's own processor time for that copy", Reached: fmt.Sprintf("%.2f s", own.median()), Note: own.spread("%.2f") + " s"},
	}, nil
}

// copyGuarded is copyTo under an agent, whose own processor seconds for it are
// returned too.
func (h *home) copyGuarded(ctx context.Context, name string) (took, own float64, err error) {
	a, err := h.startAgent(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer a.stop()
	if err := a.calm(ctx); err != nil {
		return 0, 0, err
	}
	before, err := a.cpu()
	if err != nil {
		return 0, 0, err
	}
	if took, err = h.copyTo(ctx, name); err != nil {
		return 0, 0, err
	}
	if err := a.calm(ctx); err != nil {
		return 0, 0, err
	}
	after, err := a.cpu()
	return took, (after - before).Seconds(), err
}

// copyTo copies the project with its node_modules to another one and returns
// the processor seconds of cp. What was written before is brought to the disk
// first: cp would have to wait and search while that is under way.
func (h *home) copyTo(ctx context.Context, name string) (float64, error) {
	if err := h.run(ctx, "~", "sync", "-f", h.path); err != nil {
		return 0, err
	}
	pause(ctx, 500*time.Millisecond)
	return h.processorTime(ctx, "cp", "-a", h.path+"/projects/app", filepath.Join(h.path, "projects", name))
}

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// measureInstall runs npm ci of 410 packages again and again. Each round takes
// the agent's own processor time for the install, then rewrites every
// package.json of the project and counts those whose change is in the stream
// of events. The listener is there for the second part alone: it costs too.
func measureInstall(ctx context.Context, b *bench) ([]row, error) {
	rounds := b.pick(10, 2)
	const packages = 410
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.seed("~/projects/app", parcels(packages)); err != nil {
		return nil, err
	}
	if err := h.run(ctx, "~/projects/app", "npm", "install", "--ignore-scripts"); err != nil {
		return nil, err
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	var own, npm sample
	var seen []string
	whole := true
	for range rounds {
		o, n, err := a.installOnce(ctx)
		if err != nil {
			return nil, err
		}
		own, npm = append(own, o), append(npm, n)
		got, want, err := a.editsSeen(ctx)
		if err != nil {
			return nil, err
		}
		whole = whole && got == want && want >= packages
		seen = append(seen, fmt.Sprintf("%d/%d", got, want))
	}
	return []row{
		{What: "edits of manifests seen after npm ci of 410 packages", Reach: fmt.Sprintf("all, in %d rounds", rounds), Reached: strings.Join(seen, ", "), Met: whole,
			Note: "every package.json of the project is written again, in place and with the same text, once the agent is calm after the install"},
		{What: "the agent's own processor time for npm ci of 410 packages", Reach: "≤ 0.3 s", Reached: fmt.Sprintf("%.2f s", own.median()), Met: own.median() <= 0.3,
			Note: fmt.Sprintf("median of %d installs, %s s, both processes; npm itself used %.1f s", len(own), own.spread("%.2f"), npm.median())},
	}, nil
}

// installOnce reinstalls the project and returns the processor seconds of the
// agent and of npm.
func (a *agent) installOnce(ctx context.Context) (own, npm float64, err error) {
	if err := a.calm(ctx); err != nil {
		return 0, 0, err
	}
	before, err := a.cpu()
	if err != nil {
		return 0, 0, err
	}
	cmd := a.home.command(ctx, "~/projects/app", "npm", "ci", "--ignore-scripts", "--offline", "--no-audit", "--no-fund")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("npm ci: %w: %s", err, tail(string(out)))
	}
	if err := a.calm(ctx); err != nil {
		return 0, 0, err
	}
	after, err := a.cpu()
	return (after - before).Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), err
}

// editsSeen rewrites every manifest of the project and returns how many of
// them were reported as written, of how many.
func (a *agent) editsSeen(ctx context.Context) (got, want int, err error) {
	var mu sync.Mutex // guards seen
	seen := map[string]bool{}
	heard, err := a.events(ctx, func(e wormbell.Event) {
		if e.Kind == wormbell.FileWrite && strings.HasSuffix(e.Path, "/package.json") {
			mu.Lock()
			defer mu.Unlock()
			seen[e.Path] = true
		}
	})
	if err != nil {
		return 0, 0, err
	}
	defer heard.stop()
	out, err := a.home.role(ctx, "@rewrite", filepath.Join(a.home.path, "projects", "app"))
	if err != nil {
		return 0, 0, err
	}
	var wanted []string
	for line := range strings.Lines(out) {
		wanted = append(wanted, "~"+strings.TrimPrefix(strings.TrimSpace(line), a.home.path))
	}
	count := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range wanted {
			if seen[p] {
				n++
			}
		}
		return n
	}
	until(ctx, 3*time.Second, func() bool { return count() == len(wanted) })
	return count(), len(wanted), heard.stop()
}

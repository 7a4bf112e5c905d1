package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// measureCredential takes the time from just before a reader's open() of
// ~/.npmrc until a client that follows the alerts holds the alert with that
// reader in it. First each reader is an incident of its own: the install
// script of another dependency, which npm runs one after the other. Then the
// readers are programs that nobody vouches for, of one incident that grows.
// Every few readers a fresh agent begins, so that it is not the length of the
// list of alerts that is timed.
func measureCredential(ctx context.Context, b *bench) ([]row, error) {
	const batch = 25
	count := b.pick(300, 200)
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	thieves := make([]parcel, count)
	for i := range thieves {
		name := fmt.Sprintf("thief-%03d", i)
		thieves[i] = parcel{name: name, manifest: map[string]any{"name": name, "version": "1.0.0",
			"scripts": map[string]string{"postinstall": fmt.Sprintf("%s @read %s/.npmrc %s", h.reader, h.path, h.readers())}}}
	}
	if err := h.seed("~/projects/app", thieves); err != nil {
		return nil, err
	}
	if err := h.run(ctx, "~/projects/app", "npm", "install", "--ignore-scripts"); err != nil {
		return nil, err
	}
	var many, one delays
	for first := 0; first < count; first += batch {
		some := thieves[first:min(first+batch, count)]
		if err := h.timeReaders(ctx, &many, len(some), func() error {
			rebuild := []string{"npm", "rebuild", "--foreground-scripts"}
			for _, t := range some {
				rebuild = append(rebuild, t.name)
			}
			return h.run(ctx, "~/projects/app", rebuild...)
		}); err != nil {
			return nil, err
		}
	}
	for first := 0; first < count; first += batch {
		n := min(batch, count-first)
		if err := h.timeReaders(ctx, &one, n, func() error { return h.readBySeveral(ctx, n) }); err != nil {
			return nil, err
		}
	}
	return append(many.rows("each the install script of another dependency", count), one.rows("programs nobody vouches for", count)...), nil
}

// readers is the file in which readers note their reads.
func (h *home) readers() string { return filepath.Join(h.path, "work", "readers") }

// readBySeveral starts n readers one after the other, each of them another
// program to whoever looks: the same program again would be no new finding.
func (h *home) readBySeveral(ctx context.Context, n int) error {
	for i := range n {
		program := fmt.Sprintf("%s-%d", h.reader, i)
		if err := os.Link(h.reader, program); err != nil && !os.IsExist(err) {
			return fmt.Errorf("prepare a reader: %w", err)
		}
		if err := h.run(ctx, "~", program, "@read", h.path+"/.npmrc", h.readers()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// delays are those of the readers that were seen, in milliseconds, and in how
// many alerts they were.
type delays struct {
	took   sample
	alerts int
}

func (d delays) rows(which string, count int) []row {
	note := fmt.Sprintf("%d readers of ~/.npmrc, %s; %d seen in %d alerts, %s ms", count, which, len(d.took), d.alerts, d.took.spread("%.1f"))
	if len(d.took) == 0 {
		return []row{{What: "credential read → alert visible, " + which, Reach: "≤ 10 ms", Reached: "none seen", Note: note}}
	}
	p50, p99 := d.took.quantile(0.5), d.took.quantile(0.99)
	all := len(d.took) == count
	return []row{
		{What: "credential read → alert visible, p50, " + which, Reach: "≤ 10 ms", Reached: fmt.Sprintf("%.1f ms", p50), Met: all && p50 <= 10, Note: note},
		{What: "credential read → alert visible, p99, " + which, Reach: "≤ 50 ms", Reached: fmt.Sprintf("%.1f ms", p99), Met: all && p99 <= 50},
	}
}

// timeReaders starts an agent, lets do run count readers, and adds their
// delays to d.
func (h *home) timeReaders(ctx context.Context, d *delays, count int, do func() error) error {
	if err := os.WriteFile(h.readers(), nil, 0o644); err != nil {
		return fmt.Errorf("prepare the readers: %w", err)
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	var mu sync.Mutex // guards the rest
	seen, alerts := map[int]time.Time{}, map[string]bool{}
	heard, err := a.follow(ctx, func(alert wormbell.Alert) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		for _, f := range alert.Findings {
			for _, e := range f.Evidence {
				if f.Detector != "credential-read" || e.Process == nil {
					continue
				}
				alerts[alert.ID] = true
				if pid := e.Process.PID; seen[pid].IsZero() {
					seen[pid] = now
				}
			}
		}
	})
	if err != nil {
		return err
	}
	defer heard.stop()
	pause(ctx, startUp)
	if err := do(); err != nil {
		return err
	}
	until(ctx, 2*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) >= count })
	if err := heard.stop(); err != nil {
		return err
	}
	text, err := os.ReadFile(h.readers())
	if err != nil {
		return fmt.Errorf("read what the readers wrote: %w", err)
	}
	d.alerts += len(alerts)
	for line := range strings.Lines(string(text)) {
		pid, at, err := numberAndTime(line)
		if err != nil {
			return err
		}
		if when := seen[pid]; !when.IsZero() {
			d.took = append(d.took, millis(when.Sub(at)))
		}
	}
	return nil
}

// numberAndTime reads a line of two numbers, the second one nanoseconds by the
// machine's clock.
func numberAndTime(line string) (int, time.Time, error) {
	first, second, _ := strings.Cut(strings.TrimSpace(line), " ")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read %q: %w", line, err)
	}
	at, err := strconv.ParseInt(second, 10, 64)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read %q: %w", line, err)
	}
	return n, time.Unix(0, at), nil
}

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// editor is a script that nobody vouches for. It removes "private" from one
// project after the other and says when it closed the file, in nanoseconds by
// the machine's clock.
const editor = `'use strict'
const fs = require('fs')
const [first, last, gap] = process.argv.slice(2).map(Number)
let n = first
function step () {
  const fd = fs.openSync('projects/' + n + '/package.json', 'w')
  fs.writeSync(fd, JSON.stringify({ name: 'app-' + n, version: '1.0.1' }))
  const at = performance.timeOrigin + performance.now()
  fs.closeSync(fd)
  console.log(n + ' ' + Math.round(at * 1000) + '000')
  if (++n < last) setTimeout(step, gap)
}
setTimeout(step, gap)
`

// measureEdit takes the time from just before the close() of a manifest whose "private"
// was just removed by a script until a client that follows the alerts holds the
// finding of that very edit. Each project is edited once: a second removal
// within a minute is no second finding. Every few edits a fresh agent begins,
// so that it is not the length of one huge alert that is timed.
func measureEdit(ctx context.Context, b *bench) ([]row, error) {
	const batch = 5
	count := b.pick(300, 60)
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.write("~/edit.js", editor); err != nil {
		return nil, err
	}
	for n := range count {
		if err := h.write(fmt.Sprintf("~/projects/%d/package.json", n), fmt.Sprintf(`{"name":"app-%d","version":"1.0.0","private":true}`, n)); err != nil {
			return nil, err
		}
	}
	var took, known sample
	for first := 0; first < count; first += batch {
		if err := h.timeEdits(ctx, first, min(first+batch, count), &took, &known); err != nil {
			return nil, err
		}
	}
	note := fmt.Sprintf(`"private" removed from %d projects by a script, one per 40 ms, %d of them found; from just before close() until a client that follows the alerts has it; %s ms, of which %.2f ms (p50) until the agent knows of the edit`,
		count, len(took), took.spread("%.2f"), known.median())
	if len(took) == 0 {
		return []row{{What: "edit of a manifest → finding", Reach: "≤ 2 ms", Reached: "none seen", Note: note}}, nil
	}
	p50, p99 := took.quantile(0.5), took.quantile(0.99)
	all := len(took) == count
	return []row{
		{What: "edit of a manifest → finding visible, p50", Reach: "≤ 2 ms", Reached: fmt.Sprintf("%.2f ms", p50), Met: all && p50 <= 2, Note: note},
		{What: "edit of a manifest → finding visible, p99", Reach: "≤ 20 ms", Reached: fmt.Sprintf("%.2f ms", p99), Met: all && p99 <= 20},
	}, nil
}

// timeEdits lets the editor edit some projects under a fresh agent. It adds to
// took the delay of each edit that was found, and to known how long the agent
// took to know of it, in milliseconds.
func (h *home) timeEdits(ctx context.Context, first, last int, took, known *sample) error {
	a, err := h.startAgent(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	type sight struct{ shown, known time.Time }
	var mu sync.Mutex // guards seen
	seen := map[string]sight{}
	heard, err := a.follow(ctx, func(alert wormbell.Alert) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		for _, f := range alert.Findings {
			if _, ok := seen[f.Subject]; !ok && f.Detector == "private-flag-removed" && len(f.Evidence) > 0 {
				seen[f.Subject] = sight{now, f.Evidence[len(f.Evidence)-1].Time}
			}
		}
	})
	if err != nil {
		return err
	}
	defer heard.stop()
	pause(ctx, startUp)
	out, err := h.command(ctx, "~", "node", "edit.js", strconv.Itoa(first), strconv.Itoa(last), "40").Output()
	if err != nil {
		return fmt.Errorf("run the editor: %w", err)
	}
	until(ctx, 2*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) >= last-first })
	if err := heard.stop(); err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		n, at, err := numberAndTime(line)
		if err != nil {
			return err
		}
		if s, ok := seen[fmt.Sprintf("~/projects/%d/package.json", n)]; ok {
			*took = append(*took, millis(s.shown.Sub(at)))
			*known = append(*known, millis(s.known.Sub(at)))
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"wormbell"
)

// measureReplaced replaces ~/.npmrc by rename and opens it at once, again and
// again, and counts the opens in the stream of events.
func measureReplaced(ctx context.Context, b *bench) ([]row, error) {
	const count = 500
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	a, err := h.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	var mu sync.Mutex // guards seen
	seen := 0
	heard, err := a.events(ctx, func(e wormbell.Event) {
		if e.Kind == wormbell.FileRead && e.Path == "~/.npmrc" && e.Process != nil && slices.Contains(e.Process.Args, "@replace") {
			mu.Lock()
			defer mu.Unlock()
			seen++
		}
	})
	if err != nil {
		return nil, err
	}
	defer heard.stop()
	t0 := time.Now()
	// The role opens the file once more than it replaces it: it reads the text first.
	if _, err := h.role(ctx, "@replace", h.path+"/.npmrc", fmt.Sprint(count)); err != nil {
		return nil, err
	}
	took := time.Since(t0)
	until(ctx, 5*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return seen >= count+1 })
	pause(ctx, 300*time.Millisecond) // what is counted twice would come now
	if err := heard.stop(); err != nil {
		return nil, err
	}
	return []row{{What: "opens seen of a file that is replaced by rename and opened at once", Reach: fmt.Sprintf("%d of %d", count, count),
		Reached: fmt.Sprintf("%d of %d", seen-1, count), Met: seen-1 == count,
		Note: fmt.Sprintf("one replacement and one open in %.2f ms on average, nothing between", millis(took)/count)}}, nil
}

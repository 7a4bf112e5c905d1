package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"wormbell"
)

// measureAttribution lets a dependency's postinstall start thousands of
// readers that end right after their open(), and looks in the stream of events
// for each of them and for the package it is said to belong to.
func measureAttribution(ctx context.Context, b *bench) ([]row, error) {
	count := b.pick(10_000, 1_000)
	const name = "many-readers"
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	thief := parcel{name: name, manifest: map[string]any{"name": name, "version": "1.0.0",
		"scripts": map[string]string{"postinstall": fmt.Sprintf("%s @burst %s/.npmrc %d", h.reader, h.path, count)}}}
	if err := h.seed("~/projects/app", []parcel{thief}); err != nil {
		return nil, err
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	var mu sync.Mutex // guards the rest
	right, wrong, gaps := map[string]bool{}, map[string]bool{}, 0
	heard, err := a.events(ctx, func(e wormbell.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == wormbell.Gap {
			gaps += max(e.Count, 1)
		}
		if e.Kind != wormbell.FileRead || e.Path != "~/.npmrc" {
			return
		}
		p := e.Process
		if p == nil || len(p.Args) != 4 || p.Args[1] != "@open" {
			return // npm itself, or somebody unknown: not counted as seen
		}
		if n := p.Args[3]; p.Package != nil && p.Package.Name == name && p.Lifecycle == "postinstall" {
			right[n] = true
		} else {
			wrong[n] = true
		}
	})
	if err != nil {
		return nil, err
	}
	defer heard.stop()
	t0 := time.Now()
	if err := h.run(ctx, "~/projects/app", "npm", "install"); err != nil {
		return nil, err
	}
	took := time.Since(t0)
	until(ctx, 5*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return len(right)+len(wrong) >= count })
	if err := heard.stop(); err != nil {
		return nil, err
	}
	return []row{{What: "readers that exit right after the read, attributed to their package and script", Reach: "100 %",
		Reached: fmt.Sprintf("%d of %d", len(right), count), Met: len(right) == count && len(wrong) == 0,
		Note: fmt.Sprintf("below npm install, two at a time, %.0f a second; %d named with another package or none, %d not seen with their arguments, %d events lost on the way",
			float64(count)/took.Seconds(), len(wrong), max(0, count-len(right)-len(wrong)), gaps)}}, nil
}

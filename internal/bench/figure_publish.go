package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// farm is the worm's loop as it was found: drop "private", take another name,
// publish, wait. It says when it begins each publish.
const farm = `'use strict'
const fs = require('fs')
const { spawnSync } = require('child_process')
const [most, wait] = process.argv.slice(2).map(Number)
let n = 0
function round () {
  const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'))
  delete manifest.private
  manifest.name = 'menu-' + process.pid + '-' + ++n
  manifest.version = '1.0.' + n
  fs.writeFileSync('package.json', JSON.stringify(manifest))
  console.log('begin ' + n)
  const done = spawnSync('npm', ['publish'], { encoding: 'utf8' })
  console.log('end ' + n + ' status ' + done.status)
  if (n < most) setTimeout(round, wait * (0.82 + 0.36 * Math.random()))
}
round()
`

// measurePublish runs the loop until the bell rings or it has published five
// times, and says which publish had been begun when the alert was visible.
func measurePublish(ctx context.Context, b *bench) ([]row, error) {
	const most = 5
	pace := 8500 * time.Millisecond // 7 to 10 s with the script's chance
	if b.quick {
		pace = 2 * time.Second
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return nil, fmt.Errorf("needs npm: %w", err)
	}
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.write("~/projects/menu/package.json", `{"name":"menu","version":"0.1.0","private":true}`); err != nil {
		return nil, err
	}
	if err := h.write("~/projects/menu/auto.js", farm); err != nil {
		return nil, err
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer a.stop()

	var mu sync.Mutex // guards the rest
	begun, at := 0, 0
	var last time.Time // begin of the latest publish
	var delay time.Duration
	heard, err := a.follow(ctx, func(alert wormbell.Alert) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		for _, f := range alert.Findings {
			if f.Detector == "publish-loop" && at == 0 {
				at, delay = begun, now.Sub(last)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	defer heard.stop()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := h.command(ctx, "~/projects/menu", "node", "auto.js", fmt.Sprint(most), fmt.Sprint(pace.Milliseconds()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run the loop: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run the loop: %w", err)
	}
	told := make(chan struct{})
	go func() { // reads what the loop says until it ends
		defer close(told)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "begin ") {
				mu.Lock()
				begun, last = begun+1, time.Now()
				mu.Unlock()
			}
		}
	}()
	rang := func() bool { mu.Lock(); defer mu.Unlock(); return at > 0 }
	for over := false; !over && !rang(); {
		select {
		case <-told:
			over = true
			until(ctx, 2*time.Second, rang) // the last publish may still be on its way
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	<-told
	cmd.Wait() // it was ended on purpose
	if err := heard.stop(); err != nil {
		return nil, err
	}
	r := row{What: "publishes begun when the publish-loop alert was visible", Reach: "≤ 3",
		Note: fmt.Sprintf("one publish every %.1f s on average, a new name each; the registry had taken %d of %d", pace.Seconds(), len(h.registry.Published()), begun)}
	if at == 0 {
		r.Reached = fmt.Sprintf("no alert in %d", begun)
		return []row{r}, nil
	}
	r.Reached, r.Met = fmt.Sprint(at), at <= 3
	r.Note += fmt.Sprintf("; the alert came %.2f s after npm was started for the last of them", delay.Seconds())
	return []row{r}, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// idleWindow is one part of the time that an idle agent is looked at. Other
// work on the machine falls into some of them.
const idleWindow = 15 * time.Second

// idleTick is how often the reference wakes up: about as often as the agent
// must to give a sign of life within a second.
const idleTick = 400 * time.Millisecond

// measureIdle guards 30 projects with 300,000 files: how long the agent takes
// to be ready, what it uses while nothing happens to it, and its memory then.
func measureIdle(ctx context.Context, b *bench) ([]row, error) {
	const projects, packages = 30, 560 // some 10,000 files each
	starts, windows := b.pick(5, 3), b.pick(6, 2)
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	files, err := h.plantMany(ctx, projects, packages)
	if err != nil {
		return nil, err
	}
	var ready sample
	var a *agent
	for n := range starts {
		if a, err = h.startAgent(ctx); err != nil {
			return nil, err
		}
		ready = append(ready, a.toReady().Seconds())
		if n < starts-1 {
			a.stop()
		}
	}
	defer a.stop()
	if err := a.calm(ctx); err != nil {
		return nil, err
	}
	pause(ctx, 3*time.Second) // what a service does once after its start is not idling
	ctx, cancel := context.WithCancel(ctx)
	reference := h.command(ctx, "~", h.reader, "@tick", idleTick.String())
	if err := reference.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start the reference: %w", err)
	}
	defer reference.Wait() // it is ended on purpose
	defer cancel()
	var shares, least sample
	var others []string
	for range windows {
		share, only, started, err := a.idle(ctx, reference.Process.Pid)
		if err != nil {
			return nil, err
		}
		shares, least, others = append(shares, share), append(least, only), append(others, fmt.Sprint(started))
	}
	mem, err := a.memory()
	if err != nil {
		return nil, err
	}
	scale := fmt.Sprintf("%d projects, %d files", projects, files)
	return []row{
		{What: "start until ready, " + scale, Reach: "< 2 s", Reached: fmt.Sprintf("%.2f s", ready.median()), Met: ready.quantile(1) < 2,
			Note: fmt.Sprintf("median of %d starts, %s s; met if all are below", starts, ready.spread("%.2f"))},
		{What: "idle: processor time", Reach: "≤ 0.05 % of a core", Reached: fmt.Sprintf("%.3f %%", shares.mean()), Met: shares.mean() <= 0.05,
			Note: fmt.Sprintf("both processes, over %.0f s; %s %% in windows of %.0f s, in which %s processes were started elsewhere on this machine: the agent looks at each. "+
				"In the same run a Go program that wakes up every %v and does nothing used %.3f %%",
				idleWindow.Seconds()*float64(windows), shares.spread("%.3f"), idleWindow.Seconds(), strings.Join(others, ", "), idleTick, least.mean())},
		{What: "idle: memory resident, watchdog included", Reach: "≤ 30 MB", Reached: fmt.Sprintf("%.1f MB", mem.rss), Met: mem.rss <= 30, Note: mem.text},
	}, nil
}

// plantMany makes projects with packages installed and returns how many files
// those are.
func (h *home) plantMany(ctx context.Context, projects, packages int) (int, error) {
	first := h.path + "/projects/0"
	files, err := plant(first, parcels(packages))
	if err != nil {
		return 0, err
	}
	files++ // .env
	for i := 1; i < projects; i++ {
		if err := twin(first, h.path+"/projects/"+strconv.Itoa(i)); err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	for i := range projects {
		if err := os.WriteFile(h.path+"/projects/"+strconv.Itoa(i)+"/.env", []byte("A=1\n"), 0o600); err != nil {
			return 0, fmt.Errorf("plant a project: %w", err)
		}
	}
	return files * projects, nil
}

// idle returns what the agent's processes and the reference use in one window,
// in per cent of a core, and how many processes and threads were started on
// the machine meanwhile.
func (a *agent) idle(ctx context.Context, reference int) (share, least float64, started int64, err error) {
	own, err := a.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	other, err := processTime(reference)
	if err != nil {
		return 0, 0, 0, err
	}
	t0, forks := time.Now(), forked()
	pause(ctx, idleWindow)
	took := time.Since(t0)
	ownAfter, err := a.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	otherAfter, err := processTime(reference)
	if err != nil {
		return 0, 0, 0, err
	}
	percent := func(d time.Duration) float64 { return 100 * float64(d) / float64(took) }
	return percent(ownAfter - own), percent(otherAfter - other), forked() - forks, ctx.Err()
}

// forked is how many processes and threads the kernel has made since it
// started; proc_stat(5).
func forked() int64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return field(string(b), "processes ")
}

// memory is what the agent's processes hold, in megabytes.
type memory struct {
	rss  float64
	text string
}

func (a *agent) memory() (m memory, err error) {
	var pss float64
	for i, pid := range a.processes() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return m, fmt.Errorf("read the agent's memory: %w", err)
		}
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return m, fmt.Errorf("read the agent's memory: %w", err)
		}
		r, p := float64(field(string(status), "VmRSS:"))/1024, float64(field(string(rollup), "Pss:"))/1024
		name := "watchdog"
		if i > 0 {
			name = "agent"
		}
		m.text += fmt.Sprintf("%s %.1f MB resident, %.1f MB proportional; ", name, r, p)
		m.rss, pss = m.rss+r, pss+p
	}
	m.text += fmt.Sprintf("together %.1f MB and %.1f MB", m.rss, pss)
	return m, nil
}

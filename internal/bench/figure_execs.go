package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// measureExecs starts thousands of programs back to back that do nothing but
// end: whether the agent knows what each was told, what starting one costs with
// the agent and without, and what each costs the agent.
func measureExecs(ctx context.Context, b *bench) ([]row, error) {
	count, rounds := b.pick(10_000, 2_000), b.pick(5, 3)
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	program := filepath.Join(h.dir, "nothing")
	if err := writeNothing(program); err != nil {
		return nil, err
	}
	if _, err := h.spawn(ctx, program, count); err != nil { // warms up
		return nil, err
	}
	var on, off, own, oneOn, oneOff sample // microseconds a start
	for n := range rounds {
		for _, with := range []bool{n%2 == 0, n%2 != 0} { // A B B A, so that a drift hits both
			took, one, cost, err := h.spawnWith(ctx, with, program, count)
			if err != nil {
				return nil, err
			}
			if with {
				on, oneOn, own = append(on, took), append(oneOn, one), append(own, cost)
			} else {
				off, oneOff = append(off, took), append(oneOff, one)
			}
		}
	}
	seen, note, err := h.spawnSeen(ctx, program, count)
	if err != nil {
		return nil, err
	}
	ratio, one := on.ratios(off), oneOn.ratios(oneOff)
	return []row{
		{What: "processes that end at once, whose command line is known", Reach: "100 %", Reached: fmt.Sprintf("%d of %d", seen, count), Met: seen == count, Note: note},
		{What: "to start such a process, on / off", Reach: "≤ ×1.20", Reached: fmt.Sprintf("×%.3f", ratio.median()), Met: ratio.median() <= 1.20,
			Note: fmt.Sprintf("median of %d pairs of %d: on %.0f µs, off %.0f µs each; ratios %s", len(ratio), count, on.median(), off.median(), ratio.spread("×%.3f"))},
		{What: "the same, kept on one processor", Reach: "≤ ×1.20", Reached: fmt.Sprintf("×%.3f", one.median()), Met: one.median() <= 1.20,
			Note: fmt.Sprintf("on %.0f µs, off %.0f µs each; ratios %s; without the scheduler's moving them from one processor to another, which costs more than the agent does and which it does more often when somebody else works, too", oneOn.median(), oneOff.median(), one.spread("×%.3f"))},
		{What: "the agent's own processor time for each", Reach: "≤ 20 µs", Reached: fmt.Sprintf("%.1f µs", own.median()), Met: own.median() <= 20,
			Note: fmt.Sprintf("fork, exec and exit, both processes, less what they used in two seconds before; %s µs", own.spread("%.1f"))},
	}, nil
}

// spawnSeen starts the program while somebody listens to the agent, and returns
// of how many it told the arguments.
func (h *home) spawnSeen(ctx context.Context, program string, count int) (seen int, note string, err error) {
	a, err := h.startAgent(ctx)
	if err != nil {
		return 0, "", err
	}
	defer a.stop()
	var mu sync.Mutex // guards the rest
	known, starts, gaps, source := map[string]bool{}, 0, 0, ""
	heard, err := a.events(ctx, func(e wormbell.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == wormbell.Gap {
			gaps += max(e.Count, 1)
		}
		if e.Kind == wormbell.ProcessStart && e.Process != nil && e.Process.Exe == program {
			starts++
			if source = e.Source; len(e.Process.Args) == 2 {
				known[e.Process.Args[1]] = true
			}
		}
	})
	if err != nil {
		return 0, "", err
	}
	defer heard.stop()
	if _, err := h.spawn(ctx, program, count); err != nil {
		return 0, "", err
	}
	until(ctx, 5*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return len(known) >= count })
	if err := heard.stop(); err != nil {
		return 0, "", err
	}
	for n := range count {
		if known[strconv.Itoa(n)] {
			seen++
		}
	}
	return seen, fmt.Sprintf("by %s; one after the other, each with a number of its own; %d starts were told, %d events lost", or(source, "nothing"), starts, gaps), nil
}

// spawnWith starts the program with an agent or without, and returns how long
// each start took, and when all were kept on one processor, and what it cost the
// agent, in microseconds.
func (h *home) spawnWith(ctx context.Context, with bool, program string, count int) (took, one, cost float64, err error) {
	if !with {
		if took, err = h.spawn(ctx, program, count); err == nil {
			one, err = h.spawn(ctx, program, count, "one")
		}
		return took, one, 0, err
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer a.stop()
	if err := a.calm(ctx); err != nil {
		return 0, 0, 0, err
	}
	// What others do on this machine meanwhile costs the agent, too.
	t0 := time.Now()
	idle, err := a.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	pause(ctx, 2*time.Second)
	before, err := a.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	rate := (before - idle).Seconds() / time.Since(t0).Seconds()
	t0 = time.Now()
	if took, err = h.spawn(ctx, program, count); err != nil {
		return 0, 0, 0, err
	}
	if err := a.calm(ctx); err != nil {
		return 0, 0, 0, err
	}
	after, err := a.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	used := (after - before).Seconds() - rate*time.Since(t0).Seconds()
	one, err = h.spawn(ctx, program, count, "one")
	return took, one, max(0, used*1e6/float64(count)), err
}

// spawn starts the program and returns how long each start took, in microseconds.
func (h *home) spawn(ctx context.Context, program string, count int, how ...string) (float64, error) {
	out, err := h.role(ctx, "@spawn", append([]string{program, strconv.Itoa(count)}, how...)...)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	return ns / 1000 / float64(count), err
}

// writeNothing writes the smallest program there is: it ends. Whatever has to
// load libraries or a runtime first takes so long that nothing could be lost.
func writeNothing(name string) error {
	code, machine := []byte{0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05}, uint16(62) // xor edi, edi; mov eax, SYS_exit; syscall
	switch runtime.GOARCH {
	case "amd64":
	case "arm64": // mov x0, 0; mov x8, SYS_exit; svc 0
		code, machine = []byte{0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4}, 183
	default:
		return fmt.Errorf("there is no smallest program for %s", runtime.GOARCH)
	}
	const base, head = 0x400000, 64 + 56
	n := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...) // 64 bits, little-endian; elf(5)
	b = n.AppendUint16(b, 2)                                       // ET_EXEC
	b = n.AppendUint16(b, machine)
	b = n.AppendUint32(b, 1)
	b = n.AppendUint64(b, base+head) // where it begins
	b = n.AppendUint64(b, 64)        // the program headers
	b = append(b, make([]byte, 12)...)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		b = n.AppendUint16(b, v)
	}
	b = n.AppendUint32(b, 1) // PT_LOAD
	b = n.AppendUint32(b, 5) // to be read and executed
	for _, v := range []uint64{0, base, base, uint64(head + len(code)), uint64(head + len(code)), 0x1000} {
		b = n.AppendUint64(b, v)
	}
	if err := os.WriteFile(name, append(b, code...), 0o755); err != nil {
		return fmt.Errorf("write the smallest program: %w", err)
	}
	return nil
}

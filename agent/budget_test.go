package agent

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestJudge(t *testing.T) {
	at := func(s, cpu float64, mb int64) taken {
		return taken{time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))), cpu, mb << 20}
	}
	for _, c := range []struct {
		name  string
		was   string // what it was over: "cpu", "memory"
		looks []taken
		over  bool
		share float64
	}{
		{name: "nothing known"},
		{name: "nothing known, over before", was: "cpu", over: true},
		{name: "idle", looks: []taken{at(0, 1, 20), at(60, 1.1, 20)}, share: 0.1 / 60},
		{name: "a start takes a moment of everything", looks: []taken{at(0, 0, 20), at(5, 4, 20)}, share: 0.8},
		{name: "a minute of a whole core", looks: []taken{at(0, 0, 20), at(30, 30, 20), at(60, 60, 20)}, over: true, share: 1},
		{name: "just within", looks: []taken{at(0, 0, 20), at(60, 60*budgetCPU, 20)}, share: budgetCPU},
		{name: "just above", looks: []taken{at(0, 0, 20), at(60, 60*budgetCPU+0.1, 20)}, over: true, share: budgetCPU + 0.1/60},
		{name: "hardly below is not well again", was: "cpu", looks: []taken{at(0, 0, 20), at(60, 60*budgetCPU-1, 20)}, over: true, share: budgetCPU - 1.0/60},
		{name: "half is", was: "cpu", looks: []taken{at(0, 0, 20), at(60, 60*budgetCPU/2-0.1, 20)}, share: budgetCPU/2 - 0.1/60},
		{name: "memory at once", looks: []taken{at(0, 0, 129)}, over: true},
		{name: "memory still", was: "memory", looks: []taken{at(0, 0, 100), at(60, 0, 100)}, over: true},
		{name: "memory again", was: "memory", looks: []taken{at(0, 0, 100), at(60, 0, 60)}},
		{name: "a storm ends in a large home", was: "cpu", looks: []taken{at(0, 0, 100), at(60, 1, 100)}, share: 1.0 / 60},
		{name: "memory falls while the storm goes on", was: "memory", looks: []taken{at(0, 0, 60), at(60, 60, 60)}, over: true, share: 1},
		{name: "memory falls, and what the processor does is between", was: "memory", looks: []taken{at(0, 0, 60), at(60, 60*0.2, 60)}, share: 0.2},
		{name: "the clock of the processor went back", looks: []taken{at(0, 10, 20), at(60, 1, 20)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judge(verdict{cpu: c.was == "cpu", memory: c.was == "memory"}, c.looks)
			if v.over() != c.over || math.Abs(v.share-c.share) > 1e-9 {
				t.Errorf("over %v with %.3f of a core, want %v, %.3f", v.over(), v.share, c.over, c.share)
			}
		})
	}
}

// TestBudget: what the agent takes is told while it is too much, optional work
// is left meanwhile, and both end.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBudget(slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		// Between the 5th and the 10th minute it takes half a core.
		measure := func() (cpu float64, rss int64, lost int) {
			busy := min(max(time.Since(began)-5*time.Minute, 0), 5*time.Minute)
			return time.Since(began).Seconds()*0.001 + busy.Seconds()/2, 80 << 20, 0 // of large homes
		}
		ctx, cancel := context.WithCancel(t.Context())
		go b.run(ctx, measure)
		for _, step := range []struct {
			until time.Duration
			over  bool
		}{{4 * time.Minute, false}, {7 * time.Minute, true}, {10 * time.Minute, true}, {12 * time.Minute, false}} {
			time.Sleep(step.until - time.Since(began))
			if got := b.over(); got != step.over || (b.problem() != "") != step.over {
				t.Errorf("after %v: over %v, problem %q; want %v", step.until, got, b.problem(), step.over)
			}
		}
		cancel()
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "more than it should") || !strings.Contains(log.String(), "again") {
			t.Errorf("the log has %d lines:\n%s", n, &log)
		}
	})
}

package agent

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// kept are settings in memory.
type kept map[string]string

func (k kept) Setting(key string) string          { return k[key] }
func (k kept) SetSetting(key, value string) error { k[key] = value; return nil }

func TestPast(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	log := slog.New(slog.DiscardHandler)
	store := kept{}
	start := func(again, boot string) *past { return loadPast(store, log, again, boot, now) }

	p := start("", "boot-1")
	if s := p.problem(now); s != "" {
		t.Errorf("the first start: %q", s)
	}
	p.end()
	p = start("", "boot-1")
	if s := p.problem(now); s != "" {
		t.Errorf("after an end as it should be: %q", s)
	}
	// It is killed, and the watchdog says why.
	now = now.Add(time.Minute)
	p = start("it ran out of memory", "boot-1")
	if s := p.problem(now); s != "the agent was started again at 2026-05-04T12:01:00Z because it ran out of memory; what happened until then may not have been seen" {
		t.Errorf("after one: %q", s)
	}
	// Both are killed, and nobody says why; what was before is not forgotten.
	now = now.Add(time.Minute)
	p = start("", "boot-1")
	if s := p.problem(now); !strings.Contains(s, "12:02:00Z because it was ended together with its watchdog") || !strings.HasSuffix(s, "(2 times in a day)") {
		t.Errorf("after both were killed: %q", s)
	}
	// The machine loses power: that is no fault of ours.
	p = start("", "boot-2")
	if s := p.problem(now); !strings.HasSuffix(s, "(2 times in a day)") {
		t.Errorf("after a loss of power: %q", s)
	}
	if s := p.problem(now.Add(pastTold + time.Second)); s != "" {
		t.Errorf("an hour later: %q", s)
	}
	if s := p.problem(now.Add(-time.Hour)); s != "" {
		t.Errorf("the clock was set back: %q", s)
	}
	p.end()
	now = now.Add(pastDay)
	p = start("it was killed", "boot-2")
	if s := p.problem(now); strings.Contains(s, "times") {
		t.Errorf("a day later: %q", s)
	}
	for range 3 * pastMost {
		p = start("it was killed", "boot-2")
	}
	if len(p.list) != pastMost || len(store[pastSetting]) > 10_000 {
		t.Errorf("%d are kept in %d bytes", len(p.list), len(store[pastSetting]))
	}
	store[pastSetting] = "{half"
	if s := start("", "").problem(now); s != "" {
		t.Errorf("of a damaged setting: %q", s)
	}
}

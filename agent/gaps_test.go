package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"wormbell"
)

func TestGaps(t *testing.T) {
	var buf bytes.Buffer
	g := newGaps(slog.New(slog.NewTextHandler(&buf, nil)))
	at := time.Unix(1_800_000_000, 0)
	said := func() string {
		defer buf.Reset()
		var lines []string
		for line := range strings.Lines(buf.String()) {
			_, line, _ = strings.Cut(line, "msg=")
			lines = append(lines, strings.TrimSpace(line))
		}
		return strings.Join(lines, "\n")
	}
	lose := func(n int, source, what string, after time.Duration) {
		at = at.Add(after)
		g.note(&wormbell.Event{Kind: wormbell.Gap, Source: source, Line: what, Count: n}, at)
	}
	for _, step := range []struct {
		n            int
		source, what string
		after        time.Duration
		want         string
	}{
		{3, "fanotify", "reads", 0, `"events were lost" source=fanotify what=reads count=3`},
		{2, "fanotify", "reads", time.Second, ""},
		{1, "procconn", "starts", time.Second, `"events were lost" source=procconn what=starts count=1`},
		{2, "fanotify", "reads", time.Minute, `"events were lost" source=fanotify what=reads count=4`},
		{0, "procconn", "starts", time.Minute, `"events were lost" source=procconn what=starts count=0`},
	} {
		lose(step.n, step.source, step.what, step.after)
		if got := said(); got != step.want {
			t.Errorf("after %d %s: it says %q, want %q", step.n, step.what, got, step.want)
		}
	}
	for i := range 10 * gapKinds {
		lose(1, "queue", fmt.Sprint(i), 0)
	}
	if len(g.kinds) > gapKinds {
		t.Errorf("it remembers %d kinds of loss", len(g.kinds))
	}
}

package agent

import (
	"log/slog"
	"time"

	"wormbell"
)

// gapQuiet is how long the same kind of loss is not written into the log again:
// whoever makes us lose events must not fill the log with it.
const gapQuiet = time.Minute

// gapKinds bounds what is remembered of losses. There are about a dozen kinds.
const gapKinds = 64

// gaps says in the log what was lost. The numbers stand in the status; which
// events they were, and when, stands nowhere else.
type gaps struct {
	log   *slog.Logger
	kinds map[gapKind]*gapSince
}

type gapKind struct{ source, what string }

type gapSince struct {
	said  time.Time
	count int // not said yet
}

func newGaps(log *slog.Logger) *gaps { return &gaps{log, map[gapKind]*gapSince{}} }

// note takes in a gap that came at this time. The first of a kind is said at
// once, later ones with what came since. One goroutine may call it at a time.
func (g *gaps) note(e *wormbell.Event, now time.Time) {
	kind := gapKind{e.Source, e.Line}
	since := g.kinds[kind]
	if since == nil {
		if len(g.kinds) >= gapKinds {
			clear(g.kinds)
		}
		since = &gapSince{}
		g.kinds[kind] = since
	}
	since.count += e.Count
	if !since.said.IsZero() && now.Sub(since.said) < gapQuiet {
		return
	}
	// Without a number nobody knows how many.
	g.log.Warn("events were lost", "source", e.Source, "what", e.Line, "count", since.count)
	since.said, since.count = now, 0
}

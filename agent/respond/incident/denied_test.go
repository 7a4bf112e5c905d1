package incident

import (
	"testing"
	"time"

	"wormbell"
)

// TestDeniedNeedsNoRotation: what was denied to a thief stays as it is; what it
// has read as well is answered for, and so is what of many reads is not known.
func TestDeniedNeedsNoRotation(t *testing.T) {
	t.Parallel()
	read := func(protect string) wormbell.Event {
		return wormbell.Event{Time: time.Now(), Kind: wormbell.FileRead, Path: "~/.npmrc", Protect: protect}
	}
	many := make([]wormbell.Event, 20) // of more than these some are not kept
	for i := range many {
		many[i] = read(wormbell.Denied)
	}
	for _, tt := range []struct {
		name     string
		evidence []wormbell.Event
		lives    bool
	}{
		{"denied", []wormbell.Event{read(wormbell.Denied), read(wormbell.Denied)}, true},
		{"read later", []wormbell.Event{read(wormbell.Denied), read("")}, false},
		{"read before", []wormbell.Event{read(""), read(wormbell.Denied)}, false},
		{"late", []wormbell.Event{read(wormbell.Late)}, false},
		{"not stopped", []wormbell.Event{read(wormbell.Unstopped)}, false},
		{"many", many, false},
	} {
		w := newWorld(t)
		w.alert.Findings[0].Evidence = tt.evidence
		_, steps, err := w.answer(w.config())
		if err != nil || w.live[oldToken] != tt.lives {
			t.Errorf("%s: the token lives: %v, %v, %q", tt.name, w.live[oldToken], err, steps)
		}
	}
}

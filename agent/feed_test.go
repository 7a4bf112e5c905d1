package agent

import (
	"context"
	"testing"
	"testing/synctest"

	"wormbell"
)

// TestFeedSaysWhatItLost: who does not keep up finds how many are missing where
// they are missing, who hears of everybody later than others; each hears of no
// one else than it asked for, and nobody waits for them.
func TestFeedSaysWhatItLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		user string
		room int
	}{{"1000", feedLength}, {"", feedLengthAll}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			ctx, cancel := context.WithCancel(t.Context())
			events := f.subscribe(ctx, tt.user)
			const lost = 7
			for range tt.room + lost {
				f.send(wormbell.Event{Kind: wormbell.ProcessStart, User: "1000"})
				if tt.user != "" {
					f.send(wormbell.Event{Kind: wormbell.FileRead, User: "1001"})
				}
			}
			for n := range tt.room {
				if e := <-events; e.Kind != wormbell.ProcessStart {
					t.Fatalf("the %d. is %+v", n, e)
				}
			}
			f.send(wormbell.Event{Kind: wormbell.ProcessExit, User: "1000"})
			if e := <-events; e.Kind != wormbell.Gap || e.Count != lost {
				t.Errorf("where %d are missing there is %+v", lost, e)
			}
			if e := <-events; e.Kind != wormbell.ProcessExit {
				t.Errorf("after the gap: %+v", e)
			}
			cancel()
			synctest.Wait()
			if _, ok := <-events; ok {
				t.Error("it goes on after its end")
			}
		})
	}
}

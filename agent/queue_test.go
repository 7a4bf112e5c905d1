package agent

import (
	"context"
	"testing"
	"testing/synctest"

	"wormbell"
)

func TestQueueSaysWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(3)
		for range 5 {
			q.put(wormbell.Event{Kind: wormbell.FileRead}) // 3 fit, 2 are lost, none blocks
		}
		batch, err := q.take(t.Context())
		if err != nil || len(batch) != 4 || batch[3].Kind != wormbell.Gap || batch[3].Count != 2 {
			t.Fatalf("take = %v, %v; want three events and a gap of 2", batch, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := q.take(ctx); done <- err }()
		synctest.Wait() // take is now blocked on an empty queue
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("take after cancel = %v, want %v", err, context.Canceled)
		}
	})
}

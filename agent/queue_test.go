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
			q.put(wormbell.Event{Kind: wormbell.ProcessStart}) // 3 fit, 2 are lost, none blocks
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

// TestQueueKeepsRoom: who fills the queue with what is cheap to do hides neither
// a read nor a call; and the queue is bounded all the same.
func TestQueueKeepsRoom(t *testing.T) {
	t.Parallel()
	q := newQueue(3)
	flood := func(k wormbell.Kind, n int) {
		for range n {
			q.put(wormbell.Event{Kind: k})
		}
	}
	flood(wormbell.ProcessStart, 10)
	flood(wormbell.AgentCall, 1)
	flood(wormbell.FileWrite, 10)
	flood(wormbell.FileRead, 1)
	batch := q.drain()
	if len(batch) != 6 || batch[3].Kind != wormbell.AgentCall || batch[4].Kind != wormbell.FileRead || batch[5].Kind != wormbell.Gap || batch[5].Count != 17 {
		t.Errorf("%d events: %v", len(batch), batch)
	}
	flood(wormbell.FileRead, 2*queueKept)
	if batch = q.drain(); len(batch) != 3+queueKept+1 {
		t.Errorf("%d events", len(batch))
	}
}

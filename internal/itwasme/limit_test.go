package itwasme

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWithin: a file system that does not answer holds nobody up, whoever asks
// meanwhile is not held up either, and when it answers all is as before.
func TestWithin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turn, answer := make(chan struct{}, 1), make(chan struct{})
		var looks atomic.Int32
		stuck := func(file string) (seen, doubt) {
			looks.Add(1)
			<-answer
			return seen{real: file}, ""
		}
		begin := time.Now()
		for range 3 {
			l := within(lookTime, turn, stuck)
			for range 2 { // the limit is for all files of an alert
				if s, d := l("/mnt/x"); s.real != "" || d != unseen {
					t.Errorf("%q, %q", s.real, d)
				}
			}
		}
		if took := time.Since(begin); took > 3*lookTime || looks.Load() != 1 {
			t.Errorf("%d looks took %v", looks.Load(), took)
		}
		close(answer)
		synctest.Wait()
		if s, d := within(lookTime, turn, stuck)("/mnt/x"); s.real != "/mnt/x" || d != "" {
			t.Errorf("when it answers again: %q, %q", s.real, d)
		}
		synctest.Wait()
	})
}

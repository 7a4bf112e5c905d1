package answer_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wormbell/internal/answer"
)

// TestAsk: who answers is heard; who does not is left behind once, whoever asks,
// and asked again as soon as the answer came after all.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := answer.New(2 * time.Second)
		ctx := t.Context()
		if got, err := answer.Ask(ctx, l, "a", func() (int, error) { return 7, nil }); got != 7 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
		wrong := errors.New("no")
		if err := l.Do(ctx, "a", func() error { return wrong }); !errors.Is(err, wrong) {
			t.Errorf("got %v", err)
		}
		held, asked, dropped := make(chan struct{}), atomic.Int32{}, atomic.Int32{}
		ask := func() error {
			_, err := answer.Ask(ctx, l, "dead", func() (int, error) { asked.Add(1); <-held; return 3, nil }, func(v int) { dropped.Add(int32(v)) })
			return err
		}
		began := time.Now()
		answers := make(chan error)
		for range 50 {
			go func() { answers <- ask() }()
		}
		for range 50 {
			if err := <-answers; !errors.Is(err, answer.ErrSilent) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(began); took != 2*time.Second || asked.Load() != 1 {
			t.Errorf("50 who ask together waited %v, %d of them were left behind", took, asked.Load())
		}
		if err := ask(); !errors.Is(err, answer.ErrSilent) || time.Since(began) != 2*time.Second {
			t.Errorf("a later one gets %v after %v", err, time.Since(began))
		}
		if err := l.Do(ctx, "a", func() error { return nil }); err != nil {
			t.Errorf("beside it: %v", err)
		}
		if got := l.Silent(); !slices.Equal(got, []string{"dead"}) {
			t.Errorf("silent are %q", got)
		}
		close(held)
		synctest.Wait()
		if l.Late() != 1 || dropped.Load() != 3 || len(l.Silent()) != 0 {
			t.Errorf("late %d, dropped %d, silent %q", l.Late(), dropped.Load(), l.Silent())
		}
		if err := ask(); err != nil || asked.Load() != 2 {
			t.Errorf("after that: %v, asked %d times", err, asked.Load())
		}
	})
}

// TestAskEnds: nobody waits longer than they want to.
func TestAskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := answer.New(time.Hour)
		held := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Do(ctx, "x", func() error { <-held; return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := l.Do(t.Context(), "x", func() error { return nil }); !errors.Is(err, answer.ErrSilent) {
			t.Errorf("got %v", err)
		}
		close(held)
	})
}

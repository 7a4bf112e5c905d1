package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"wormbell"
	"wormbell/agent/client"
)

// stream is a client that listens to the agent in a goroutine of its own.
type stream struct {
	client *client.Client
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	err    error         // why it ended; to be read after done
}

// listen starts a stream that runs do until it is stopped.
func (a *agent) listen(ctx context.Context, do func(ctx context.Context, c *client.Client) error) (*stream, error) {
	c, err := client.Dial(client.Config{Socket: a.home.socket})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{client: c, cancel: cancel, done: make(chan struct{})}
	go func() { // listens until stop
		defer close(s.done)
		err := do(ctx, c)
		switch {
		case ctx.Err() != nil: // it was stopped
		case err == nil:
			s.err = errors.New("the agent ended the conversation")
		default:
			s.err = err
		}
	}()
	return s, nil
}

// stop ends the stream. It returns why the stream had ended before, if it had.
func (s *stream) stop() error {
	s.cancel()
	<-s.done
	s.client.Release()
	return s.err
}

// follow hands over every open alert each time something has changed, until it
// is stopped: what a client does that shows alerts as they come. It returns
// once the client is listening.
func (a *agent) follow(ctx context.Context, each func(wormbell.Alert)) (*stream, error) {
	var live atomic.Bool
	s, err := a.listen(ctx, func(ctx context.Context, c *client.Client) error {
		return c.Watch(ctx, func() error {
			alerts, err := c.Alerts(ctx, false)
			if err != nil {
				return err
			}
			for _, alert := range alerts {
				each(alert)
			}
			live.Store(true)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return s, s.await(ctx, "alerts", live.Load)
}

// probe is a manifest that is written to see an event of it come.
const probe = "~/probe/package.json"

// events hands over every event from now on, until it is stopped. It returns
// once an event of its own has come through.
func (a *agent) events(ctx context.Context, each func(wormbell.Event)) (*stream, error) {
	var live atomic.Bool
	s, err := a.listen(ctx, func(ctx context.Context, c *client.Client) error {
		return c.Events(ctx, func(e wormbell.Event) error {
			if e.Path == probe {
				live.Store(true)
			} else {
				each(e)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return s, s.await(ctx, "events", func() bool {
		if !live.Load() {
			a.home.write(probe, fmt.Sprintf(`{"name":"probe","version":"1.0.%d"}`, time.Now().UnixNano()%1e9)) // tried again when it fails
		}
		return live.Load()
	})
}

// await waits until the stream is live, and stops it when it does not become so.
func (s *stream) await(ctx context.Context, what string, live func() bool) error {
	ended := func() bool {
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	}
	if until(ctx, 10*time.Second, func() bool { return ended() || live() }) && !ended() {
		return nil
	}
	return fmt.Errorf("the agent's stream of %s does not run: %w", what, errors.Join(s.stop(), ctx.Err()))
}

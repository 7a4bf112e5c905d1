package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/kardianos/service"

	"wormbell/agent"
)

var stops []os.Signal

// exitFatal is exitCannot where there is no watchdog.
const exitFatal = exitCannot

// exitAnew is what the agent exits with to be started again by whoever started it.
const exitAnew = 1

// start runs the agent: in the foreground, or as the service that Windows has
// started. Without permission marks nobody waits for it, so it needs no watchdog.
func start(ctx context.Context, _ flags, c agent.Config, o agent.Options) error {
	if service.Interactive() {
		return runAgent(ctx, c, o)
	}
	s := &served{ended: make(chan error, 1), exit: os.Exit}
	// The name is not looked at for a process that is one service.
	it, err := service.New(s, &service.Config{Name: "wormbelld"})
	if err != nil {
		return fmt.Errorf("run as a service: %w", err)
	}
	// A service has no standard error output; the event log has a place for its log.
	if events, err := it.SystemLogger(nil); err == nil {
		o.Log = slog.New(slog.NewTextHandler(eventLog{events}, nil))
	}
	ctx, s.cancel = context.WithCancel(ctx)
	defer s.cancel()
	s.run = func() error {
		err := runAgent(ctx, c, o)
		if ctx.Err() != nil {
			return nil // it was told to; what went wrong meanwhile is in the log
		}
		return err
	}
	return it.Run()
}

// served is the agent as the service control manager sees it.
type served struct {
	run    func() error
	cancel context.CancelFunc
	ended  chan error // of the agent; size 1
	exit   func(int)
}

// Start starts the agent and returns at once, as Windows wants it.
func (s *served) Start(service.Service) error {
	go func() { // the agent; Stop waits for it
		err := s.run()
		s.ended <- err
		if err != nil {
			// Windows starts a service again only if its process ends without having
			// said that it stopped.
			s.exit(1)
		}
	}()
	return nil
}

// Stop ends the agent and waits until what it knows is stored.
func (s *served) Stop(service.Service) error {
	s.cancel()
	return <-s.ended
}

// eventLog writes lines of a log to the event log.
type eventLog struct{ to service.Logger }

func (e eventLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	var err error
	switch {
	case strings.Contains(text, "level=ERROR"):
		err = e.to.Error(text)
	case strings.Contains(text, "level=WARN"):
		err = e.to.Warning(text)
	default:
		err = e.to.Info(text)
	}
	return len(line), err
}

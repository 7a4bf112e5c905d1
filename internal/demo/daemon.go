package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"wormbell"
	"wormbell/internal/daemon"
)

// guardFor is how long a running agent is asked to guard the scratch home:
// as long as any demonstration may take, so that it never stops in the middle of
// one. An agent grants a quarter of an hour at the most.
const guardFor = Lasts

// guard sees to it that an agent guards the scratch home: the one that runs,
// or one of our own.
func (s *stage) guard(ctx context.Context) (Agent, wormbell.Status, error) {
	agent, status, err := s.running(ctx)
	if err == nil {
		err = agent.Demo(ctx, s.home, guardFor)
		if err == nil {
			s.say("  agent         the one that runs here (pid %d%s) guards the scratch home too", status.PID, as(status))
			return agent, status, nil
		}
		s.say("  agent         one runs here but will not guard the scratch home: %s", s.text(err.Error()))
	}
	agent, status, err = s.start(ctx)
	if err != nil {
		return nil, status, fmt.Errorf("start an agent for the demonstration: %w", err)
	}
	s.say("  agent         started for this demonstration (pid %d%s)", status.PID, as(status))
	return agent, status, nil
}

func as(status wormbell.Status) string {
	if status.Privileged {
		return ", as root"
	}
	return ", not as root: it sees less"
}

// running finds the agent that runs already.
func (s *stage) running(ctx context.Context) (Agent, wormbell.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	agent, err := s.options.Dial(s.options.Socket)
	if err != nil {
		return nil, wormbell.Status{}, err
	}
	status, err := agent.Status(ctx)
	return agent, status, err
}

// start runs wormbelld for the scratch home alone, as the user we are.
func (s *stage) start(ctx context.Context) (agent Agent, status wormbell.Status, err error) {
	program := s.options.Daemon
	if program == "" {
		if program, err = daemon.Find(); err != nil {
			return nil, status, err
		}
	}
	settings := filepath.Join(s.dir, "config.toml") // empty: the user's own may refuse what the demonstration shows
	if err := s.write(settings, ""); err != nil {
		return nil, status, err
	}
	socket := filepath.Join(s.dir, "agent", "agent.sock")
	s.agent, err = daemon.Start(program, filepath.Join(s.dir, "agent.log"),
		"--config", settings, "--home", s.home, "--state", filepath.Join(s.dir, "state"), "--socket", socket)
	if err != nil {
		return nil, status, err
	}
	s.ownAgent = true
	err = s.agent.Await(ctx, func(ctx context.Context) error {
		if agent, err = s.options.Dial(socket); err == nil {
			status, err = agent.Status(ctx)
		}
		return err
	})
	return agent, status, err
}

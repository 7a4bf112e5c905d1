package installer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// This file holds how an installation starts what it has put.

// register makes the service known where it is no file.
func (in *installation) register() {
	m := in.m
	if m.Service.Create == nil || in.state.Installed {
		return
	}
	in.job("Register the service "+ServiceName+": it is started at boot, and again whenever it fails.", func(ctx context.Context) (func(context.Context) error, error) {
		return m.Service.Delete, m.Service.Create(ctx, filepath.Join(m.bin(in.c.Prefix), m.programName("wormbelld")))
	})
}

// enable makes the agent start at boot.
func (in *installation) enable() {
	m := in.m
	if m.Service.Enable == nil || in.state.Enabled {
		return
	}
	in.job("Have wormbelld started at every boot.", func(ctx context.Context) (func(context.Context) error, error) {
		if err := m.Service.Enable(ctx); err != nil {
			return m.Service.Disable, fmt.Errorf("have the agent started at boot: %w", err)
		}
		return m.Service.Disable, nil
	})
}

// begin plans the start of the agent, unless the right one runs.
func (in *installation) begin(same bool, program func() string) {
	m := in.m
	enabled := in.state.Enabled || m.Service.Enable == nil
	if same && in.state.Running() && enabled {
		in.thereAlready("The agent runs, and is started at boot.")
		return
	}
	if same && in.state.Running() {
		in.enable()
		return
	}
	text := "Start the agent now and at every boot, and wait until it answers."
	if enabled {
		text = "Start the agent, and wait until it answers."
	}
	in.job(text, func(ctx context.Context) (func(context.Context) error, error) {
		undo := func(ctx context.Context) error {
			err := m.Service.Stop(ctx)
			if !enabled {
				err = errors.Join(err, m.Service.Disable(ctx))
			}
			return err
		}
		begun := time.Now()
		if !enabled {
			if err := m.Service.Enable(ctx); err != nil {
				return undo, fmt.Errorf("have the agent started at boot: %w", err)
			}
		}
		if in.state.alive() {
			if err := m.Service.Stop(ctx); err != nil { // it runs what was there before
				return undo, fmt.Errorf("stop the agent: %w", err)
			}
		}
		if err := m.Service.Start(ctx); err != nil {
			return undo, fmt.Errorf("start the agent: %w", m.agentFailed(err, begun))
		}
		return undo, m.await(ctx, Version(m.path(program())))
	})
}

// autostart makes desktops start the tray at login.
func (in *installation) autostart() {
	m := in.m
	s := m.Service
	if s.AutostartTray == nil || s.TrayStarts(context.Background()) {
		return
	}
	in.job("Have the tray started at every login.", func(ctx context.Context) (func(context.Context) error, error) {
		undo := func(ctx context.Context) error { return s.AutostartTray(ctx, "") }
		err := s.AutostartTray(ctx, filepath.Join(m.bin(in.c.Prefix), m.programName(tray)))
		if errors.Is(err, ErrNoTool) && !m.Manager {
			return nil, nil // then desktops go by their own autostart file, which was put
		}
		if err != nil {
			return undo, fmt.Errorf("have the tray started at login: %w", err)
		}
		return undo, nil
	})
}

// desktops plans the start of the tray in every session. A tray that does not
// start is no reason to put everything back: the agent guards without it.
func (in *installation) desktops(ctx context.Context, again bool) {
	in.autostart()
	sessions, err := in.m.Sessions(ctx)
	if err != nil {
		in.note("Who is logged in could not be told (%v): the tray shows at the next login.", err)
		return
	}
	for _, s := range sessions {
		if !again && s.Runs(ctx) {
			in.thereAlready("The tray runs for %s.", s.User)
			continue
		}
		in.job("Start the tray for "+s.User+", who is logged in.", func(ctx context.Context) (func(context.Context) error, error) {
			if err := s.Start(ctx); err != nil {
				in.note("The tray did not start for %s: %v. It starts at the next login.", s.User, err)
			}
			if again {
				return nil, nil // it ran before, too
			}
			return s.Stop, nil
		})
	}
}

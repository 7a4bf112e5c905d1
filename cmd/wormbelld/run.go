package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"wormbell/agent"
)

// flags are the command line's. Those that are given win over the settings.
type flags struct {
	config, state, socket string
	homes                 []string
	protect, supervised   bool
}

func (f *flags) define(s *pflag.FlagSet) {
	s.StringVar(&f.config, "config", "", "read the settings from `FILE` instead of "+agent.DefaultFile())
	s.StringVar(&f.state, "state", "", "keep alerts in `DIR`")
	s.StringVar(&f.socket, "socket", "", "serve the local API on `PATH`")
	s.StringArrayVar(&f.homes, "home", nil, "guard `DIR` instead of the homes that are found; may be given several times")
	s.BoolVar(&f.protect, "protect", false, "deny reads that would raise an alert (not in this version: it observes and says so)")
	s.BoolVar(&f.supervised, "supervised", false, "run as the child of a watchdog (the agent starts itself so)")
	s.MarkHidden("supervised")
}

func run(ctx context.Context, f flags) error {
	file, must := f.config, true
	if file == "" {
		file, must = agent.DefaultFile(), false
	}
	c, err := agent.Load(file, must)
	if err != nil {
		return err
	}
	if f.state != "" {
		c.State = f.state
	}
	if f.socket != "" {
		c.Socket = f.socket
	}
	if len(f.homes) > 0 {
		c.Homes = f.homes
	}
	c.Protect = c.Protect || f.protect
	var level slog.Level
	if c.LogLevel != "" {
		if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
			return err
		}
	}
	out := newTardy(os.Stderr)
	defer out.close(time.Second)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	ignoreStops()
	return start(ctx, f, c, log)
}

// runAgent is the agent itself, as the watchdog's child or alone.
func runAgent(ctx context.Context, c agent.Config, o agent.Options) error {
	o.Version = version()
	err := agent.Run(ctx, c, o)
	if err == nil || errors.Is(err, agent.ErrCannot) {
		return err
	}
	o.Log.Error("agent ended", "err", err)
	return errAgain
}

// errAgain says that the agent ended, was told why in the log, and is worth
// starting again.
var errAgain = errors.New("the agent ended")

// ignoreStops keeps a terminal from stopping the process that answers openers:
// Ctrl-Z, or reading and writing from the background.
func ignoreStops() {
	for _, s := range stops {
		signal.Ignore(s)
	}
	signal.Ignore(syscall.SIGHUP) // the terminal closing is no reason to stop watching; a service manager sends SIGTERM
}

// version is the version of the module as built.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

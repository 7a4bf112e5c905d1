package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"wormbell/agent"
	"wormbell/agent/settings"
)

// flags are the command line's. Those that are given win over the settings.
type flags struct {
	config, state, socket string
	homes                 []string
	protect, supervised   bool
	check                 bool
	out                   io.Writer // where check writes
}

func (f *flags) define(s *pflag.FlagSet) {
	s.StringVar(&f.config, "config", "", "read the settings from `FILE` instead of "+settings.DefaultFile())
	s.StringVar(&f.state, "state", "", "keep alerts in `DIR`")
	s.StringVar(&f.socket, "socket", "", "serve the local API on `PATH`")
	s.StringArrayVar(&f.homes, "home", nil, "guard `DIR` instead of the homes that are found; may be given several times")
	s.BoolVar(&f.protect, "protect", false, "deny dependencies' scripts and sweeps the credentials that they open, and stop them first")
	s.BoolVar(&f.check, "check", false, "say what is wrong with the settings' files and trust rows, and end: with status 2 if something is")
	s.BoolVar(&f.supervised, "supervised", false, "run as the child of a watchdog (the agent starts itself so)")
	s.MarkHidden("supervised")
}

func run(ctx context.Context, f flags) error {
	src, err := agent.SettingsSource(f.config, f.state)
	if err != nil {
		return err
	}
	set, err := settings.Read(src)
	if err != nil {
		return err
	}
	if f.check {
		return check(f.out, src, set)
	}
	if err := f.override(set); err != nil {
		return err
	}
	c := set.Config
	var level slog.Level
	if c.LogLevel != "" {
		if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
			return err
		}
	}
	out := newTardy(logTo(os.Stderr))
	defer out.close(time.Second)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	ignoreStops()
	return start(ctx, f, c, agent.Options{Log: log, Settings: set, Source: src})
}

// override puts the flags that were given over what the files say.
func (f flags) override(s *settings.Settings) error {
	for _, dir := range []struct {
		key, value string
		to         *string
	}{{"state", f.state, &s.State}, {"socket", f.socket, &s.Socket}} {
		if dir.value == "" {
			continue
		}
		abs, err := filepath.Abs(dir.value)
		if err != nil {
			return fmt.Errorf("--%s: %w", dir.key, err)
		}
		*dir.to = abs
		s.Flag(dir.key, "--"+dir.key)
	}
	if len(f.homes) > 0 {
		s.Homes = f.homes
		s.Flag("homes", "--home")
	}
	if f.protect {
		s.Protect = true
		s.Flag("protect", "--protect")
	}
	return nil
}

// check says what is wrong with the settings' files and the administrator's
// trust rows, as far as that can be told without running. It is for who pushes
// them: before the agent is started again.
func check(out io.Writer, src settings.Source, s *settings.Settings) error {
	rows, problems, notices := settings.Trust(src, time.Now())
	problems = append(slices.Clone(s.Problems), problems...)
	for _, line := range slices.Concat(problems, notices) {
		fmt.Fprintln(out, line)
	}
	if len(problems) > 0 {
		return errors.New("the settings are not all in order")
	}
	fmt.Fprintf(out, "the settings are in order (files: %d, trust rows: %d)\n", len(s.Files), len(rows))
	return nil
}

// runAgent is the agent itself, as the watchdog's child or alone.
func runAgent(ctx context.Context, c agent.Config, o agent.Options) error {
	o.Version = version()
	err := agent.Run(ctx, c, o)
	if err == nil || errors.Is(err, agent.ErrCannot) || errors.Is(err, agent.ErrAnew) {
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

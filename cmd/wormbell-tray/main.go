// Command wormbell-tray shows in the desktop's panel how the guard of this
// machine stands, and notifications about alerts. See package tray.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/itwasme"
	"wormbell/internal/secret"
	"wormbell/internal/words"
	"wormbell/tray"
	"wormbell/tray/notify"
)

func main() {
	// Before anything else: the agent takes what a person clicks here for the
	// person's word, so no other program may be able to speak through us.
	hidden := secret.Hide()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stderr, hidden)
	stop()
	os.Exit(status)
}

// run returns the status to end with: 0 also when another tray runs already, as
// then all is as it was asked to be.
func run(ctx context.Context, args []string, stderr io.Writer, hidden error) int {
	w := words.For(os.Getenv)
	self, err := os.Executable()
	if err != nil {
		return fail(stderr, err)
	}
	if len(args) > 0 && args[0] == tray.InTerminal {
		program, err := tray.Beside(self, "wormbell")
		if err != nil {
			return fail(stderr, err)
		}
		return tray.RunInTerminal(ctx, program, args[1:], w)
	}
	flags := flag.NewFlagSet("wormbell-tray", flag.ContinueOnError)
	flags.SetOutput(stderr)
	socket := flags.String("socket", "", "speak to the agent at `PATH` (default: the system's agent, else your own)")
	debug := flags.Bool("debug", false, "log more")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "wormbell-tray: no argument %q is known\n", flags.Arg(0))
		return 2
	}
	level := slog.LevelInfo
	if *debug {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	log.SetFlags(0)
	log.SetOutput(libraryLog{logger}) // the icon's library writes to the standard logger
	if hidden != nil {
		logger.Warn("other programs of yours can look into this one", "err", hidden)
	}
	return show(ctx, stderr, self, *socket, w, logger)
}

func show(ctx context.Context, stderr io.Writer, self, socket string, w *words.Words, logger *slog.Logger) int {
	session, err := tray.Join(os.Getenv)
	switch {
	case errors.Is(err, tray.ErrRunning):
		fmt.Fprintln(stderr, w.Say(words.TrayAlreadyThere))
		return 0
	case errors.Is(err, tray.ErrNoDesktop):
		fmt.Fprintln(stderr, "wormbell-tray: "+w.Say(words.TrayNoDesktop, err.Error()))
		return 1
	case err != nil:
		return fail(stderr, err)
	}
	defer session.Leave()
	other := session.Other()
	if other != nil {
		logger.Warn("another program has the tray's name in this session: going on without it", "holder_pid", other.PID, "holder", other.Name)
	}
	if !session.Shown() {
		logger.Warn("nothing in this session shows icons: there are notifications only, until something does")
	}
	c := tray.Config{
		Dial:    func() (tray.Agent, error) { return client.Dial(client.Config{Socket: socket}) },
		ItWasMe: func(a wormbell.Alert, now time.Time) bool { rows, _ := itwasme.Suggest(a, now); return len(rows) > 0 },
		Surroundings: func(ctx context.Context) notify.Surroundings {
			s, unknown := notify.Look(ctx, "")
			logger.Debug("looked whether to disturb", "do_not_disturb", s.DoNotDisturb, "screen_shared", s.ScreenShared, "not_known", unknown)
			return s
		},
		Other: other, Shown: session.Shown, Ended: session.Ended(), Words: w, Log: logger, Now: time.Now,
	}
	if notifier, err := notify.Open(ctx, notify.Config{Words: w, Log: logger}); err != nil {
		logger.Warn("no notifications: alerts show in the icon only", "err", err)
	} else {
		c.Notify = notifier
		defer notifier.Close()
	}
	if program, err := tray.Beside(self, "wormbell"); err != nil {
		logger.Warn("neither dashboard nor terminal can be opened", "err", err)
	} else {
		programs := tray.Programs{Wormbell: program, Self: self, Socket: socket}
		if tray.HasBrowser(os.Getenv, exec.LookPath) {
			c.Dashboard = programs.Dashboard
		}
		if tray.HasTerminal(exec.LookPath) {
			c.Terminal = programs.Terminal
		}
	}
	if err := tray.Run(ctx, c); err != nil {
		if errors.Is(err, tray.ErrNoLibrary) {
			fmt.Fprintln(stderr, "wormbell-tray: "+w.Say(words.TrayNotHere, err.Error()))
			return 1
		}
		return fail(stderr, err)
	}
	return 0
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "wormbell-tray: %v\n", err)
	return 1
}

// libraryLog takes what the icon's library logs.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Write(b []byte) (int, error) {
	l.log.Debug("the icon's library says", "text", string(b))
	return len(b), nil
}

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"wormbell/agent"
	"wormbell/agent/watchdog"
)

var stops = []os.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU}

// exitFatal is what the child exits with instead of exitCannot.
const exitFatal = watchdog.Fatal

// start runs the agent as the child of a watchdog, or is that child.
func start(ctx context.Context, f flags, c agent.Config, o agent.Options) error {
	// Niceness is a thread's; the child takes over that of the one that starts it.
	runtime.LockOSThread()
	hurry()
	if f.supervised {
		heart, ctx := watchdog.Child(ctx)
		o.Beat, o.Ready, o.Self = heart.Beat, heart.Ready, []int{os.Getppid()}
		return runAgent(ctx, c, o)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	err = watchdog.Run(ctx, watchdog.Config{
		Program: program,
		Args:    append(os.Args[1:], "--supervised"),
		Log:     o.Log,
		Ready:   func() { notify("READY=1") },
		Beat:    func() { notify("WATCHDOG=1") },
	})
	if errors.Is(err, watchdog.ErrFatal) {
		return errors.New("") // the child has said why
	}
	return err
}

// notify tells the service manager, if there is one; sd_notify(3).
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return // nobody listens; the agent is none the worse
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // who listens for the heart must not wait
	conn.Write([]byte(state))
}

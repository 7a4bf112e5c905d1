package main

import (
	"context"
	"errors"
	"fmt"
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

// exitAnew is what the child exits with to be started again.
const exitAnew = watchdog.Anew

// start runs the agent as the child of a watchdog, or is that child.
func start(ctx context.Context, f flags, c agent.Config, o agent.Options) error {
	// Niceness is a thread's; the child takes over that of the one that starts it.
	runtime.LockOSThread()
	hurry()
	if f.supervised {
		heart, ctx := watchdog.Child(ctx)
		o.Ready, o.Self, o.Again = heart.Ready, []int{os.Getppid()}, watchdog.Again()
		o.Heart = agent.Heart{Beat: heart.Beat, Rest: heart.Rest, Idle: heart.Idle, Stuck: heart.Stuck, Watch: heart.Watch}
		return runAgent(ctx, c, o)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	m := manager{started: time.Now()}
	m.say("STATUS=Starting")
	var alive func()
	if os.Getenv("NOTIFY_SOCKET") != "" { // else nobody wants to know, and each time costs a wake-up
		alive = func() { m.say("WATCHDOG=1") }
	}
	err = watchdog.Run(ctx, watchdog.Config{
		Program: program,
		Args:    append(os.Args[1:], "--supervised"),
		Log:     o.Log,
		Ready:   m.ready,
		Alive:   alive,
		Again:   m.again,
	})
	if errors.Is(err, watchdog.ErrFatal) {
		m.hold(ctx)
		return errors.New("") // the child has said why
	}
	m.say("STOPPING=1\nSTATUS=Stopping")
	return err
}

// manager is the service manager that started us, if one did; sd_notify(3). Its
// methods are called by one goroutine at a time, but for say.
type manager struct {
	started time.Time
	count   int // of new starts
	why     string
}

func (m *manager) ready() {
	status := "Guarding"
	if m.count > 0 {
		status = fmt.Sprintf("Guarding; started again %d times since %s, the last time because %s", m.count, m.started.Format(time.RFC3339), m.why)
	}
	m.say("READY=1\nSTATUS=" + status)
}

func (m *manager) again(why string) {
	m.count, m.why = m.count+1, why
	m.say("STATUS=Starting again because " + why)
}

// fatalWait is how long a program that cannot run is there before it says so.
// The service manager starts it again after a second, for ever: whoever mends
// the settings finds it running, and the log is not flooded until then.
const fatalWait = 5 * time.Second

// hold waits before the end of a program that cannot run, if it will be started
// again.
func (m *manager) hold(ctx context.Context) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	m.say("STATUS=Cannot run: see the log")
	select {
	case <-time.After(fatalWait):
	case <-ctx.Done():
	}
}

// say tells the service manager, if there is one.
func (m *manager) say(state string) {
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

package tray

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names on the session bus.
const (
	ownName     = "org.wormbell.Tray"
	watcherName = "org.kde.StatusNotifierWatcher" // StatusNotifierItem specification, StatusNotifierWatcher
	watcherPath = "/StatusNotifierWatcher"
	busName     = "org.freedesktop.DBus"
)

// Session is the desktop session that the tray is in.
type Session struct {
	conn  *dbus.Conn
	other *Holder // who has our name
	shown atomic.Bool
	done  chan struct{} // the goroutine that listens has ended
}

// Join finds the desktop session of this process and makes it the only tray
// there. The error wraps [ErrNoDesktop] or [ErrRunning]. Where a program that is
// no tray has the tray's name, it goes on without; see [Session.Other].
func Join(getenv func(string) string) (*Session, error) {
	if getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
		return nil, fmt.Errorf("%w: neither DISPLAY nor WAYLAND_DISPLAY is set", ErrNoDesktop)
	}
	// Not one that would be started for us: nobody would be there.
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err == nil {
		if err = errors.Join(conn.Auth(nil)); err == nil {
			err = conn.Hello()
		}
		if err != nil {
			conn.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the session bus does not answer: %w", ErrNoDesktop, err)
	}
	other, err := takeName(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &Session{conn: conn, other: other, done: make(chan struct{})}
	if err := s.watch(); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// takeName takes our name. Where a program that is no tray has it, that one is
// returned.
func takeName(conn *dbus.Conn) (other *Holder, err error) {
	ctx, cancel := context.WithTimeout(conn.Context(), lookTime)
	defer cancel()
	const attempts = 3 // it may go while it is looked at
	for range attempts {
		reply, err := conn.RequestName(ownName, dbus.NameFlagDoNotQueue)
		if err != nil {
			return nil, fmt.Errorf("%w: take the name %q: %w", ErrNoDesktop, ownName, err)
		}
		if reply == dbus.RequestNameReplyPrimaryOwner {
			return nil, nil
		}
		switch other, err = holder(ctx, conn); {
		case err == nil && other == nil:
			return nil, ErrRunning
		case err == nil:
			return other, nil
		}
	}
	return &Holder{}, nil // it cannot be told, so nobody is believed
}

// Other returns the program that has the tray's name on the bus and is no tray,
// nil if there is none. A process of number 0 is one that could not be told.
func (s *Session) Other() *Holder { return s.other }

// watch keeps an eye on whether there is a panel that shows icons, and whether
// our name becomes free.
func (s *Session) watch() error {
	signals := make(chan *dbus.Signal, 16) // changes of the panel: a few a day
	s.conn.Signal(signals)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, watcherName)},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, ownName)},
		{dbus.WithMatchSender(watcherName), dbus.WithMatchInterface(watcherName), dbus.WithMatchObjectPath(watcherPath)},
	} {
		if err := s.conn.AddMatchSignal(match...); err != nil {
			return fmt.Errorf("watch for a panel: %w", err)
		}
	}
	lacks := s.other != nil && !s.take() // who has our name may have gone before we listened
	s.look()
	go func() { // ends with the connection
		defer close(s.done)
		for signal := range signals {
			if !freed(signal) {
				s.look()
			} else if lacks {
				lacks = !s.take()
			}
		}
	}()
	return nil
}

// freed reports whether a signal says that nobody has our name any more.
func freed(signal *dbus.Signal) bool {
	var name, before, now string
	return signal.Name == busName+".NameOwnerChanged" && dbus.Store(signal.Body, &name, &before, &now) == nil && name == ownName && now == ""
}

// take takes our name if nobody has it, so that there is one tray again, and
// reports whether it is ours.
func (s *Session) take() bool {
	reply, err := s.conn.RequestName(ownName, dbus.NameFlagDoNotQueue)
	return err == nil && (reply == dbus.RequestNameReplyPrimaryOwner || reply == dbus.RequestNameReplyAlreadyOwner)
}

// lookTime is how long a panel may take to answer. One that hangs shows no icon,
// and must not keep the tray from telling.
const lookTime = 2 * time.Second

// look asks whether there is a panel. A watcher without a host shows nothing.
func (s *Session) look() {
	var host dbus.Variant
	ctx, cancel := context.WithTimeout(s.conn.Context(), lookTime)
	defer cancel()
	call := s.conn.Object(watcherName, watcherPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, watcherName, "IsStatusNotifierHostRegistered")
	shown, ok := false, false
	if call.Store(&host) == nil {
		shown, ok = host.Value().(bool)
	}
	s.shown.Store(shown && ok)
}

// Shown reports whether something in the session shows icons.
func (s *Session) Shown() bool { return s.shown.Load() }

// Ended is closed when the session has ended.
func (s *Session) Ended() <-chan struct{} { return s.conn.Context().Done() }

// Leave lets another tray in.
func (s *Session) Leave() error {
	err := s.conn.Close()
	<-s.done
	return err
}

// HasBrowser reports whether a page can be opened in a browser: by $BROWSER or
// xdg-open. Root has none, as in internal/browser.
func HasBrowser(getenv func(string) string, lookPath func(string) (string, error)) bool {
	if getenv("BROWSER") != "" {
		return true
	}
	_, err := lookPath("xdg-open")
	return err == nil && os.Geteuid() != 0
}

// terminals are the programs that open a terminal window and run a command in
// it, and what they want to read before the command. The first is the person's
// own choice, where the distribution knows such a thing.
var terminals = [][]string{
	{"x-terminal-emulator", "-e"},
	{"xdg-terminal-exec"},
	{"gnome-terminal", "--"},
	{"kgx", "--"},
	{"konsole", "-e"},
	{"xfce4-terminal", "-x"},
	{"mate-terminal", "-x"},
	{"tilix", "-e"},
	{"kitty"},
	{"alacritty", "-e"},
	{"foot"},
	{"wezterm", "start", "--"},
	{"xterm", "-e"},
}

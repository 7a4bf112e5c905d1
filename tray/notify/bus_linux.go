package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// errNoBus is that this program runs in no desktop session.
var errNoBus = errors.New("no session bus")

// Names on the bus.
const (
	busName         = "org.freedesktop.DBus"
	ownerChanged    = busName + ".NameOwnerChanged"
	callStart       = busName + ".StartServiceByName"
	hasOwner        = busName + ".NameHasOwner"
	getOwner        = busName + ".GetNameOwner"
	getProperty     = busName + ".Properties.Get"
	introspect      = busName + ".Introspectable.Introspect"
	errorNoService  = busName + ".Error.ServiceUnknown"
	errorNoOwner    = busName + ".Error.NameHasNoOwner"
	maxBusAddresses = 8
)

// dialBus opens a connection of its own to the session bus, within ctx. The
// library's ConnectSessionBus would start a bus where there is none, which
// nobody would end, and wait without limit for one that hangs.
func dialBus(ctx context.Context, address string) (*dbus.Conn, error) {
	sockets, err := busSockets(address)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, socket := range sockets {
		conn, err := dialSocket(ctx, socket)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func dialSocket(ctx context.Context, socket string) (*dbus.Conn, error) {
	if !strings.HasPrefix(socket, "@") {
		info, err := os.Stat(socket)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoBus, err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
			return nil, fmt.Errorf("%w: that of %q is another user's", errNoBus, socket)
		}
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoBus, err)
	}
	unix, ok := raw.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: no Unix socket", errNoBus), raw.Close())
	}
	// The library's first words have no context.
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(showLimit)
	}
	stop := context.AfterFunc(ctx, func() { unix.SetDeadline(time.Unix(1, 0)) })
	err = unix.SetDeadline(deadline)
	conn, dialErr := dbus.DialUnix(unix, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err = errors.Join(err, dialErr); err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("connect to the session bus: %w", err), unix.Close())
	}
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil {
		err = conn.Hello()
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = unix.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("greet the session bus: %w", err), conn.Close())
	}
	return conn, nil
}

// busSockets returns the sockets that an address names (D-Bus Specification,
// "Server Addresses"); "" is the environment's. An abstract one begins with @.
func busSockets(address string) (sockets []string, err error) {
	if address == "" {
		address = os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	}
	if address == "" || address == "autolaunch:" {
		return []string{"/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"}, nil // where systemd puts it
	}
	for one := range strings.SplitSeq(address, ";") {
		keys, ok := strings.CutPrefix(one, "unix:")
		if !ok || len(sockets) == maxBusAddresses {
			continue
		}
		for pair := range strings.SplitSeq(keys, ",") {
			key, value, _ := strings.Cut(pair, "=")
			value, err := url.PathUnescape(value)
			switch {
			case err != nil || value == "" || strings.ContainsRune(value, 0):
			case key == "path":
				sockets = append(sockets, value)
			case key == "abstract":
				sockets = append(sockets, "@"+value)
			}
		}
	}
	if len(sockets) == 0 {
		return nil, fmt.Errorf("%w: DBUS_SESSION_BUS_ADDRESS has no address on this machine", errNoBus)
	}
	return sockets, nil
}

// ask calls a method that may not start a program.
func ask(ctx context.Context, conn *dbus.Conn, dest, path, method string, args ...any) *dbus.Call {
	return conn.Object(dest, dbus.ObjectPath(path)).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// property reads a property of a service that is running.
func property(ctx context.Context, conn *dbus.Conn, dest, path, of, name string) (any, error) {
	var v dbus.Variant
	if err := ask(ctx, conn, dest, path, getProperty, of, name).Store(&v); err != nil {
		return nil, err
	}
	return v.Value(), nil
}

// owned reports whether somebody has a name.
func owned(ctx context.Context, conn *dbus.Conn, name string) (bool, error) {
	var yes bool
	err := conn.BusObject().CallWithContext(ctx, hasOwner, 0, name).Store(&yes)
	return yes, err
}

// noDaemon reports whether an error says that nobody has a name.
func noDaemon(err error) bool {
	var e dbus.Error
	return errors.As(err, &e) && (e.Name == errorNoService || e.Name == errorNoOwner) || errors.Is(err, errNoBus)
}

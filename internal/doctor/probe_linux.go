package doctor

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// fanotify tries what the agent needs (fanotify_init(2)): permission events,
// and names with handles. The group is closed at once, unused.
func fanotify(_ context.Context, m Machine) Result {
	if !m.Root {
		if _, err := sysctl(m, "fs/fanotify/max_user_marks"); err != nil {
			return warn("this kernel seems to have no fanotify: "+err.Error(), "the agent falls back to inotify, which cannot see who")
		}
		if m.uses("fanotify") {
			return ok("the agent sees by fanotify")
		}
		return unknown("the kernel has fanotify; whether it may be used only root can try")
	}
	for _, try := range []struct {
		what  string
		flags uint
	}{
		{"permission events", unix.FAN_CLASS_CONTENT | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK},
		{"events with names", unix.FAN_CLASS_NOTIF | unix.FAN_REPORT_DFID_NAME | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK},
	} {
		fd, err := unix.FanotifyInit(try.flags, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE)
		if err != nil {
			return warn(fmt.Sprintf("fanotify with %s is refused: %v", try.what, err), "in a container, give it CAP_SYS_ADMIN; the agent falls back to inotify, which cannot see who")
		}
		unix.Close(fd)
	}
	return ok("fanotify works, with permission events and with names")
}

// CN_IDX_PROC of linux/connector.h.
const connectorProc = 1

// procConnector tries to listen to process events; nothing is subscribed.
func procConnector(_ context.Context, m Machine) Result {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return warn(fmt.Sprintf("this kernel has no connector: %v", err), "processes are polled from /proc, which misses short ones")
	}
	defer unix.Close(fd)
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: connectorProc})
	switch {
	case errors.Is(err, unix.EPERM) && !m.Root:
		switch {
		case m.uses("procconn"):
			return ok("the agent sees by the proc connector")
		case m.uses("ebpf"):
			return ok("the agent sees by eBPF and needs no proc connector")
		}
		return unknown("the kernel has the connector; whether it may be used only root can try")
	case err != nil:
		return warn(fmt.Sprintf("the proc connector is refused: %v", err), "processes are polled from /proc, which misses short ones; it works only in the first user and pid namespace")
	}
	return ok("the proc connector works")
}

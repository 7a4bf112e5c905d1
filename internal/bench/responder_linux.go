package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// answer FILE is the least that an agent can do: it lets every opener of FILE
// go on at once and looks at nothing. What its openers wait is what this
// machine takes to wake one program and then the other; fanotify(7). It runs
// until it is ended and says when it has begun.
func answer(args []string) error {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a fanotify group: %w", err)
	}
	if err := unix.FanotifyMark(group, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM, unix.AT_FDCWD, args[0]); err != nil {
		return fmt.Errorf("mark %q: %w", args[0], err)
	}
	fmt.Println("ready")
	const size = int(unsafe.Sizeof(unix.FanotifyEventMetadata{}))
	buf := make([]byte, size) // one event at a time
	for {
		n, err := unix.Read(group, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != size {
			return fmt.Errorf("read an event of %d bytes: %w", n, err)
		}
		e := (*unix.FanotifyEventMetadata)(unsafe.Pointer(&buf[0]))
		yes := unix.FanotifyResponse{Fd: e.Fd, Response: unix.FAN_ALLOW}
		unix.Write(group, (*[unsafe.Sizeof(yes)]byte)(unsafe.Pointer(&yes))[:]) // its opener may be gone
		unix.Close(int(e.Fd))
	}
}

package client

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// servedBy returns the uid of the process that listens at the other end,
// unix(7): SO_PEERCRED.
func servedBy(c net.Conn) (int, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1, fmt.Errorf("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, err
	}
	uid := -1
	var credErr error
	err = raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); credErr == nil {
			uid = int(cred.Uid)
		}
	})
	if err == nil {
		err = credErr
	}
	return uid, err
}

// reachable returns a name of the socket that fits into the 108 bytes of
// unix(7), and a function that lets go of it.
func reachable(socket string) (string, func()) {
	if len(socket) < 100 {
		return socket, func() {}
	}
	dir, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return socket, func() {}
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(socket)), func() { dir.Close() }
}

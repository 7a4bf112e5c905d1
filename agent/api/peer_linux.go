package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a connection, as it was when it
// connected.
type peer struct {
	pid, uid int
	pidfd    *os.File // nil before Linux 6.5
	start    string   // start time in ticks, for when there is no pidfd
	exe      fileID   // what it ran when it was accepted; zero if that cannot be told
}

// soPeerPIDFD is SO_PEERPIDFD (asm-generic/socket.h), which x/sys lacks.
const soPeerPIDFD = 77

// peerOf asks the kernel who connected, unix(7).
func peerOf(c *net.UnixConn) (*peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	fd := -1
	err = raw.Control(func(s uintptr) {
		if cred, credErr = unix.GetsockoptUcred(int(s), unix.SOL_SOCKET, unix.SO_PEERCRED); credErr != nil {
			return // nobody would close the other
		}
		if n, err := unix.GetsockoptInt(int(s), unix.SOL_SOCKET, soPeerPIDFD); err == nil {
			fd = n
		}
	})
	if err = errors.Join(err, credErr); err != nil {
		return nil, fmt.Errorf("read peer credentials: %w", err)
	}
	p := &peer{pid: int(cred.Pid), uid: int(cred.Uid)}
	if fd >= 0 {
		unix.CloseOnExec(fd) // the kernel sets it; costs nothing to be sure
		p.pidfd = os.NewFile(uintptr(fd), "pidfd")
	} else if st, err := procStat(p.pid); err == nil {
		p.start = st.start
	}
	if exe, err := exeOf(p.pid); err == nil {
		p.exe = exe.id
	}
	return p, nil
}

// alive reports whether the process that connected still runs; only then its
// PID is its own.
func (p *peer) alive() bool {
	if p.pidfd == nil {
		st, err := procStat(p.pid)
		return err == nil && p.start != "" && st.start == p.start && st.state != "Z" && st.state != "X"
	}
	alive := false
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} // readable once it has exited, pidfd_open(2)
		n, err := unix.Poll(fds, 0)
		alive = err == nil && n == 0
	})
	return alive
}

func (p *peer) close() {
	if p.pidfd != nil {
		p.pidfd.Close()
	}
}

// topmost reports whether pid has no parent but init or the kernel, so that an
// ancestry that ends with it is complete.
func topmost(pid int) bool {
	st, err := procStat(pid)
	return err == nil && (st.ppid == "0" || st.ppid == "1")
}

type stat struct{ state, ppid, start string }

// procStat reads fields 3, 4 and 22 of /proc/PID/stat, proc_pid_stat(5).
func procStat(pid int) (stat, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 8<<10))
	if err != nil {
		return stat{}, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return stat{}, errors.New("not a stat line")
	}
	return stat{string(fields[0]), string(fields[1]), string(fields[19])}, nil
}

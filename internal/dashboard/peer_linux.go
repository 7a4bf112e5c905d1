package dashboard

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// uidOf returns the uid of the process at the other end of a connection over
// loopback, as /proc/net/tcp tells (proc(5)): the kernel's word for the socket
// that has our addresses the other way round.
func uidOf(c net.Conn) (int, error) {
	uid, err := uidIn(tables, c)
	if errors.Is(err, errGone) {
		uid, err = uidIn(tables, c) // sockets that come and go meanwhile may hide one in the table
	}
	return uid, err
}

// tables is the folder of the tables of this network namespace.
const tables = "/proc/self/net"

// canTell returns an error if uidOf would: then nobody could be let in.
func canTell() error {
	f, err := os.Open(tables + "/tcp")
	if err != nil {
		return fmt.Errorf("tell whose a connection is: %w", err)
	}
	return f.Close()
}

// uidIn is uidOf by the tables in a folder.
func uidIn(dir string, c net.Conn) (int, error) {
	here, ok := c.LocalAddr().(*net.TCPAddr)
	there, ok2 := c.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return -1, errCannotTell
	}
	for _, t := range []struct {
		file string
		six  bool // an IPv6 socket may speak IPv4
	}{{dir + "/tcp", false}, {dir + "/tcp6", true}} {
		f, err := os.Open(t.file)
		if t.six && errors.Is(err, fs.ErrNotExist) {
			continue // without IPv6
		} else if err != nil {
			return -1, fmt.Errorf("read %q: %w", t.file, err)
		}
		uid, err := findSocket(bufio.NewScanner(f), procAddr(there.AddrPort(), t.six), procAddr(here.AddrPort(), t.six))
		f.Close()
		if err == nil || !errors.Is(err, errGone) {
			return uid, err
		}
	}
	return -1, errGone
}

// findSocket returns the uid of the socket with these addresses.
func findSocket(lines *bufio.Scanner, local, remote string) (int, error) {
	const established = "01" // include/net/tcp_states.h; a closing one has lost its owner
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // sl local remote st tx:rx tr:when retrnsmt uid …
		if len(f) < 8 || f[1] != local || f[2] != remote {
			continue
		}
		if f[3] != established {
			return -1, errGone
		}
		uid, err := strconv.Atoi(f[7])
		if err != nil {
			return -1, fmt.Errorf("read whose a connection is: %w", err)
		}
		return uid, nil
	}
	if err := lines.Err(); err != nil {
		return -1, fmt.Errorf("read whose a connection is: %w", err)
	}
	return -1, errGone
}

// procAddr writes an address as the tables have it: words of 32 bits in the
// machine's order of bytes.
func procAddr(a netip.AddrPort, six bool) string {
	ip := a.Addr().Unmap()
	var b []byte
	if six {
		x := ip.As16()
		b = x[:]
	} else if ip.Is4() {
		x := ip.As4()
		b = x[:]
	}
	var s strings.Builder
	for ; len(b) >= 4; b = b[4:] {
		fmt.Fprintf(&s, "%08X", binary.NativeEndian.Uint32(b))
	}
	fmt.Fprintf(&s, ":%04X", a.Port())
	return s.String()
}

// startOf returns when a process started, in a form that is only good to be
// compared: field 22 of /proc/PID/stat, proc_pid_stat(5). "" if it has ended.
func startOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before may hold anything
	if len(f) < 20 {
		return ""
	}
	return f[19]
}

// asker returns who is at the other end of a unix socket, unix(7): SO_PEERCRED.
func asker(c net.Conn) (uid, pid int, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1, 0, errCannotTell
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, 0, fmt.Errorf("look who asks: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return -1, 0, fmt.Errorf("look who asks: %w", err)
	}
	if credErr != nil {
		return -1, 0, fmt.Errorf("look who asks: %w", credErr)
	}
	return int(cred.Uid), int(cred.Pid), nil
}

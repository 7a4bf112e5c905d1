package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// Socket is one line of /proc/PID/net/tcp or tcp6, proc_pid_net(5).
type Socket struct {
	Local, Remote netip.AddrPort
	State         uint8  // see the states below
	Inode         uint64 // as in the link of its descriptor; 0 for one that no process has any more
}

// States of a TCP socket, include/net/tcp_states.h.
const (
	TCPSynSent = 2
	TCPListen  = 10
)

// ParseSocket decodes one line; false for the heading and for what is none.
func ParseSocket(line []byte) (s Socket, ok bool) {
	f := bytes.Fields(line)
	if len(f) < 10 {
		return s, false
	}
	local, ok := socketAddress(f[1])
	remote, ok2 := socketAddress(f[2])
	state, err := strconv.ParseUint(string(f[3]), 16, 8)
	inode, err2 := strconv.ParseUint(string(f[9]), 10, 64)
	if !ok || !ok2 || err != nil || err2 != nil {
		return s, false
	}
	return Socket{local, remote, uint8(state), inode}, true
}

// socketAddress decodes ADDRESS:PORT, in hexadecimal.
func socketAddress(b []byte) (a netip.AddrPort, ok bool) {
	host, port, ok := bytes.Cut(b, []byte(":"))
	if !ok || len(host) != 8 && len(host) != 32 || len(port) != 4 {
		return a, false
	}
	var raw, addr [16]byte
	if _, err := hex.Decode(raw[:], host); err != nil {
		return a, false
	}
	n := len(host) / 2
	for i := 0; i < n; i += 4 {
		// Each word is in network order, and printed as if it were a number of the machine's.
		binary.NativeEndian.PutUint32(addr[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(addr[:n])
	p, err := strconv.ParseUint(string(port), 16, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), ok && err == nil
}

// SocketLink decodes what the link of a descriptor leads to, "socket:[123]"; false if that
// is no socket.
func SocketLink(link []byte) (inode uint64, ok bool) {
	rest, is := bytes.CutPrefix(link, []byte("socket:["))
	number, end := bytes.CutSuffix(rest, []byte("]"))
	if !is || !end {
		return 0, false
	}
	inode, err := strconv.ParseUint(string(number), 10, 64)
	return inode, err == nil && inode != 0
}

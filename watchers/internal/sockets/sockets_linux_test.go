package sockets

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"

	"wormbell/watchers/internal/decode"
)

// find returns where this process has connected to, and whether the kernel still says so.
func find(t *testing.T) (to []netip.AddrPort) {
	t.Helper()
	open, err := Open(os.Getpid(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Connected(os.Getpid(), func(s decode.Socket) {
		if slices.Contains(open, s.Inode) {
			to = append(to, s.Remote)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestConnected: our own end of a connection is found, the other one, which
// somebody connected to, and what only listens are not.
func TestConnected(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // a machine without version 6
			continue
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got := find(t)
		if !slices.Contains(got, netip.MustParseAddrPort(l.Addr().String())) {
			t.Errorf("%v does not have %v", got, l.Addr())
		}
		if slices.Contains(got, netip.MustParseAddrPort(c.LocalAddr().String())) {
			t.Errorf("%v has %v, who connected to us", got, c.LocalAddr())
		}
	}
}

// TestGone: a process that is not there is an error, and nothing else.
func TestGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got, err := Open(cmd.Process.Pid, nil); err == nil || len(got) > 0 {
		t.Errorf("sockets of a process that is gone: %v, %v", got, err)
	}
}

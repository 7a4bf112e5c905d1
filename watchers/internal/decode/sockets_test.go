package decode

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

const tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

func TestParseSocket(t *testing.T) {
	t.Parallel()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("recorded on a little-endian machine")
	}
	for _, tt := range []struct {
		name, line string
		want       Socket
		ok         bool
	}{
		{"heading", tcpHead, Socket{}, false},
		{"loopback", "   1: 0100007F:A0B2 0100007F:1109 01 00000000:00000000 00:00000000 00000000  1000        0 48213 1 0000000000000000 20 4 30 10 -1",
			Socket{netip.MustParseAddrPort("127.0.0.1:41138"), netip.MustParseAddrPort("127.0.0.1:4361"), 1, 48213}, true},
		{"elsewhere, on its way", "   2: 0200000A:A0B2 0A0200C0:01BB 02 00000001:00000000 01:00000064 00000000  1000        0 48214 2 0000000000000000",
			Socket{netip.MustParseAddrPort("10.0.0.2:41138"), netip.MustParseAddrPort("192.0.2.10:443"), TCPSynSent, 48214}, true},
		{"listens", "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0000000000000000 100 0 0 10 0",
			Socket{netip.MustParseAddrPort("0.0.0.0:22"), netip.MustParseAddrPort("0.0.0.0:0"), TCPListen, 17}, true},
		{"version 6", "   1: 00000000000000000000000001000000:A0B2 B80D0120000000000000000001000000:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 9 1 0",
			Socket{netip.MustParseAddrPort("[::1]:41138"), netip.MustParseAddrPort("[2001:db8::1]:443"), 1, 9}, true},
		{"version 4 in 6", "   1: 0000000000000000FFFF00000100007F:A0B2 0000000000000000FFFF00000100007F:1109 01 00000000:00000000 00:00000000 00000000  1000        0 9 1 0",
			Socket{netip.MustParseAddrPort("127.0.0.1:41138"), netip.MustParseAddrPort("127.0.0.1:4361"), 1, 9}, true},
		{"cut", "   1: 0100007F:A0B2 0100007F:1109 01 00000000", Socket{}, false},
		{"no address", "   1: 0100007F:A0B2 0100007Z:1109 01 00000000:00000000 00:00000000 00000000  1000        0 48213", Socket{}, false},
		{"no inode", "   1: 0100007F:A0B2 0100007F:1109 01 00000000:00000000 00:00000000 00000000  1000        0 x", Socket{}, false},
	} {
		if got, ok := ParseSocket([]byte(tt.line)); ok != tt.ok || got != tt.want {
			t.Errorf("%s: %v %v, want %v %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSocketLink(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]uint64{"socket:[48213]": 48213, "socket:[]": 0, "socket:[0]": 0, "socket:[1": 0, "pipe:[12]": 0, "/tmp/socket:[12]": 0, "": 0} {
		if got, ok := SocketLink([]byte(link)); got != want || ok != (want != 0) {
			t.Errorf("%q: %d %v, want %d", link, got, ok, want)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	f.Add([]byte(tcpHead))
	f.Add([]byte("   1: 0100007F:A0B2 0100007F:1109 01 00000000:00000000 00:00000000 00000000  1000        0 48213 1"))
	f.Add([]byte("socket:[48213]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := ParseSocket(b); ok && !s.Remote.IsValid() {
			t.Errorf("%q: an address that is none", b)
		}
		if inode, ok := SocketLink(b); ok && inode == 0 {
			t.Errorf("%q: a socket without a number", b)
		}
	})
}

package sockets

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/decode"
)

// Limits of one look, which a process can make long.
const (
	maxOpen  = 4096    // descriptors
	maxTable = 8 << 20 // bytes of one table, some 50,000 sockets
)

// Available says that sockets are looked at here.
const Available = true

// Open appends the inodes of the sockets that a process has open, of its first
// maxOpen descriptors.
func Open(pid int, inodes []uint64) ([]uint64, error) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return inodes, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxOpen)
	if err != nil && !errors.Is(err, io.EOF) {
		return inodes, err
	}
	var link [64]byte
	for _, name := range names {
		n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
		if err != nil {
			continue // closed by now
		}
		if inode, ok := decode.SocketLink(link[:n]); ok {
			inodes = append(inodes, inode)
		}
	}
	return inodes, nil
}

// Connected calls found for every TCP socket in the network namespace of a
// process that has connected to somewhere, or is about to: not for one that
// somebody else connected to.
func Connected(pid int, found func(decode.Socket)) error {
	var all error
	for _, table := range []string{"tcp", "tcp6"} {
		if err := read(fmt.Sprintf("/proc/%d/net/%s", pid, table), found); err != nil && !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func read(name string, found func(decode.Socket)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	listens := map[uint16]bool{} // ports; those sockets come first
	lines := bufio.NewScanner(io.LimitReader(f, maxTable))
	for lines.Scan() {
		switch s, ok := decode.ParseSocket(lines.Bytes()); {
		case !ok:
		case s.State == decode.TCPListen:
			listens[s.Local.Port()] = true
		case s.Inode != 0 && s.Remote.Port() != 0 && !listens[s.Local.Port()]:
			found(s)
		}
	}
	return lines.Err()
}

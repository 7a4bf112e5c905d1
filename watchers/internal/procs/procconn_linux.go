package procs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/decode"
)

// queueBytes is the room the kernel gets for what we have not read yet: some
// 20,000 events, half a second of the worst storm measured. It takes memory
// only while it is full.
const queueBytes = 16 << 20

// Conn is the kernel's proc connector: it tells of every process that starts,
// executes a program or ends, in the order in which that happened, and threads
// are filtered out in the kernel. See connector(7) of the kernel's documentation,
// Documentation/driver-api/connector.rst.
//
// Drain and Close must not be called at the same time. Listen may run beside both.
type Conn struct {
	file *os.File
	raw  syscall.RawConn
	fd   int
	buf  []byte
}

// OpenConn subscribes. It fails where the kernel refuses, and where it would
// accept and then say nothing, as it does in a pid namespace of a container.
// queue is the room for unread events in bytes, 0 for the default.
func OpenConn(queue int) (*Conn, error) {
	if queue == 0 {
		queue = queueBytes
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("open a connector socket: %w", err)
	}
	c := &Conn{fd: fd, buf: make([]byte, 4096)}
	if err := c.subscribe(queue); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("subscribe to process events: %w", err)
	}
	c.file = os.NewFile(uintptr(fd), "proc connector")
	if c.raw, err = c.file.SyscallConn(); err != nil {
		c.file.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) subscribe(queue int) error {
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queue) != nil {
		// Not root: as much as rmem_max allows. Losses are counted.
		if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, queue); err != nil {
			return err
		}
	}
	f := leadersOnly()
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if err := unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return err
	}
	if err := unix.Bind(c.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}); err != nil {
		return err
	}
	ack := rand.Uint32()
	if err := c.control(cnMcastListen, ack); err != nil {
		return err
	}
	// The answer is queued before sendto returns, unless nobody will answer.
	for deadline := time.Now().Add(time.Second); ; {
		answer, refused := false, error(nil)
		_, err := c.drain(^uint64(0), func(p *decode.Proc) {
			if p.What == decode.ProcNone && p.Ack == ack+1 {
				answer = true
				if p.Err != 0 {
					refused = syscall.Errno(p.Err)
				}
			}
		})
		if answer || err != nil {
			return errors.Join(err, refused)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return errors.New("the kernel does not answer; it tells no process events in a pid namespace")
		}
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return err
		}
	}
}

// Operations on and address of the proc connector; include/uapi/linux/cn_proc.h.
const (
	cnIdxProc     = 1
	cnValProc     = 1
	cnMcastListen = 1
	cnMcastIgnore = 2
)

// control sends one of the operations. The form with an event mask is younger
// than our oldest kernel, which ignores it silently, so events are picked by
// leadersOnly instead.
func (c *Conn) control(op, ack uint32) error {
	e := binary.NativeEndian
	b := make([]byte, 40)
	e.PutUint32(b, uint32(len(b)))
	e.PutUint16(b[4:], unix.NLMSG_DONE)
	e.PutUint32(b[16:], cnIdxProc)
	e.PutUint32(b[20:], cnValProc)
	e.PutUint32(b[28:], ack) // comes back one higher; the sequence number does not
	e.PutUint16(b[32:], 4)
	e.PutUint32(b[36:], op)
	return unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// leadersOnly is a socket filter that passes the kernel's answers, every exec,
// and the fork and exit of first threads. A node process starts ten threads;
// without it each would wake us twice.
func leadersOnly() []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		same   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X
		toX    = unix.BPF_MISC | unix.BPF_TAX
		ret    = unix.BPF_RET | unix.BPF_K
		what   = 36 // struct proc_event behind the headers
		union  = what + 16
		accept = 0xffffffff
	)
	// Filters load in network order, the kernel wrote in its own.
	k := func(v uint32) uint32 { return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v)) }
	return []unix.SockFilter{
		{Code: load, K: what},
		{Code: equal, K: k(decode.ProcExec), Jt: 12},
		{Code: equal, K: k(decode.ProcNone), Jt: 11},
		{Code: equal, K: k(decode.ProcFork), Jt: 2},
		{Code: equal, K: k(decode.ProcExit), Jt: 5},
		{Code: ret, K: 0},
		{Code: load, K: union + 8}, // fork: child
		{Code: toX},
		{Code: load, K: union + 12},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 3},
		{Code: load, K: union}, // exit
		{Code: toX},
		{Code: load, K: union + 4},
		{Code: same, Jf: 1},
		{Code: ret, K: accept},
		{Code: ret, K: 0},
	}
}

// Drain hands over everything that is queued, without waiting, and stops after
// an event that is younger than until, a time of [Monotonic]: so that it ends
// also while others start processes faster than we read. lost is how often the
// queue overflowed; each time an unknown number of events was lost.
func (c *Conn) Drain(until time.Duration, each func(*decode.Proc)) (lost int, err error) {
	return c.drain(uint64(until), each)
}

func (c *Conn) drain(until uint64, each func(*decode.Proc)) (lost int, err error) {
	var p decode.Proc
	for {
		n, from, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN:
			return lost, nil
		case err == unix.EINTR:
			continue
		case err == unix.ENOBUFS:
			lost++
			continue
		case err != nil:
			return lost, fmt.Errorf("read process events: %w", err)
		}
		if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
			continue // not from the kernel
		}
		for b := c.buf[:n]; len(b) > 0; {
			if b, err = decode.NextProc(b, &p); err != nil {
				lost++ // a message we cannot read is a message we did not get
				break
			}
			each(&p)
		}
		if p.Time > until && p.What != decode.ProcNone {
			return lost, nil
		}
	}
}

// Listen calls ready now, and again each time there is something to drain,
// until ctx is done or ready fails. The error is ctx's, ready's or the socket's.
func (c *Conn) Listen(ctx context.Context, ready func() error) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		c.file.SetReadDeadline(time.Unix(1, 0))
	})
	var failed error
	err := c.raw.Read(func(uintptr) bool { // called again when the socket is readable
		failed = ready()
		return failed != nil
	})
	if !stop() {
		<-ended
		c.file.SetReadDeadline(time.Time{})
		return ctx.Err()
	}
	return errors.Join(failed, err)
}

// Close ends the subscription.
func (c *Conn) Close() error {
	return errors.Join(c.control(cnMcastIgnore, 0), c.file.Close())
}

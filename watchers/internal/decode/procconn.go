package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kinds of proc connector events; include/uapi/linux/cn_proc.h.
const (
	ProcNone = 0x00000000 // the kernel's answer to a request
	ProcFork = 0x00000001
	ProcExec = 0x00000002
	ProcExit = 0x80000000
)

// Sizes of what wraps an event: struct nlmsghdr, struct cn_msg, and the part
// of struct proc_event before its union. All are in the machine's byte order.
const (
	nlmsgHdrLen = 16
	nlmsgAlign  = 4
	cnMsgLen    = 20
	procHdrLen  = 16
	cnIdxProc   = 1
	cnValProc   = 1
)

// Proc is one event of the proc connector, or of the agent's program in the kernel.
type Proc struct {
	What uint32 // one of the Proc constants, or a kind that is not ours
	CPU  uint32
	Time uint64 // nanoseconds of CLOCK_MONOTONIC
	Ack  uint32 // for ProcNone: that of the request and one
	// Whom it is about, and for ProcFork and ProcExit its parent. A thread has
	// another PID than TGID.
	PID, TGID             int32
	ParentPID, ParentTGID int32
	Err                   uint32 // for ProcNone: an errno, 0 if the request was granted
	// Of the agent's program alone, see [ParseTold].
	Start uint64 // when the process began, nanoseconds after boot, suspended time included; 0 if that is not told
	Lost  uint32 // records that found no room since the program was loaded; wraps
}

// ErrProc is returned for bytes that no kernel would write.
var ErrProc = errors.New("malformed proc connector message")

// NextProc decodes the first message of b into p and returns what follows it.
// A kind that is not ours is no error: p.What says which it is and the rest of
// p is zero.
func NextProc(b []byte, p *Proc) (rest []byte, err error) {
	if len(b) < nlmsgHdrLen {
		return nil, fmt.Errorf("%w: %d bytes left", ErrProc, len(b))
	}
	n := binary.NativeEndian.Uint32(b)
	if n < nlmsgHdrLen+cnMsgLen+procHdrLen || uint64(n) > uint64(len(b)) {
		return nil, fmt.Errorf("%w: length %d of %d", ErrProc, n, len(b))
	}
	// NLMSG_NEXT: the next header is aligned, the last message need not be padded.
	rest = b[min(uint64(len(b)), (uint64(n)+nlmsgAlign-1)&^(nlmsgAlign-1)):]
	cn := b[nlmsgHdrLen:n]
	if binary.NativeEndian.Uint32(cn) != cnIdxProc || binary.NativeEndian.Uint32(cn[4:]) != cnValProc {
		return nil, fmt.Errorf("%w: from connector %d.%d", ErrProc,
			binary.NativeEndian.Uint32(cn), binary.NativeEndian.Uint32(cn[4:]))
	}
	ev := cn[cnMsgLen:]
	if data := binary.NativeEndian.Uint16(cn[16:]); int(data) < procHdrLen || int(data) > len(ev) {
		return nil, fmt.Errorf("%w: %d bytes of event in %d", ErrProc, data, len(ev))
	} else {
		ev = ev[:data]
	}
	*p = Proc{
		What: binary.NativeEndian.Uint32(ev),
		CPU:  binary.NativeEndian.Uint32(ev[4:]),
		Time: binary.NativeEndian.Uint64(ev[8:]),
		Ack:  binary.NativeEndian.Uint32(cn[12:]),
	}
	if err := p.union(ev[procHdrLen:]); err != nil {
		return nil, err
	}
	return rest, nil
}

// union decodes what struct proc_event holds for each kind.
func (p *Proc) union(b []byte) error {
	need := 0
	switch p.What {
	case ProcNone:
		need = 4
	case ProcExec:
		need = 8
	case ProcFork, ProcExit:
		need = 16
	}
	if len(b) < need {
		return fmt.Errorf("%w: %d bytes for kind %#x", ErrProc, len(b), p.What)
	}
	at := func(i int) int32 { return int32(binary.NativeEndian.Uint32(b[4*i:])) }
	switch p.What {
	case ProcNone:
		p.Err = uint32(at(0))
	case ProcFork:
		p.ParentPID, p.ParentTGID, p.PID, p.TGID = at(0), at(1), at(2), at(3)
	case ProcExec:
		p.PID, p.TGID = at(0), at(1)
	case ProcExit:
		p.PID, p.TGID = at(0), at(1)
		if len(b) >= 24 { // the parent was added in Linux 4.18
			p.ParentPID, p.ParentTGID = at(4), at(5)
		}
	}
	return nil
}

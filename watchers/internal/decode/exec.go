package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Exec is what the agent's program in the kernel says of an exec, besides a
// [Proc]: struct record of exec.bpf.c, which makes it before the new program's
// first instruction.
type Exec struct {
	Start    uint64 // when the process began, nanoseconds after boot, suspended time included
	ArgStart uint64 // address of the arguments: another one after each exec
	PID      int32
	Parent   int32 // as of the exec
	UID      uint32
	Exe      string // the file that runs, as /proc/PID/exe would show it; begins "/…/" if it is too deep
	Deleted  bool   // that file has no name any more
	Cwd      string // the same of the folder it runs in
	Args     []byte // as /proc/PID/cmdline; secrets are still in it. nil if they could not be read
	ArgsCut  bool   // that is only their beginning
}

// ErrTold is returned for bytes that the program does not write.
var ErrTold = errors.New("malformed record of a process")

// Sizes and flags of struct told and struct record.
const (
	toldLen     = 32
	execHdrLen  = 64
	execTextMax = 16 << 10
	execGone    = 1
	execCut     = 2
	execCwdCut  = 4
)

// ParseTold decodes one record into p, and what it says of an exec: nil if it
// is of a fork or an exit. Nothing in either shares memory with b.
func ParseTold(b []byte, p *Proc) (*Exec, error) {
	if len(b) < toldLen || len(b) > execHdrLen+execTextMax {
		return nil, fmt.Errorf("%w: %d bytes", ErrTold, len(b))
	}
	n := binary.NativeEndian
	pid, parent := int32(n.Uint32(b[20:])), int32(n.Uint32(b[24:]))
	*p = Proc{Time: n.Uint64(b), Start: n.Uint64(b[8:]), What: n.Uint32(b[16:]), PID: pid, TGID: pid, Lost: n.Uint32(b[28:])}
	if pid <= 0 {
		return nil, fmt.Errorf("%w: of process %d", ErrTold, pid)
	}
	switch p.What {
	case ProcFork:
		p.ParentPID, p.ParentTGID = parent, parent
		fallthrough
	case ProcExit:
		if len(b) != toldLen {
			return nil, fmt.Errorf("%w: %d bytes for kind %#x", ErrTold, len(b), p.What)
		}
		return nil, nil
	case ProcExec:
		if len(b) >= execHdrLen {
			return parseExec(b, p, parent)
		}
	}
	return nil, fmt.Errorf("%w: %d bytes of kind %#x", ErrTold, len(b), p.What)
}

func parseExec(b []byte, p *Proc, parent int32) (*Exec, error) {
	n := binary.NativeEndian
	at := func(i int) uint32 { return n.Uint32(b[40+4*i:]) }
	e := &Exec{Start: p.Start, ArgStart: n.Uint64(b[32:]), PID: p.PID, Parent: parent, UID: at(0)}
	flags, exe, both, args, all := at(1), at(2), at(3), at(4), at(5)
	text := b[execHdrLen:]
	if exe > both || both > uint32(len(text)) || args != uint32(len(text))-both || args > all {
		return nil, fmt.Errorf("%w: %d, %d and %d of %d bytes", ErrTold, exe, both, args, len(text))
	}
	e.Exe, e.Deleted = upwards(text[:exe], flags&execCut != 0), flags&execGone != 0
	e.Cwd = upwards(text[exe:both], flags&execCwdCut != 0)
	if e.ArgsCut = all > args; args > 0 {
		e.Args = bytes.Clone(text[both:])
	}
	return e, nil
}

// upwards makes a path of the names on its way, the last one first. cut says
// that the first ones are missing.
func upwards(names []byte, cut bool) string {
	var b strings.Builder
	b.Grow(len(names) + len("/…"))
	if cut {
		b.WriteString("/…")
	}
	for len(names) > 0 {
		names = names[:len(names)-1] // its 0
		i := bytes.LastIndexByte(names, 0) + 1
		b.WriteByte('/')
		b.Write(names[i:])
		names = names[:i]
	}
	if b.Len() == 0 {
		return "/"
	}
	return strings.ToValidUTF8(b.String(), "�")
}

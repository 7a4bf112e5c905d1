package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Exec is what the agent's program in the kernel says of an exec: struct record
// of exec.bpf.c, which makes it before the new program's first instruction.
type Exec struct {
	Time     uint64 // nanoseconds of CLOCK_MONOTONIC, before the proc connector's message of the same
	Start    uint64 // when the process began, nanoseconds after boot, suspended time included
	ArgStart uint64 // address of the arguments: another one after each exec
	PID      int32
	Parent   int32 // as of the exec
	UID      uint32
	Lost     uint32 // records that found no room since the program was loaded; wraps
	Exe      string // the file that runs, as /proc/PID/exe would show it; begins "/…/" if it is too deep
	Deleted  bool   // that file has no name any more
	Cwd      string // the same of the folder it runs in
	Args     []byte // as /proc/PID/cmdline; secrets are still in it. nil if they could not be read
	ArgsCut  bool   // that is only their beginning
}

// ErrExec is returned for bytes that the program does not write.
var ErrExec = errors.New("malformed exec record")

// Sizes and flags of struct record.
const (
	execHdrLen  = 60
	execTextMax = 16 << 10
	execGone    = 1
	execCut     = 2
	execCwdCut  = 4
)

// ParseExec decodes one record into e. Nothing in e shares memory with b.
func ParseExec(b []byte, e *Exec) error {
	if len(b) < execHdrLen || len(b) > execHdrLen+execTextMax {
		return fmt.Errorf("%w: %d bytes", ErrExec, len(b))
	}
	n := binary.NativeEndian
	at := func(i int) uint32 { return n.Uint32(b[24+4*i:]) }
	*e = Exec{Time: n.Uint64(b), Start: n.Uint64(b[8:]), ArgStart: n.Uint64(b[16:]),
		PID: int32(at(0)), Parent: int32(at(1)), UID: at(2), Lost: at(3)}
	flags, exe, both, args, all := at(4), at(5), at(6), at(7), at(8)
	text := b[execHdrLen:]
	if exe > both || both > uint32(len(text)) || args != uint32(len(text))-both || args > all || e.PID <= 0 {
		return fmt.Errorf("%w: %d, %d and %d of %d bytes", ErrExec, exe, both, args, len(text))
	}
	e.Exe, e.Deleted = upwards(text[:exe], flags&execCut != 0), flags&execGone != 0
	e.Cwd = upwards(text[exe:both], flags&execCwdCut != 0)
	if e.ArgsCut = all > args; args > 0 {
		e.Args = bytes.Clone(text[both:])
	}
	return nil
}

// upwards makes a path of the names on its way, the last one first. cut says
// that the first ones are missing.
func upwards(names []byte, cut bool) string {
	var b strings.Builder
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

// Package inotifyopen wraps inotify(7) for what changes in a few folders and,
// where fanotify is refused, for opens of a few files; it also guesses who has
// a file open, which inotify does not tell.
//
// It knows paths and descriptors only: nothing of homes, credentials or the
// project's events.
package inotifyopen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Masks of inotify events; include/uapi/linux/inotify.h.
const (
	CloseWrite   = 0x00000008
	CloseNoWrite = 0x00000010
	Open         = 0x00000020
	MovedFrom    = 0x00000040
	MovedTo      = 0x00000080
	Create       = 0x00000100
	Delete       = 0x00000200
	DeleteSelf   = 0x00000400
	MoveSelf     = 0x00000800
	Unmount      = 0x00002000
	QOverflow    = 0x00004000
	Ignored      = 0x00008000
	IsDir        = 0x40000000
)

// Event is one record read from an inotify instance.
type Event struct {
	WD   int32 // of the watch, -1 for QOverflow
	Mask uint32
	Name []byte // of the entry of a watched folder; empty for the watched object itself. Points into what was decoded
}

// ErrMalformed is returned for bytes that no kernel would write.
var ErrMalformed = errors.New("malformed inotify record")

const headerLen = 16

// Next decodes the first record of b and returns what follows it.
func Next(b []byte) (e Event, rest []byte, err error) {
	if len(b) < headerLen {
		return e, nil, fmt.Errorf("%w: %d bytes left", ErrMalformed, len(b))
	}
	n := binary.NativeEndian.Uint32(b[12:])
	if uint64(n) > uint64(len(b)-headerLen) {
		return e, nil, fmt.Errorf("%w: name of %d in %d bytes", ErrMalformed, n, len(b))
	}
	e = Event{WD: int32(binary.NativeEndian.Uint32(b)), Mask: binary.NativeEndian.Uint32(b[4:])}
	e.Name, _, _ = bytes.Cut(b[headerLen:headerLen+n], []byte{0})
	return e, b[headerLen+n:], nil
}

// Package decode turns the bytes that kernels and operating systems hand out
// into records. It has no build tags, so that what is parsed on one system is
// tested and fuzzed on every other, and it does no I/O.
package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Masks of fanotify events; include/uapi/linux/fanotify.h.
const (
	FanAccess      = 0x00000001
	FanModify      = 0x00000002
	FanCloseWrite  = 0x00000008
	FanOpen        = 0x00000020
	FanMovedFrom   = 0x00000040
	FanMovedTo     = 0x00000080
	FanCreate      = 0x00000100
	FanDelete      = 0x00000200
	FanQOverflow   = 0x00004000
	FanOpenPerm    = 0x00010000
	FanAccessPerm  = 0x00020000
	FanOnDir       = 0x40000000
	fanMetaVersion = 3
	fanMetaLen     = 24
	infoFID        = 1
	infoDFIDName   = 2
	infoDFID       = 3
	infoPidFD      = 4
	infoError      = 5
	infoOldDFID    = 10
	infoNewDFID    = 12
)

// Fanotify is one record read from a fanotify group.
type Fanotify struct {
	Mask  uint64
	FD    int32 // of the object, -1 (FAN_NOFD) for groups that report handles
	PID   int32 // 0 where the kernel does not tell
	PidFD int32 // -1 if there is none
	// The folder and name it happened to, for groups with FAN_REPORT_DFID_NAME.
	FSID       uint64
	HandleType int32
	Handle     []byte // of the folder; a copy is needed to keep it
	Name       []byte // may hold any byte but NUL and '/'; "." for the folder itself
}

// ErrFanotify is returned for bytes that no kernel would write.
var ErrFanotify = errors.New("malformed fanotify record")

// NextFanotify decodes the first record of b into r and returns what follows
// it. r's slices point into b. See fanotify(7).
func NextFanotify(b []byte, r *Fanotify) (rest []byte, err error) {
	if len(b) < fanMetaLen {
		return nil, fmt.Errorf("%w: %d bytes left", ErrFanotify, len(b))
	}
	eventLen, metaLen := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint16(b[6:])
	if b[4] != fanMetaVersion {
		return nil, fmt.Errorf("%w: version %d", ErrFanotify, b[4])
	}
	if metaLen < fanMetaLen || uint64(eventLen) > uint64(len(b)) || uint32(metaLen) > eventLen {
		return nil, fmt.Errorf("%w: lengths %d of %d in %d", ErrFanotify, metaLen, eventLen, len(b))
	}
	*r = Fanotify{
		Mask:  binary.NativeEndian.Uint64(b[8:]),
		FD:    int32(binary.NativeEndian.Uint32(b[16:])),
		PID:   int32(binary.NativeEndian.Uint32(b[20:])),
		PidFD: -1,
	}
	for info := b[metaLen:eventLen]; len(info) >= 4; {
		n := int(binary.NativeEndian.Uint16(info[2:]))
		if n < 4 || n > len(info) {
			return nil, fmt.Errorf("%w: info of %d bytes in %d", ErrFanotify, n, len(info))
		}
		body := info[4:n]
		switch info[0] {
		case infoPidFD:
			if len(body) >= 4 {
				r.PidFD = int32(binary.NativeEndian.Uint32(body))
			}
		case infoDFIDName, infoDFID, infoNewDFID:
			if err := r.folder(body); err != nil {
				return nil, err
			}
		}
		info = info[n:]
	}
	return b[eventLen:], nil
}

// folder decodes struct fanotify_event_info_fid without its header: fsid,
// struct file_handle, then the name, NUL-terminated and padded.
func (r *Fanotify) folder(b []byte) error {
	if len(b) < 16 {
		return fmt.Errorf("%w: handle of %d bytes", ErrFanotify, len(b))
	}
	n := binary.NativeEndian.Uint32(b[8:])
	if uint64(n) > uint64(len(b)-16) {
		return fmt.Errorf("%w: handle of %d in %d bytes", ErrFanotify, n, len(b)-16)
	}
	r.FSID = binary.NativeEndian.Uint64(b)
	r.HandleType = int32(binary.NativeEndian.Uint32(b[12:]))
	r.Handle = b[16 : 16+n]
	r.Name, _, _ = bytes.Cut(b[16+n:], []byte{0})
	return nil
}

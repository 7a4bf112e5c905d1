//go:build !linux

package sockets

import "wormbell/watchers/internal/decode"

// Available says that sockets are not looked at here.
const Available = false

// Open fails with ErrUnsupported.
func Open(int, []uint64) ([]uint64, error) { return nil, ErrUnsupported }

// Connected fails with ErrUnsupported.
func Connected(int, func(decode.Socket)) error { return ErrUnsupported }

// Package sockets reads which sockets a process has open, and where those are
// connected to. It knows nothing of why somebody asks.
package sockets

import "errors"

// ErrUnsupported is returned on systems where sockets are not looked at.
var ErrUnsupported = errors.New("not available on this system")

//go:build !linux || !(amd64 || arm64)

package execring

import "wormbell/watchers/internal/decode"

// Ring is not available on this system.
type Ring struct{}

// Open fails with ErrUnsupported.
func Open() (*Ring, error) { return nil, ErrUnsupported }

// Drain hands over nothing.
func (*Ring) Drain(func(*decode.Exec)) (lost int, err error) { return 0, ErrUnsupported }

// Close does nothing.
func (*Ring) Close() error { return nil }

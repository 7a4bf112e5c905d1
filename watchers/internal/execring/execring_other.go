//go:build !linux || !(amd64 || arm64)

package execring

import (
	"context"
	"time"

	"wormbell/watchers/internal/decode"
)

// Ring is not available on this system.
type Ring struct{}

// Open fails with ErrUnsupported.
func Open() (*Ring, error) { return nil, ErrUnsupported }

// Drain hands over nothing.
func (*Ring) Drain(func(*decode.Proc, *decode.Exec)) (lost int, err error) { return 0, ErrUnsupported }

// Near does nothing.
func (*Ring) Near(int) error { return ErrUnsupported }

// Wake does nothing.
func (*Ring) Wake() {}

// Listen fails.
func (*Ring) Listen(context.Context, time.Duration, func() error) error { return ErrUnsupported }

// Close does nothing.
func (*Ring) Close() error { return nil }

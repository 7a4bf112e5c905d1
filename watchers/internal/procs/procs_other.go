//go:build !linux

package procs

import (
	"context"
	"time"

	"wormbell/watchers/internal/decode"
)

// Reader reads nothing on this system yet.
type Reader struct{}

// NewReader returns a reader that knows no process.
func NewReader() *Reader { return &Reader{} }

// Close does nothing.
func (*Reader) Close() {}

// Stat fails with ErrUnsupported.
func (*Reader) Stat(int) (Stat, error) { return Stat{}, ErrUnsupported }

// Read fails with ErrUnsupported.
func (*Reader) Read(int) (Info, error) { return Info{}, ErrUnsupported }

// Late returns nothing.
func (*Reader) Late() []Late { return nil }

// LastPid fails with ErrUnsupported.
func (*Reader) LastPid() (int, error) { return 0, ErrUnsupported }

// Maps is not available on this system.
type Maps struct{}

// NewMaps returns a Maps that knows no process.
func NewMaps() *Maps { return &Maps{} }

// Code fails with ErrUnsupported.
func (*Maps) Code(int) ([]Mapped, error) { return nil, ErrUnsupported }

// Pids fails with ErrUnsupported.
func Pids() ([]int, error) { return nil, ErrUnsupported }

// BootTime fails with ErrUnsupported.
func BootTime() (time.Time, error) { return time.Time{}, ErrUnsupported }

// StdinTTY knows of no terminal.
func StdinTTY(int) bool { return false }

// Uptime is a clock that nobody sets, with any beginning.
func Uptime() time.Duration { return time.Since(epoch) }

// Monotonic is the same clock.
func Monotonic() time.Duration { return time.Since(epoch) }

// epoch carries a reading of the monotonic clock.
var epoch = time.Now()

// Conn is not available on this system.
type Conn struct{}

// OpenConn fails with ErrUnsupported.
func OpenConn(int) (*Conn, error) { return nil, ErrUnsupported }

// Drain fails with ErrUnsupported.
func (*Conn) Drain(time.Duration, func(*decode.Proc)) (int, error) { return 0, ErrUnsupported }

// Listen fails with ErrUnsupported.
func (*Conn) Listen(context.Context, func() error) error { return ErrUnsupported }

// Close does nothing.
func (*Conn) Close() error { return nil }

// Tick is how exact the times of files may be.
func Tick() time.Duration { return 10 * time.Millisecond }

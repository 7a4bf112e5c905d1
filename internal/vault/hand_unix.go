//go:build linux || darwin

package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func supported() error { return nil }

// drained waits until all that was written to a pipe was read from it.
func drained(ctx context.Context, pipe *os.File) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		n, err := waiting(pipe)
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func waiting(pipe *os.File) (n int, err error) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	err2 := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), fionread) })
	if err := errors.Join(err, err2); err != nil {
		return 0, fmt.Errorf("ask what is left in a pipe: %w", err)
	}
	return n, nil
}

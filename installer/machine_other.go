//go:build !linux && !darwin && !windows

package installer

import (
	"context"
	"errors"
)

// Local is not available on this system.
func Local(func(ctx context.Context) (version string, pid int, err error)) (*Machine, error) {
	return nil, errors.New("installing is not available on this system: have your init run 'wormbelld' as root")
}

// Look is not available on this system.
func Look(context.Context) (State, error) {
	return State{}, errors.New("which services there are cannot be told on this system")
}

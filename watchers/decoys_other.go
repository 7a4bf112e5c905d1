//go:build !linux

package watchers

import (
	"errors"

	"wormbell"
)

// LookAtDecoy is not available.
func LookAtDecoy(Home, string) (wormbell.Planted, error) {
	return wormbell.Planted{}, errors.New("this system's agent cannot guard a decoy")
}

//go:build !unix

package decoy

import (
	"time"

	"wormbell"
)

// Put is a decoy that was planted.
type Put struct {
	File wormbell.Planted
	Made string // the folder, with ~, that was made for it; "" if there was one
}

// Plant is not available.
func Plant(home, p string, text []byte, age time.Time) (Put, error) { return Put{}, ErrNotAvailable }

// Remove is not available.
func Remove(home, p string, put Put) error { return ErrNotAvailable }

// Check is not available.
func Check(home, p string, file wormbell.Planted) error { return ErrNotAvailable }

// Look is not available.
func Look(home, p string) (wormbell.Planted, error) { return wormbell.Planted{}, ErrNotAvailable }

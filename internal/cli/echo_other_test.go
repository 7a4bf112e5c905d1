//go:build !linux

package cli

import (
	"errors"
	"os"
)

// echo cannot be told here.
func echo(*os.File) (bool, error) { return false, errors.ErrUnsupported }

//go:build !((linux && !getlantern) || (linux && getlantern && cgo) || windows || (darwin && cgo))

package tray

import (
	"fmt"
	"runtime"
)

func display(func(toolkit, func())) error {
	switch runtime.GOOS {
	case "darwin", "linux":
		return fmt.Errorf("%w: it needs cgo (CGO_ENABLED=1 and a C compiler)", ErrNoLibrary)
	}
	return fmt.Errorf("%w (%s)", ErrNoLibrary, runtime.GOOS)
}

//go:build !linux

package doctor

import (
	"context"
	"runtime"
)

func fanotify(context.Context, Machine) Result {
	return warn("not available on "+runtime.GOOS+": reads of credentials are not seen", "")
}

func procConnector(context.Context, Machine) Result {
	return warn("not available on "+runtime.GOOS+": processes are polled", "")
}

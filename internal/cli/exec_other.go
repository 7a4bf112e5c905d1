//go:build !unix

package cli

import (
	"os"
	"os/signal"
)

// listen keeps Ctrl-C from ending us before the program that we run, which the
// console tells too.
func listen() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	return c, func() { signal.Stop(c) }
}

// pass does nothing: there is only what the console sends to both.
func pass(*os.Process, os.Signal) {}

// status is the program's exit status.
func status(s *os.ProcessState) int { return s.ExitCode() }

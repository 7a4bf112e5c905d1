//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen receives the signals that are meant for the program that we run.
func listen() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 16) // more at once than a person or a supervisor sends
	signal.Notify(c, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM)
	return c, func() { signal.Stop(c) }
}

// pass sends a signal on. What the terminal sends it sends to the program too,
// which would take a second Ctrl-C for impatience.
func pass(p *os.Process, s os.Signal) {
	if (s == unix.SIGINT || s == unix.SIGQUIT) && foreground() {
		return
	}
	_ = p.Signal(s) // it may have ended
}

// foreground reports whether we are in the foreground of a terminal.
func foreground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// status is what a shell would call the end of a program.
func status(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

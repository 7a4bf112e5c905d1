//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"time"
)

func ownSession(*exec.Cmd) {}

func processTime(int) (time.Duration, error) {
	return 0, errors.New("the processor time of another process is not available on this system")
}

func onOneProcessor() error {
	return errors.New("a processor of one's own is not available on this system")
}

func fileSystem(string) string { return "unknown file system" }

func answer([]string) error { return errors.New("permission events are not available on this system") }

package main

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// nice is how the agent asks for the processor before ordinary programs.
const nice = -10

// hurry asks for the processor before ordinary programs, as far as we may:
// openers wait for the agent, and a process's arguments must be read before it
// writes a title over them. The agent needs little time, but at once. A service
// manager that gave it already need not allow us to ask (wormbelld.service).
// getpriority(2): the system call returns 20 less the niceness.
//
// Where no service manager has put us into a group with a share of its own, the
// kernel shares the processors between sessions, and niceness counts within one
// (autogroup, sched(7)): hundreds of sessions would leave us a hundredth. A session
// that is not ours alone, as of a terminal, is left as it is.
func hurry() {
	if sid, err := unix.Getsid(0); err == nil && sid == os.Getpid() {
		if f, err := os.OpenFile("/proc/self/autogroup", os.O_WRONLY, 0); err == nil {
			f.WriteString(strconv.Itoa(nice))
			f.Close()
		}
	}
	if now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil && 20-now <= nice {
		return
	}
	syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice)
}

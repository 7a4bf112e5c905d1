package main

import "syscall"

// nice is how the agent asks for the processor before ordinary programs.
const nice = -10

// hurry asks for the processor before ordinary programs, as far as we may:
// openers wait for the agent, and a process's arguments must be read before it
// writes a title over them. The agent needs little time, but at once. A service
// manager that gave it already need not allow us to ask (wormbelld.service).
// getpriority(2): the system call returns 20 less the niceness.
func hurry() {
	if now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil && 20-now <= nice {
		return
	}
	syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice)
}

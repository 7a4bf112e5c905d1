package agent

import (
	"os"
	"strings"
)

// bootID names this run of the kernel; random(4). "" if that is not known.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

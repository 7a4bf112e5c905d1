package watchdog

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// memoryKills returns how many processes the kernel ended in our control group
// because there was no memory left for it; 0 if that is not known. cgroups(7)
// and memory.events in the kernel's documentation, admin-guide/cgroup-v2.rst.
func memoryKills() int {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		events, err := os.ReadFile(path.Join("/sys/fs/cgroup", path.Clean("/"+group), "memory.events"))
		if err != nil {
			return 0
		}
		return oomKills(string(events))
	}
	return 0
}

// oomKills reads the count from memory.events.
func oomKills(events string) int {
	for line := range strings.Lines(events) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(count))
			if err == nil {
				return n
			}
		}
	}
	return 0
}

package watchdog

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// childScore is the child's oom_score_adj at the least. Its parent has a lower
// one (OOMScoreAdjust of wormbelld.service): when there is no memory left for
// both, the kernel is to end the one that takes more and has somebody to start it
// again; proc_pid_oom_score_adj(5). Everybody may raise their own.
const childScore = -500

// offer raises the score of who calls it to childScore.
func offer() error {
	const file = "/proc/self/oom_score_adj"
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || now >= childScore {
		return err
	}
	return os.WriteFile(file, []byte(strconv.Itoa(childScore)), 0)
}

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

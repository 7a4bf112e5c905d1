package agent

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// ticks is USER_HZ, which is 100 on every Linux that Go runs on; time(7).
const ticks = 100

// usage returns the processor time in seconds and the resident memory in bytes
// of these processes together; proc_pid_stat(5).
func usage(pids []int) (cpu float64, rss int64) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// The program's name may hold anything; what follows it may not.
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(fields) < 22 {
			continue
		}
		number := func(i int) float64 { n, _ := strconv.ParseFloat(string(fields[i-3]), 64); return n }
		cpu += (number(14) + number(15)) / ticks
		rss += int64(number(24)) * int64(os.Getpagesize())
	}
	return cpu, rss
}

//go:build !linux

package agent

import "runtime"

// usage returns what the Go runtime knows: no processor time, and the memory
// that it has from the system.
func usage(pids []int) (cpu float64, rss int64) {
	if len(pids) == 0 {
		return 0, 0
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return 0, int64(m.Sys)
}
